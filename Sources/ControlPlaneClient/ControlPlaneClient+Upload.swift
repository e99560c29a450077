internal import AsyncHTTPClient
internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import NIOCore
internal import NIOHTTP1

/// How far an upload is.
package struct UploadProgress: Sendable {
    package var file: String
    package var doneBytes: Int
    package var totalBytes: Int
}

extension ControlPlaneClient {
    /// Uploads a code folder (or one file) and registers it; answers the code version's ARM id.
    ///
    /// Known contents are not sent again.
    package func uploadCode(
        _ plan: UploadPlan,
        ids: WorkspaceIDs,
        progress: (UploadProgress) async -> Void = { _ in }
    ) async throws -> String {
        let name = UUID().uuidString.lowercased()
        let list = ids.asset("codes", name) + "/versions"
        let known = try await get(list, query: ["hash": plan.hash, "hashVersion": "outrigger1"])
        if let id = known["value"]?[0]?["id"]?.stringValue { return id }
        let version = list + "/1"
        let pending = try await post(version + "/startPendingUpload", ["pendingUploadType": "TemporaryBlobReference"])
            .body
        let reference = pending["blobReferenceForConsumption"]
        guard let blob = reference?["blobUri"]?.stringValue,
            let signed = reference?["credential"]?["sasUri"]?.stringValue
        else {
            throw ARMError(502, "UploadNotOffered", "The control plane gave no address to upload code to.")
        }
        let folder = "/" + encoded(plan.name)
        try await upload(plan, to: { Self.append(folder + "/" + encodedPath($0.name), to: signed) }, progress: progress)
        let body: JSON = [
            "properties": [
                "codeUri": .string(blob + folder), "isAnonymous": true,
                "properties": ["hash_sha256": .string(plan.hash), "hash_version": "outrigger1"],
            ]
        ]
        return try await put(version, body).body["id"]?.stringValue ?? version
    }

    /// Uploads a file or folder to the default datastore; answers its `azureml://datastores/…` URI, with a final slash for a folder.
    package func uploadData(
        _ plan: UploadPlan,
        ids: WorkspaceIDs,
        progress: (UploadProgress) async -> Void = { _ in }
    ) async throws -> String {
        let store = try await get(ids.datastore("workspaceblobstore"))
        let secrets = try await post(ids.datastore("workspaceblobstore") + "/listSecrets").body
        guard let account = store["properties"]?["accountName"]?.stringValue,
            let suffix = store["properties"]?["endpoint"]?.stringValue,
            let container = store["properties"]?["containerName"]?.stringValue,
            let token = secrets["sasToken"]?.stringValue
        else { throw ARMError(502, "UploadNotOffered", "The default datastore does not say where to upload to.") }
        // `127.0.0.1:7443/store` + `.blob.` + suffix.
        let base = "https://\(account).blob.\(suffix)/\(container)"
        let path = "LocalUpload/\(plan.hash)/" + (plan.isFolder ? plan.name + "/" : "")
        try await upload(plan, to: { base + "/" + encodedPath(path + $0.name) + "?" + token }, progress: progress)
        return "azureml://datastores/workspaceblobstore/paths/" + path + (plan.isFolder ? "" : plan.name)
    }

    private static func append(_ path: String, to signed: String) -> String {
        let parts = signed.split(separator: "?", maxSplits: 1).map(String.init)
        return parts[0] + path + (parts.count > 1 ? "?" + parts[1] : "")
    }

    private func upload(
        _ plan: UploadPlan,
        to address: (UploadPlan.File) -> String,
        progress: (UploadProgress) async -> Void
    ) async throws {
        var done = 0
        let total = plan.totalBytes
        for file in plan.files {
            var request = HTTPClientRequest(url: address(file))
            request.method = .PUT
            request.headers.add(name: "x-ms-blob-type", value: "BlockBlob")
            request.headers.add(name: "Content-Type", value: "application/octet-stream")
            request.body = .stream(FileChunks(path: file.path), length: .known(Int64(file.size)))
            _ = try await execute(request)
            done += file.size
            await progress(UploadProgress(file: file.name, doneBytes: done, totalBytes: total))
        }
    }
}

/// The bytes of a file, a megabyte at a time.
struct FileChunks: AsyncSequence, Sendable {
    typealias Element = ByteBuffer
    let path: String

    struct AsyncIterator: AsyncIteratorProtocol {
        let path: String
        var handle: FileHandle?

        mutating func next() async throws -> ByteBuffer? {
            let open = try handle ?? FileHandle(forReadingFrom: URL(filePath: path))
            handle = open
            guard let data = try open.read(upToCount: 1 << 20), !data.isEmpty else {
                try open.close()
                return nil
            }
            return ByteBuffer(bytes: data)
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(path: path) }
}
