internal import Foundation
internal import Hummingbird
internal import HummingbirdCore
internal import NIOCore

/// The files behind blobs, each written once under a random name.
///
/// Calls block on the disk for short whiles, so they run on the concurrent executor and never on an event loop.
struct BlobFiles: Sendable {
    let folder: String

    init(folder: String) throws {
        self.folder = folder
        try FileManager.default.createDirectory(
            atPath: folder,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
    }

    func path(_ file: String) -> String { folder + "/" + file.prefix(2) + "/" + file }

    /// A new empty file, open for writing.
    private func make() throws -> (name: String, descriptor: CInt) {
        let name = RandomText.hex(16)
        try FileManager.default.createDirectory(
            atPath: folder + "/" + name.prefix(2),
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
        return (name, try open(path(name), flags: O_WRONLY | O_CREAT | O_EXCL))
    }

    private func open(_ path: String, flags: CInt) throws -> CInt {
        let descriptor = Foundation.open(path, flags | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileProblem(path: path, code: errno) }
        return descriptor
    }

    /// Writes a body into a new file and waits until it is on the disk.
    @concurrent
    func write(_ body: RequestBody) async throws -> (name: String, size: Int) {
        let (name, descriptor) = try make()
        defer { close(descriptor) }
        var size = 0
        do {
            for try await chunk in body { size += try put(chunk, to: descriptor, at: size, path: name) }
            try flush(descriptor, path: name)
        } catch {
            remove(name)
            throw error
        }
        return (name, size)
    }

    /// A new file with these bytes.
    @concurrent
    func write(_ bytes: ByteBuffer) async throws -> (name: String, size: Int) {
        let (name, descriptor) = try make()
        defer { close(descriptor) }
        do {
            _ = try put(bytes, to: descriptor, at: 0, path: name)
            try flush(descriptor, path: name)
        } catch {
            remove(name)
            throw error
        }
        return (name, bytes.readableBytes)
    }

    /// Joins files into a new one.
    @concurrent
    func join(_ files: [(name: String, size: Int)]) async throws -> (name: String, size: Int) {
        let (name, descriptor) = try make()
        defer { close(descriptor) }
        var size = 0
        do {
            for file in files {
                var offset = 0
                while offset < file.size {
                    let chunk = try read(file.name, offset: offset, count: min(1 << 20, file.size - offset))
                    guard chunk.readableBytes > 0 else { throw FileProblem(path: file.name, code: EIO) }
                    size += try put(chunk, to: descriptor, at: size, path: name)
                    offset += chunk.readableBytes
                }
            }
            try flush(descriptor, path: name)
        } catch {
            remove(name)
            throw error
        }
        return (name, size)
    }

    /// Writes bytes at a position of a file; what stood behind it, left by a crash, no longer counts.
    func append(_ bytes: ByteBuffer, to file: String, at offset: Int) throws {
        let descriptor = try open(path(file), flags: O_WRONLY)
        defer { close(descriptor) }
        _ = try put(bytes, to: descriptor, at: offset, path: file)
        try flush(descriptor, path: file)
    }

    private func put(_ bytes: ByteBuffer, to descriptor: CInt, at offset: Int, path: String) throws -> Int {
        try bytes.withUnsafeReadableBytes { raw in
            var done = 0
            while done < raw.count {
                let count = pwrite(
                    descriptor,
                    raw.baseAddress?.advanced(by: done),
                    raw.count - done,
                    off_t(offset + done)
                )
                if count < 0 {
                    if errno == EINTR { continue }
                    throw FileProblem(path: path, code: errno)
                }
                done += count
            }
            return done
        }
    }

    private func flush(_ descriptor: CInt, path: String) throws {
        guard fdatasync(descriptor) == 0 else { throw FileProblem(path: path, code: errno) }
    }

    func read(_ file: String, offset: Int, count: Int) throws -> ByteBuffer {
        let descriptor = try open(path(file), flags: O_RDONLY)
        defer { close(descriptor) }
        var buffer = ByteBuffer()
        try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { raw in
            let result = pread(descriptor, raw.baseAddress, count, off_t(offset))
            guard result >= 0 else { throw FileProblem(path: file, code: errno) }
            return result
        }
        return buffer
    }

    /// An answer's body with the bytes of a range, read as the client takes them.
    func body(_ file: String, range: Range<Int>) -> ResponseBody {
        let files = self
        return ResponseBody(contentLength: range.count) { writer in
            var offset = range.lowerBound
            while offset < range.upperBound {
                let chunk = try await files.chunk(
                    file,
                    offset: offset,
                    count: min(256 << 10, range.upperBound - offset)
                )
                guard chunk.readableBytes > 0 else { throw FileProblem(path: file, code: EIO) }
                offset += chunk.readableBytes
                try await writer.write(chunk)
            }
            try await writer.finish(nil)
        }
    }

    @concurrent
    func chunk(_ file: String, offset: Int, count: Int) async throws -> ByteBuffer {
        try read(file, offset: offset, count: count)
    }

    func remove(_ file: String) { unlink(path(file)) }

    /// Removes files that no blob uses: leftovers of a crash between writing a file and its record.
    func sweep(keeping used: Set<String>) throws -> Int {
        var removed = 0
        for group in try FileManager.default.contentsOfDirectory(atPath: folder) {
            for file in try FileManager.default.contentsOfDirectory(atPath: folder + "/" + group)
            where !used.contains(file) {
                remove(file)
                removed += 1
            }
        }
        return removed
    }
}

/// A file operation that failed.
struct FileProblem: Error, CustomStringConvertible {
    var path: String
    var code: CInt
    var description: String { "\(path): \(String(cString: strerror(code)))" }
}
