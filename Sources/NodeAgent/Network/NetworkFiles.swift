internal import Foundation
internal import Synchronization

/// The few file operations of the network code.
enum FileSystem {
    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// nil when the file cannot be read.
    static func text(_ path: String) -> String? {
        guard let bytes = FileManager.default.contents(atPath: path) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func names(in folder: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    }

    /// Writes a kernel setting; those files are written in place.
    static func setKernel(_ path: String, _ value: String) throws {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw NodeAgentError(
                .system,
                "cannot set \(path) to \(value): \(String(cString: strerror(errno)))",
                remedy: "run as root"
            )
        }
        defer { close(descriptor) }
        let bytes = Array(value.utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count else {
            throw NodeAgentError(.system, "cannot set \(path) to \(value): \(String(cString: strerror(errno)))")
        }
    }
}

/// FNV-1a: a stable short name for long names.
func stableHash(_ text: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash
}

/// `stableHash` as hexadecimal text of exactly `digits` digits.
func stableHex(_ text: String, digits: Int) -> String {
    let hex = String(stableHash(text), radix: 16)
    let padded = String(repeating: "0", count: max(0, 16 - hex.count)) + hex
    return String(padded.suffix(digits))
}
