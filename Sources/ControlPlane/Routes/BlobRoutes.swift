internal import ControlPlaneAPI
internal import Foundation
internal import Hummingbird
internal import KubeCore
internal import NIOCore

/// The part of the Blob REST interface that clients of Azure ML use, plus append blobs for logs.
struct BlobRoutes {
    let core: Core

    func register(_ routes: inout RouteTable) {
        // The account comes first in the path, as there is no DNS name for it; one client path loses it (build contexts).
        for prefix in ["/" + BlobAddress.account, ""] {
            let containers = prefix.isEmpty ? ["azureml", "azureml-blobstore"] : ["{container}"]
            for container in containers {
                let address = prefix + "/" + container
                let fixed = container.hasPrefix("{") ? nil : container
                for method in ["GET", "HEAD", "PUT", "DELETE"] {
                    routes.add(method, address, access: .own) { call in
                        try await self.container(call, fixed ?? call["container"])
                    }
                    routes.add(method, address + "/**", access: .own) { call in
                        let name = BlobRoutes.name(call, skipping: prefix.isEmpty ? 1 : 2)
                        return try await self.blob(call, BlobAddress(container: fixed ?? call["container"], name: name))
                    }
                }
            }
        }
    }

    /// The blob's name as written: the router drops empty segments and a final slash, both of which count here.
    private static func name(_ call: Call, skipping count: Int) -> String {
        let segments = call.path.split(separator: "/", omittingEmptySubsequences: false).dropFirst(1 + count)
        return segments.map { percentDecoded(String($0)) }.joined(separator: "/")
    }

    private func container(_ call: Call, _ container: String) async throws -> Reply {
        switch call.method {
        case .put: return Reply(201)
        case .get where call.query["comp"] == "list": return try await list(call, container)
        case .get, .head:
            try await check(call, BlobAddress(container: container, name: ""), write: false)
            return Reply(200)
        default: throw ARMError(405, "UnsupportedHttpVerb", "Containers are made and removed by the control plane.")
        }
    }

    private func blob(_ call: Call, _ address: BlobAddress) async throws -> Reply {
        let isRead = call.method == .get || call.method == .head
        let isArtifact = try await check(call, address, write: !isRead)
        switch call.method {
        case .head: return BlobRoutes.head(try await core.blobs.require(address))
        case .get: return try await get(call, address)
        case .delete:
            guard try await core.blobs.delete(address) else {
                throw ARMError(404, "BlobNotFound", "Blob '\(address.name)' does not exist.")
            }
            return Reply(202)
        default: return try await put(call, address, replaces: isArtifact)
        }
    }

    private func get(_ call: Call, _ address: BlobAddress) async throws -> Reply {
        if call.query["comp"] == "metadata" { return BlobRoutes.head(try await core.blobs.require(address)) }
        let blob = try await core.blobs.require(address)
        var reply = BlobRoutes.head(blob)
        // The length of the answer is the range's, not the blob's.
        reply.headers["Content-Length"] = nil
        guard let text = call.header("x-ms-range") ?? call.header("Range") else {
            reply.content = .stream(core.blobs.files.body(blob.file, range: 0..<blob.size), type: blob.contentType)
            return reply
        }
        guard let range = BlobRoutes.range(text, size: blob.size) else {
            throw ARMError(416, "InvalidRange", "Range '\(text)' does not lie in a blob of \(blob.size) bytes.")
        }
        reply.status = 206
        reply.headers["Content-Range"] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(blob.size)"
        reply.content = .stream(core.blobs.files.body(blob.file, range: range), type: blob.contentType)
        return reply
    }

    private func put(_ call: Call, _ address: BlobAddress, replaces: Bool) async throws -> Reply {
        let metadata = BlobRoutes.metadata(call)
        let type =
            call.header("x-ms-blob-content-type") ?? call.header("Content-Type") ?? "application/octet-stream"
        let condition: BlobService.Condition =
            call.header("If-None-Match") == "*" && !replaces ? .onlyIfAbsent : .always
        let record: BlobRecord
        switch call.query["comp"] {
        case "block":
            try await core.blobs.putBlock(
                address,
                id: call.query.rawValue("blockid") ?? "",
                body: call.request.body
            )
            return Reply(201)
        case "blocklist":
            let ids = BlobService.blockIDs(String(buffer: try await call.bytes()))
            record = try await core.blobs.commitBlocks(
                address,
                ids: ids,
                contentType: type,
                metadata: metadata,
                condition: condition
            )
        case "metadata":
            record = try await core.blobs.setMetadata(address, metadata)
            return BlobRoutes.written(record, status: 200)
        case "appendblock":
            let offset = call.header("x-ms-blob-condition-appendpos").flatMap { Int($0) }
            let bytes = try await call.bytes(limit: 32 << 20)
            record = try await core.blobs.append(address, bytes, expectedOffset: offset)
            var reply = BlobRoutes.written(record, status: 201)
            reply.headers["x-ms-blob-append-offset"] = String(record.size - bytes.readableBytes)
            return reply
        case nil:
            if call.header("x-ms-blob-type")?.lowercased() == "appendblob" {
                if condition == .onlyIfAbsent, try await core.blobs.find(address) != nil {
                    throw BlobService.exists(address)
                }
                record = try await core.blobs.put(address, bytes: ByteBuffer(), kind: .append)
            } else {
                record = try await core.blobs.put(
                    address,
                    body: call.request.body,
                    contentType: type,
                    metadata: metadata,
                    condition: condition
                )
            }
        case let other?:
            throw ARMError(
                400,
                "InvalidQueryParameterValue",
                "Blob operation comp=\(other) is not offered.",
                target: "comp"
            )
        }
        return BlobRoutes.written(record, status: 201)
    }

    /// Lets the call through or throws 403; true when the address was signed for one artifact, which may be written again.
    @discardableResult
    private func check(_ call: Call, _ address: BlobAddress, write: Bool) async throws -> Bool {
        if call.caller.isUser { return false }
        if let permission = core.signatures.permission(
            container: address.container,
            blob: address.name,
            query: call.query
        ),
            write ? permission.canWrite : permission.canRead
        {
            return call.query["sr"] == "b"
        }
        guard call.caller.kind != .anonymous else {
            // Missing credentials and bad ones look alike to clients of Blob storage.
            throw ARMError(
                403,
                "AuthenticationFailed",
                "The request for blob '\(address.name)' has neither a bearer token nor a valid signature."
            )
        }
        let subject = call.caller.subject
        let isGranted = try await core.store.read { t in
            try t.isGranted(subject, container: address.container, blob: address.name, write: write)
        }
        guard isGranted else {
            throw ARMError(
                403,
                "AuthorizationPermissionMismatch",
                "\(subject) may not \(write ? "write" : "read") '\(address.container)/\(address.name)'."
            )
        }
        return false
    }

    static func head(_ blob: BlobRecord) -> Reply {
        var headers = properties(blob)
        headers["Content-Length"] = String(blob.size)
        headers["Content-Type"] = blob.contentType
        headers["Accept-Ranges"] = "bytes"
        headers["x-ms-blob-type"] = blob.kind.rawValue
        headers["x-ms-creation-time"] = httpDate(blob.createdAt)
        for (name, value) in blob.metadata { headers["x-ms-meta-" + name] = value }
        return Reply(200, headers: headers)
    }

    private static func written(_ blob: BlobRecord, status: Int) -> Reply {
        Reply(status, headers: properties(blob))
    }

    private static func properties(_ blob: BlobRecord) -> [String: String] {
        [
            "ETag": "\"\(blob.etag)\"", "Last-Modified": httpDate(blob.updatedAt), "x-ms-version": "2024-11-04",
            "x-ms-request-server-encrypted": "false",
        ]
    }

    private static func metadata(_ call: Call) -> [String: String] {
        var metadata: [String: String] = [:]
        for field in call.request.headers where field.name.rawName.lowercased().hasPrefix("x-ms-meta-") {
            metadata[String(field.name.rawName.lowercased().dropFirst("x-ms-meta-".count))] = field.value
        }
        return metadata
    }

    /// `bytes=a-b`, `bytes=a-` or `bytes=-n`, cut to the blob's size; nil when nothing of it exists.
    static func range(_ text: String, size: Int) -> Range<Int>? {
        guard text.lowercased().hasPrefix("bytes=") else { return nil }
        let bounds = text.dropFirst(6).split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard bounds.count == 2 else { return nil }
        if bounds[0].isEmpty {
            guard let count = Int(bounds[1]), count > 0, size > 0 else { return nil }
            return max(0, size - count)..<size
        }
        guard let start = Int(bounds[0]), start >= 0, start < size else { return nil }
        let end = Int(bounds[1]) ?? (size - 1)
        guard end >= start else { return nil }
        return start..<(min(end, size - 1) + 1)
    }

    static func httpDate(_ seconds: Double) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(secondsFromGMT: 0)
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        return formatter.string(from: Date(timeIntervalSince1970: seconds))
    }
}
