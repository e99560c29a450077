internal import Foundation
internal import MLTypes

/// Brings a run's logs and results to the control plane while it runs, and completes them at its end.
///
/// Logs grow as append blobs at the offset that is known to have arrived; files of `outputs/` and `logs/` are sent again whenever
/// their size or time changed.
actor RunUploader {
    private struct Stamp: Equatable {
        var size: Int
        var modified: Date
    }

    private let client: BlobClient
    private let base: BlobLocation
    private let workingDirectory: String
    private let logs: [LogTee]
    private var sentBytes: [String: Int] = [:]
    private var sentFiles: [String: Stamp] = [:]

    init(client: BlobClient, artifactsURI: String, workingDirectory: String, logs: [LogTee]) throws {
        self.client = client
        base = try BlobLocation(artifactsURI)
        self.workingDirectory = workingDirectory
        self.logs = logs
    }

    /// Sends what is new; `includesFiles` also looks through `outputs/` and `logs/`.
    func pass(includesFiles: Bool) async throws {
        for log in logs { try await sendLog(log) }
        guard includesFiles else { return }
        for folder in ["outputs", "logs"] {
            try await sendFolder(workingDirectory + "/" + folder, to: base.decodedPath + folder + "/", in: base)
        }
    }

    /// Sends a named output: a folder, or a file where the job wrote one.
    func send(_ output: JobManifest.Output) async throws {
        let location = try BlobLocation(output.uri)
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: output.path, isDirectory: &isFolder) else { return }
        if isFolder.boolValue {
            let prefix = location.decodedPath.hasSuffix("/") ? location.decodedPath : location.decodedPath + "/"
            try await sendFolder(output.path, to: prefix, in: location)
        } else {
            let name =
                location.isFolder
                ? location.decodedPath + (output.path as NSString).lastPathComponent : location.decodedPath
            try await client.upload(file: output.path, to: location.url(of: name))
        }
    }

    private func sendLog(_ log: LogTee) async throws {
        let url = base.url(of: base.decodedPath + log.name)
        guard let file = FileHandle(forReadingAtPath: log.path) else { return }
        defer { try? file.close() }
        var restarts = 0
        while true {
            if sentBytes[log.name] == nil {
                try await client.createAppendBlob(url)
                sentBytes[log.name] = 0
            }
            let offset = sentBytes[log.name] ?? 0
            try file.seek(toOffset: UInt64(offset))
            guard let data = try file.read(upToCount: 2 << 20), !data.isEmpty else { return }
            sentBytes[log.name] = try await client.append(data, to: url, at: offset)
            guard sentBytes[log.name] == nil else { continue }
            // What the blob holds is not the beginning of this log: the whole log is sent again.
            restarts += 1
            guard restarts < 3 else {
                throw JobRuntimeError(
                    .uploadFailed,
                    "the log \(log.name) on the control plane is written by somebody else too"
                )
            }
        }
    }

    private func sendFolder(_ folder: String, to prefix: String, in location: BlobLocation) async throws {
        guard let names = FileManager.default.enumerator(atPath: folder) else { return }
        var pending: [(path: String, url: String, stamp: Stamp)] = []
        while let name = names.nextObject() as? String {
            let path = folder + "/" + name
            guard let attributes = try? FileManager.default.attributesOfItem(atPath: path),
                attributes[.type] as? FileAttributeType == .typeRegular
            else { continue }
            let stamp = Stamp(
                size: (attributes[.size] as? NSNumber)?.intValue ?? 0,
                modified: attributes[.modificationDate] as? Date ?? .distantPast
            )
            guard sentFiles[path] != stamp else { continue }
            pending.append((path, location.url(of: prefix + name), stamp))
        }
        for file in pending {
            do {
                try await client.upload(file: file.path, to: file.url)
                sentFiles[file.path] = file.stamp
            } catch  where !FileManager.default.fileExists(atPath: file.path) {
                // A temporary file of the job that went meanwhile is no result.
                continue
            }
        }
    }
}
