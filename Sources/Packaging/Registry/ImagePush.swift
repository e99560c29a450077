internal import Foundation
internal import KubeCore
internal import NIOHTTP1

/// Sends an image to a registry.
///
/// Source: OCI distribution specification 1.1, "Push".
package struct ImagePush: Sendable {
    /// What is sent next, and how it ended.
    package enum Progress: Sendable, Hashable {
        case present(digest: String, bytes: Int)
        case sending(digest: String, bytes: Int, position: Int, count: Int)
        case done(name: String, digest: String)
    }

    package var archive: ImageArchive
    package var name: ImageName
    package var options: RegistryOptions

    /// Chunks after a registry, or a proxy before it, finds a blob too large.
    private static let fallbackChunk = 8 << 20

    package init(archive: ImageArchive, name: ImageName, options: RegistryOptions) {
        self.archive = archive
        self.name = name
        self.options = options
    }

    /// Sends what the registry lacks, the manifest last; sending the same image again changes nothing.
    ///
    /// - Returns: digest of the manifest.
    /// - Throws: `PackagingError` with what the registry said.
    package func run(progress: @Sendable (Progress) -> Void = { _ in }) async throws -> String {
        guard let tag = name.tag ?? archive.tag else {
            throw PackagingError(.badReference, "\(name) has no tag", remedy: "write REGISTRY/REPOSITORY:TAG")
        }
        let digest = try await RegistrySession.with(options, name: name) { session in
            var sent: Set<String> = []
            for (position, blob) in archive.blobs.enumerated() where sent.insert(blob.digest).inserted {
                if try await exists(blob, session) {
                    progress(.present(digest: blob.digest, bytes: blob.size))
                    continue
                }
                progress(
                    .sending(digest: blob.digest, bytes: blob.size, position: position + 1, count: archive.blobs.count)
                )
                try await upload(blob, session)
            }
            return try await putManifest(tag, session)
        }
        var full = name
        full.tag = tag
        progress(.done(name: full.description, digest: digest))
        return digest
    }

    private func exists(_ blob: ImageArchive.Blob, _ session: RegistrySession) async throws -> Bool {
        let response = try await session.send(.HEAD, try session.url("blobs/" + blob.digest))
        // A redirection leads to where the blob is kept.
        if (200..<400).contains(response.status.code) { return true }
        guard response.status == .notFound else { throw failure("asking for a blob", response) }
        return false
    }

    private func upload(_ blob: ImageArchive.Blob, _ session: RegistrySession) async throws {
        if let chunk = options.chunkBytes, blob.size > chunk {
            return try await uploadChunks(blob, session, chunk: chunk)
        }
        let location = try await start(session).location
        let response = try await session.send(
            .PUT,
            try Self.adding(digest: blob.digest, to: location),
            headers: ["Content-Type": "application/octet-stream"],
            body: .part(path: archive.path, offset: blob.offset, count: blob.size)
        )
        if response.status == .payloadTooLarge, blob.size > Self.fallbackChunk {
            return try await uploadChunks(blob, session, chunk: Self.fallbackChunk)
        }
        guard response.status == .created || response.status == .noContent else {
            throw failure("sending \(blob.digest)", response)
        }
    }

    private func uploadChunks(_ blob: ImageArchive.Blob, _ session: RegistrySession, chunk: Int) async throws {
        var (location, minimum) = try await start(session)
        let size = max(chunk, minimum)
        var offset = 0
        while offset < blob.size {
            let count = min(size, blob.size - offset)
            let response = try await session.send(
                .PATCH,
                location,
                headers: [
                    "Content-Type": "application/octet-stream", "Content-Range": "\(offset)-\(offset + count - 1)",
                ],
                body: .part(path: archive.path, offset: blob.offset + UInt64(offset), count: count)
            )
            guard response.status == .accepted || response.status == .noContent else {
                throw failure("sending \(blob.digest) from byte \(offset)", response)
            }
            location = try self.location(response, session, current: location)
            offset += count
        }
        let response = try await session.send(
            .PUT,
            try Self.adding(digest: blob.digest, to: location),
            body: .bytes([])
        )
        guard response.status == .created || response.status == .noContent else {
            throw failure("finishing \(blob.digest)", response)
        }
    }

    private func start(_ session: RegistrySession) async throws -> (location: URL, minimum: Int) {
        let url = try session.url("blobs/uploads/")
        let response = try await session.send(.POST, url, body: .bytes([]))
        guard response.status == .accepted else { throw failure("starting an upload", response) }
        let minimum = response.headers.first(name: "OCI-Chunk-Min-Length").flatMap(Int.init) ?? 0
        return (try location(response, session, current: url), minimum)
    }

    private func putManifest(_ tag: String, _ session: RegistrySession) async throws -> String {
        let response = try await session.send(
            .PUT,
            try session.url("manifests/" + tag),
            headers: ["Content-Type": archive.manifestType],
            body: .bytes(archive.manifest)
        )
        guard response.status == .created || response.status == .ok else {
            throw failure("sending the manifest", response)
        }
        if let digest = response.headers.first(name: "Docker-Content-Digest"), digest != archive.digest {
            throw PackagingError(
                .checksumMismatch,
                "\(name.registry) stored the manifest as \(digest), not as \(archive.digest)",
                remedy: "check what stands between this machine and the registry"
            )
        }
        return archive.digest
    }

    private func location(
        _ response: RegistrySession.Response,
        _ session: RegistrySession,
        current: URL
    ) throws -> URL {
        guard let text = response.headers.first(name: "Location"),
            let url = URL(string: text, relativeTo: current)?.absoluteURL, url.host != nil
        else { throw failure("starting an upload, it named no place for it", response) }
        guard url.scheme == session.base.scheme || url.scheme == "https" else {
            throw failure("starting an upload, it named the unencrypted place \(text)", response)
        }
        return url
    }

    private static func adding(digest: String, to location: URL) throws -> URL {
        guard var components = URLComponents(url: location, resolvingAgainstBaseURL: true) else {
            throw PackagingError(.registryRefused, "the upload address '\(location)' cannot be read")
        }
        // What the registry put into its address must come back unchanged.
        let query = components.percentEncodedQuery ?? ""
        components.percentEncodedQuery = (query.isEmpty ? "" : query + "&") + "digest=" + digest
        guard let url = components.url else {
            throw PackagingError(.registryRefused, "the upload address '\(location)' cannot be used")
        }
        return url
    }

    private func failure(_ step: String, _ response: RegistrySession.Response) -> PackagingError {
        let errors = (try? JSON(parsing: response.body))?["errors"]?.arrayValue ?? []
        let words = errors.map { error in
            [error["code"]?.stringValue, error["message"]?.stringValue].compactMap { $0 }.joined(separator: ": ")
        }
        let answer = (["\(response.status.code) \(response.status.reasonPhrase)"] + words).joined(separator: "; ")
        let isRefusal = response.status == .unauthorized || response.status == .forbidden
        return PackagingError(
            isRefusal ? .unauthorized : .registryRefused,
            "\(name.registry)/\(name.repository): \(step): the registry answers \(answer)",
            remedy: isRefusal ? "sign in as someone who may push to \(name.repository)" : nil
        )
    }
}
