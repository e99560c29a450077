internal import Subprocess
internal import SystemPackage

/// What a program left behind when it ended.
struct Outcome: Sendable, CustomStringConvertible {
    var command: String
    /// 128 + n for a signal.
    var status: Int
    var output: String
    var errors: String

    var description: String { "\(command)\nexit status \(status)\n--- output\n\(output)\n--- errors\n\(errors)" }
}

/// A program did not do what the test needs before it can go on.
struct ProgramFailure: Error, CustomStringConvertible {
    var description: String
}

/// Programs that tests run to their end.
enum Program {
    /// Kills the program and throws when it takes longer than `limit`.
    static func run(
        _ path: String,
        _ arguments: [String],
        environment: [String: String] = [:],
        folder: String? = nil,
        limit: Duration = .seconds(60)
    ) async throws -> Outcome {
        let command = ([path] + arguments).joined(separator: " ")
        return try await withThrowingTaskGroup(of: Outcome.self) { group in
            group.addTask {
                try await collect(path, arguments, environment: environment, folder: folder, command: command)
            }
            group.addTask {
                try await Task.sleep(for: limit)
                throw ProgramFailure(description: "\(command) did not end within \(limit)")
            }
            defer { group.cancelAll() }
            guard let outcome = try await group.next() else { throw CancellationError() }
            return outcome
        }
    }

    private static func collect(
        _ path: String,
        _ arguments: [String],
        environment: [String: String],
        folder: String?,
        command: String
    ) async throws -> Outcome {
        var updates: [Environment.Key: String?] = [:]
        for (key, value) in environment { updates[Environment.Key(stringLiteral: key)] = value }
        let result = try await Subprocess.run(
            path.contains("/") ? .path(FilePath(path)) : .name(path),
            arguments: Arguments(arguments),
            environment: .inherit.updating(updates),
            workingDirectory: folder.map { FilePath($0) },
            output: .string(limit: 16 << 20),
            error: .string(limit: 16 << 20)
        )
        let status =
            switch result.terminationStatus {
            case .exited(let code): Int(code)
            case .signaled(let signal): 128 + Int(signal)
            }
        return Outcome(
            command: command,
            status: status,
            output: result.standardOutput,
            errors: result.standardError
        )
    }
}

/// Asks again and again until the answer is there.
enum Poll {
    /// - Throws: `ProgramFailure` with `what` after `limit`; errors of `probe` end it at once.
    static func until<T: Sendable>(
        _ what: String,
        limit: Duration = .seconds(30),
        every pause: Duration = .milliseconds(100),
        _ probe: () async throws -> T?
    ) async throws -> T {
        let deadline = ContinuousClock.now + limit
        while true {
            if let answer = try await probe() { return answer }
            guard ContinuousClock.now < deadline else {
                throw ProgramFailure(description: "\(what): not within \(limit)")
            }
            try await Task.sleep(for: pause)
        }
    }
}
