internal import Foundation
internal import Packaging

/// The archive that `diagnose` writes.
enum DiagnosisArchive {
    /// `files`: content by path below `root`.
    static func write(_ files: [String: String], root: String, to path: String) async throws {
        let members = files.sorted { $0.key < $1.key }.map { (path: root + $0.key, content: Array($0.value.utf8)) }
        do {
            try await ArchiveFile.writeGzippedTar(members, modified: Int64(Date.now.timeIntervalSince1970), to: path)
        } catch let error as PackagingError {
            throw CommandError(error.message, remedy: error.remedy ?? "name another file with -o")
        }
    }

    /// Paths that stay below the folder they are unpacked in; others are left out.
    static func safe(_ files: [String: String]) -> [String: String] {
        files.filter { path, _ in
            let parts = path.split(separator: "/", omittingEmptySubsequences: false)
            return !parts.contains { $0.isEmpty || $0 == "." || $0 == ".." }
        }
    }
}
