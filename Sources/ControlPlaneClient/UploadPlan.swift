internal import Crypto
internal import Foundation

/// What is uploaded of a local file or folder.
package struct UploadPlan: Sendable {
    package struct File: Sendable, Hashable {
        /// Path below the folder; the file's name for a single file.
        package var name: String
        /// Absolute path on this machine.
        package var path: String
        package var size: Int
    }

    /// Name of the file or folder itself.
    package var name: String
    package var isFolder: Bool
    package var files: [File]
    /// Hexadecimal SHA-256 over names and contents.
    package var hash: String

    package var totalBytes: Int { files.reduce(0) { $0 + $1.size } }

    /// Reads a file, or a folder without what `.amlignore` (or else `.gitignore`) leaves out.
    ///
    /// - Throws: `UploadProblem` when nothing is there, or a folder holds no files.
    package static func read(_ path: String) throws -> UploadPlan {
        let url = URL(filePath: path).standardizedFileURL
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path(percentEncoded: false), isDirectory: &isFolder) else {
            throw UploadProblem(path: path, detail: "there is no such file or folder")
        }
        let root = trimmed(url.path(percentEncoded: false))
        var files: [File] = []
        if isFolder.boolValue {
            files = try walk(root)
            guard !files.isEmpty else { throw UploadProblem(path: path, detail: "the folder holds no files to upload") }
        } else {
            files = [File(name: url.lastPathComponent, path: root, size: try size(root))]
        }
        return UploadPlan(
            name: url.lastPathComponent,
            isFolder: isFolder.boolValue,
            files: files,
            hash: try hash(files)
        )
    }

    private static func trimmed(_ path: String) -> String {
        path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    private static func walk(_ root: String) throws -> [File] {
        let rules = try IgnoreRules.read(root)
        var files: [File] = []
        var folders = [""]
        while let folder = folders.popLast() {
            for entry in try FileManager.default.contentsOfDirectory(atPath: root + "/" + folder).sorted() {
                let name = folder.isEmpty ? entry : folder + "/" + entry
                let path = root + "/" + name
                var isFolder: ObjCBool = false
                // Follows links, and leaves out those that lead nowhere.
                guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { continue }
                if rules.ignores(name, isFolder: isFolder.boolValue) { continue }
                if isFolder.boolValue {
                    guard name.split(separator: "/").count < 64 else {
                        throw UploadProblem(
                            path: path,
                            detail: "folders are nested more than 64 deep; is there a link to a folder above?"
                        )
                    }
                    folders.append(name)
                } else {
                    files.append(File(name: name, path: path, size: try size(path)))
                }
            }
        }
        return files.sorted { $0.name < $1.name }
    }

    private static func size(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(
            atPath: URL(filePath: path).resolvingSymlinksInPath().path(percentEncoded: false)
        )
        return (attributes[.size] as? NSNumber)?.intValue ?? 0
    }

    private static func hash(_ files: [File]) throws -> String {
        var hasher = SHA256()
        for file in files {
            hasher.update(data: Data("\(file.name)\u{0}\(file.size)\u{0}".utf8))
            let handle = try FileHandle(forReadingFrom: URL(filePath: file.path))
            defer { try? handle.close() }
            while let chunk = try handle.read(upToCount: 1 << 20), !chunk.isEmpty { hasher.update(data: chunk) }
        }
        return hasher.finalize().map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }
}

/// A file or folder that cannot be uploaded.
package struct UploadProblem: Error, Sendable, CustomStringConvertible {
    package var path: String
    package var detail: String
    package var description: String { "cannot upload \(path): \(detail)" }
}
