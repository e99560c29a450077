internal import Subprocess
internal import SystemPackage

/// Runs a program to its end.
enum Command {
    struct Output: Sendable {
        /// 128 + n for a signal.
        var exitCode: Int
        var standardOutput: String
        var standardError: String
    }

    /// Output beyond 1 MiB is an error.
    ///
    /// Cancelling kills the program.
    static func run(_ path: String, _ arguments: [String]) async throws -> Output {
        let result: ExecutionResult<Void, StringOutput<UTF8>, StringOutput<UTF8>>
        do {
            result = try await Subprocess.run(
                .path(.init(path)),
                arguments: Arguments(arguments),
                output: .string(limit: 1 << 20),
                error: .string(limit: 1 << 20)
            )
        } catch let error as SubprocessError {
            throw NodeAgentError(.command, "\(path) cannot be run: \(error)", remedy: "install \(path)")
        }
        let code =
            switch result.terminationStatus {
            case .exited(let code): Int(code)
            case .signaled(let signal): 128 + Int(signal)
            }
        return Output(
            exitCode: code,
            standardOutput: result.standardOutput,
            standardError: result.standardError
        )
    }

    /// Runs a program that must succeed.
    @discardableResult
    static func check(_ path: String, _ arguments: [String]) async throws -> String {
        let output = try await run(path, arguments)
        guard output.exitCode == 0 else {
            let reason = output.standardError.isEmpty ? "exit code \(output.exitCode)" : output.standardError
            throw NodeAgentError(.command, "\(path) \(arguments.first ?? "") failed: \(reason.trimmed)")
        }
        return output.standardOutput
    }
}

extension String {
    /// Without white space at either end.
    var trimmed: String {
        var slice = self[...]
        while let last = slice.last, last.isWhitespace { slice = slice.dropLast() }
        while let first = slice.first, first.isWhitespace { slice = slice.dropFirst() }
        return String(slice)
    }
}
