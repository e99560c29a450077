internal import Foundation
internal import KubeCore
internal import MLTypes

/// First init container of every job and deployment: brings our binary and the user's files into the shared folder.
package enum StorageInitializer {
    /// Reads `delivery.json` and does what it says; files of one folder are fetched eight at a time.
    package static func run() async throws {
        let manifest: DeliveryManifest = try JSON(
            parsing: try Data(contentsOf: URL(fileURLWithPath: RuntimePaths.configuration + "/delivery.json"))
        ).decode()
        // The user's image may run as anybody, and has to write where this user made the folders; nobody else is in the pod.
        umask(0)
        try makeFolders()
        try ProgramCopy.install()
        try PublicAuthorities.bring()
        guard !manifest.downloads.isEmpty else { return }
        let client = try BlobClient(
            controlPlaneURL: manifest.controlPlaneURL,
            caFile: RuntimePaths.configuration + "/ca.pem",
            tokenFile: RuntimePaths.token + "/token"
        )
        do {
            for item in manifest.downloads { try await fetch(item, with: client) }
        } catch {
            try await client.shutdown()
            throw error
        }
        try await client.shutdown()
    }

    private static func makeFolders() throws {
        for path in [RuntimePaths.code, RuntimePaths.inputs, RuntimePaths.outputs, RuntimePaths.model] {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
    }

    private static func fetch(_ item: DeliveryManifest.Item, with client: BlobClient) async throws {
        guard item.uri.hasSuffix("/") else {
            try makeParent(of: item.path)
            print("fetching \(item.path)")
            return try await client.download(item.uri, to: item.path)
        }
        let folder = try BlobLocation(item.uri)
        let prefix = folder.decodedPath
        let names = try await client.list(folder)
        print("fetching \(names.count) files to \(item.path)")
        guard !names.isEmpty else {
            throw JobRuntimeError(
                .downloadFailed,
                "\(folder.containerURL)/\(folder.path) holds no files",
                remedy: "check that the asset was uploaded and its path is right"
            )
        }
        try FileManager.default.createDirectory(atPath: item.path, withIntermediateDirectories: true)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, name) in names.enumerated() {
                if index >= 8 { try await group.next() }
                guard let relative = RelativePath.below(prefix, name), !relative.hasSuffix("/") else { continue }
                let path = item.path + "/" + relative
                try makeParent(of: path)
                group.addTask { try await client.download(folder.url(of: name), to: path) }
            }
            try await group.waitForAll()
        }
    }

    private static func makeParent(of path: String) throws {
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent,
            withIntermediateDirectories: true
        )
    }
}
