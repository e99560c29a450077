internal import Foundation

/// Small archives made from what is in memory.
package enum ArchiveFile {
    /// Writes a `.tar.gz` of `files` that appears at `path` only when it is complete.
    ///
    /// Paths of members are relative; `modified` is the time of every member in seconds since 1970.
    ///
    /// - Throws: `PackagingError` for a path that leads out of the archive, and when `gzip` is missing.
    package static func writeGzippedTar(
        _ files: [(path: String, content: [UInt8])],
        modified: Int64,
        to path: String
    ) async throws {
        let temporary = path + ".partial"
        defer {
            try? FileManager.default.removeItem(atPath: temporary)
            try? FileManager.default.removeItem(atPath: temporary + ".gz")
        }
        let archive = try TarWriter(temporary)
        for file in files {
            let entry = TarEntry(name: file.path, modified: modified)
            guard entry.isSafe else { throw PackagingError(.badArchive, "'\(file.path)' is no path inside an archive") }
            try archive.add(entry, content: file.content)
        }
        _ = try archive.finish()
        try moveIntoPlace(try await Gzip.compress(temporary), path)
    }
}
