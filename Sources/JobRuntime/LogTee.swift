internal import Foundation
internal import Synchronization

/// Output of one process: kept in a file, copied to our own standard output, and its last lines remembered.
final class LogTee: Sendable {
    /// Path of the file in the pod, and of the blob below the run's folder.
    let path: String
    let name: String

    private let file: Int32
    private let copiesToStandardOutput: Bool
    private let tail = Mutex<[UInt8]>([])

    /// Opens the file `name` (such as `user_logs/std_log.txt`) below `folder`.
    init(folder: String, name: String, copiesToStandardOutput: Bool) throws {
        self.name = name
        path = folder + "/" + name
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent,
            withIntermediateDirectories: true
        )
        file = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0o644)
        guard file >= 0 else {
            throw JobRuntimeError(.launchFailed, "cannot write \(path): \(String(cString: strerror(errno)))")
        }
        self.copiesToStandardOutput = copiesToStandardOutput
    }

    deinit { close(file) }

    /// The last lines, at most 3 KiB: what fits a termination message.
    var lastLines: String {
        let bytes = tail.withLock { $0 }
        let text = String(decoding: bytes.suffix(3000), as: UTF8.self)
        guard bytes.count > 3000, let newline = text.firstIndex(of: "\n") else { return text }
        return String(text[text.index(after: newline)...])
    }

    /// Copies everything from `descriptor` until its end, on the calling thread.
    func drain(_ descriptor: Int32) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            Self.writeAll(buffer[..<count], to: file)
            if copiesToStandardOutput { Self.writeAll(buffer[..<count], to: 1) }
            tail.withLock { tail in
                tail += buffer[..<count]
                if tail.count > 8192 { tail.removeFirst(tail.count - 4096) }
            }
        }
        close(descriptor)
    }

    private static func writeAll(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) {
        bytes.withUnsafeBytes { raw in
            var offset = 0
            while offset < raw.count {
                let count = write(descriptor, raw.baseAddress?.advanced(by: offset), raw.count - offset)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                offset += count
            }
        }
    }
}
