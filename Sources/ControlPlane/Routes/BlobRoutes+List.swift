internal import ControlPlaneAPI
internal import NIOCore

extension BlobRoutes {
    /// GET `restype=container&comp=list`.
    func list(_ call: Call, _ container: String) async throws -> Reply {
        let prefix = call.query["prefix"] ?? ""
        try await authorizeList(call, container, prefix)
        let limit = min(max(1, call.count("maxresults") ?? 5000), 5000)
        let delimiter = call.query["delimiter"].flatMap { $0.isEmpty ? nil : $0 }
        let withMetadata = (call.query["include"] ?? "").lowercased().contains("metadata")
        var marker = call.query["marker"].flatMap { $0.isEmpty ? nil : $0 }
        var entries: [String] = []
        var next = ""
        search: while true {
            let from = marker
            let page = try await core.store.read { t in try t.blobs(container, prefix: prefix, after: from, limit: 1000)
            }
            for blob in page {
                if let delimiter, let folder = BlobRoutes.folder(blob.name, prefix: prefix, delimiter: delimiter) {
                    entries.append("<BlobPrefix><Name>\(xml(folder))</Name></BlobPrefix>")
                    marker = folder + "\u{10FFFF}"
                    if entries.count >= limit { next = folder + "\u{10FFFF}"; break search }
                    continue search
                }
                entries.append(entry(blob, withMetadata: withMetadata))
                marker = blob.name
                if entries.count >= limit {
                    next = blob.name
                    break search
                }
            }
            if page.count < 1000 { break }
        }
        let text =
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"\(core.publicURL)/\(BlobAddress.account)\""
            + " ContainerName=\"\(xml(container))\"><Prefix>\(xml(prefix))</Prefix><MaxResults>\(limit)</MaxResults>"
            + "<Blobs>\(entries.joined())</Blobs><NextMarker>\(xml(next))</NextMarker></EnumerationResults>"
        return .text(text, type: "application/xml")
    }

    private func authorizeList(_ call: Call, _ container: String, _ prefix: String) async throws {
        if call.caller.isUser { return }
        if let permission = core.signatures.permission(container: container, blob: prefix, query: call.query),
            permission.canRead
        {
            return
        }
        let subject = call.caller.subject
        // A folder may be listed by whoever may read its contents.
        let isGranted = try await core.store.read { t in
            try t.isGranted(subject, container: container, blob: prefix, write: false)
                || (prefix.hasSuffix("/")
                    && t.isGranted(subject, container: container, blob: String(prefix.dropLast()), write: false))
        }
        guard isGranted else {
            throw ARMError(
                403,
                "AuthorizationPermissionMismatch",
                "'\(container)/\(prefix)' may not be listed with these credentials."
            )
        }
    }

    private static func folder(_ name: String, prefix: String, delimiter: String) -> String? {
        let rest = name.dropFirst(prefix.count)
        guard let range = rest.firstRange(of: delimiter) else { return nil }
        return prefix + rest[..<range.upperBound]
    }

    private func entry(_ blob: BlobRecord, withMetadata: Bool) -> String {
        var text = "<Blob><Name>\(xml(blob.name))</Name><Properties>"
        text += "<Creation-Time>\(BlobRoutes.httpDate(blob.createdAt))</Creation-Time>"
        text += "<Last-Modified>\(BlobRoutes.httpDate(blob.updatedAt))</Last-Modified><Etag>\(blob.etag)</Etag>"
        text += "<Content-Length>\(blob.size)</Content-Length><Content-Type>\(xml(blob.contentType))</Content-Type>"
        text += "<BlobType>\(blob.kind.rawValue)</BlobType></Properties>"
        if withMetadata, !blob.metadata.isEmpty {
            let members = blob.metadata.sorted { $0.key < $1.key }.map { "<\($0.key)>\(xml($0.value))</\($0.key)>" }
            text += "<Metadata>\(members.joined())</Metadata>"
        }
        return text + "</Blob>"
    }

    private func xml(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }
}
