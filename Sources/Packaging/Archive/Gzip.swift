internal import Foundation
internal import Subprocess

/// Compresses files with the `gzip` program.
enum Gzip {
    /// Whether the program is there.
    static var isAvailable: Bool {
        (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":").contains {
            FileManager.default.isExecutableFile(atPath: $0 + "/gzip")
        }
    }

    /// Replaces a file by `<file>.gz`; the same content gives the same bytes.
    ///
    /// - Returns: the new path.
    static func compress(_ path: String) async throws -> String {
        let result: ExecutionResult<Void, DiscardedOutput, StringOutput<UTF8>>
        do {
            result = try await Subprocess.run(
                .name("gzip"),
                // No name and no time in the header: they would differ each time.
                arguments: ["--no-name", "--force", "-6", path],
                output: .discarded,
                error: .string(limit: 1 << 16)
            )
        } catch let error as SubprocessError {
            throw PackagingError(.toolFailed, "gzip cannot be run: \(error)", remedy: "install gzip")
        }
        guard result.terminationStatus.isSuccess else {
            let reason = result.standardError.split(separator: "\n").first.map(String.init) ?? "it says nothing"
            throw PackagingError(.toolFailed, "gzip \(path) failed: \(reason)")
        }
        return path + ".gz"
    }

    /// Writes the content of a compressed file to `target`.
    static func expand(_ path: String, to target: String) async throws {
        let copy = target + ".gz"
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        let result: ExecutionResult<Void, DiscardedOutput, StringOutput<UTF8>>
        do {
            result = try await Subprocess.run(
                .name("gzip"),
                arguments: ["--decompress", "--force", copy],
                output: .discarded,
                error: .string(limit: 1 << 16)
            )
        } catch let error as SubprocessError {
            throw PackagingError(.toolFailed, "gzip cannot be run: \(error)", remedy: "install gzip")
        }
        guard result.terminationStatus.isSuccess else {
            throw PackagingError(.toolFailed, "gzip --decompress \(path) failed: \(result.standardError)")
        }
    }
}
