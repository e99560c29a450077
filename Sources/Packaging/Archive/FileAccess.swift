internal import Crypto
internal import Foundation

/// A file that is read in pieces from any place.
final class InputFile {
    let path: String
    let size: UInt64
    private let handle: FileHandle

    init(_ path: String) throws {
        self.path = path
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw PackagingError(.fileFailed, "\(path): no such file")
        }
        guard !isFolder.boolValue else { throw PackagingError(.fileFailed, "\(path) is a folder, not a file") }
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw PackagingError(.fileFailed, "\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        self.handle = handle
        size = try handle.seekToEnd()
        try handle.seek(toOffset: 0)
    }

    func close() { try? handle.close() }

    func seek(to offset: UInt64) throws { try handle.seek(toOffset: offset) }

    /// The next bytes, at least one and at most `count`; nil at the end.
    func read(upTo count: Int) throws -> Data? {
        guard let data = try handle.read(upToCount: count), !data.isEmpty else { return nil }
        return data
    }

    /// Exactly `count` bytes.
    func read(exactly count: Int) throws -> Data {
        var data = Data()
        while data.count < count {
            guard let piece = try read(upTo: count - data.count) else {
                throw PackagingError(.badArchive, "\(path) ends too early")
            }
            data.append(piece)
        }
        return data
    }
}

/// A new file whose size and SHA-256 are known as soon as it is complete.
final class OutputFile {
    let path: String
    private(set) var size: UInt64 = 0
    private let handle: FileHandle
    private var hash = SHA256()
    private var buffer = Data()

    /// Makes the file, or empties it.
    init(_ path: String, mode: Int = 0o644) throws {
        self.path = path
        guard FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: mode]),
            let handle = FileHandle(forWritingAtPath: path)
        else { throw PackagingError(.fileFailed, "\(path) cannot be written: \(String(cString: strerror(errno)))") }
        self.handle = handle
    }

    func write(_ data: Data) throws {
        buffer.append(data)
        size += UInt64(data.count)
        if buffer.count >= 1 << 20 { try flush() }
    }

    /// Writes what is left, makes it durable and closes; 64 hexadecimal digits of the whole.
    func finish() throws -> String {
        try flush()
        try handle.synchronize()
        try handle.close()
        return Checksum.text(hash.finalize())
    }

    private func flush() throws {
        guard !buffer.isEmpty else { return }
        hash.update(data: buffer)
        try handle.write(contentsOf: buffer)
        buffer.removeAll(keepingCapacity: true)
    }
}

/// A folder for work in progress; it goes away with its owner's call of `remove`.
struct ScratchFolder {
    let path: String

    /// Made below `parent`, so that what is ready can be moved into place by one rename.
    init(below parent: String) throws {
        path = parent + "/.partial-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: path,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
    }

    func remove() { try? FileManager.default.removeItem(atPath: path) }
}

/// Moves a finished file or folder into place.
func moveIntoPlace(_ source: String, _ target: String) throws {
    guard rename(source, target) == 0 else {
        throw PackagingError(.fileFailed, "\(target) cannot be written: \(String(cString: strerror(errno)))")
    }
}
