internal import Subprocess
internal import SystemPackage

/// Runs `nft` with a script on its standard input and reports its complaint when it fails.
enum NetworkTool {
    /// Applies a script in one transaction: all of it or nothing.
    static func applyRules(_ script: String) async throws {
        try await run("nft", ["-f", "-"], input: script)
    }

    /// What `nft` prints, or nil when it fails (the object asked for is not there).
    static func queryRules(_ arguments: [String]) async throws -> String? {
        let result = try await execute("nft", arguments, input: "")
        return result.isSuccess ? result.output : nil
    }

    private static func run(_ program: String, _ arguments: [String], input: String) async throws {
        let result = try await execute(program, arguments, input: input)
        guard result.isSuccess else {
            let complaint = result.error.split(separator: "\n").first.map(String.init) ?? "no message"
            throw NodeAgentError(
                .command,
                "\(program) \(arguments.joined(separator: " ")) failed: \(complaint)",
                remedy: "run as root on a kernel with nf_tables"
            )
        }
    }

    private static func execute(
        _ program: String,
        _ arguments: [String],
        input: String
    ) async throws -> (isSuccess: Bool, output: String, error: String) {
        do {
            let result = try await Subprocess.run(
                .path(FilePath(path(of: program))),
                arguments: Arguments(arguments),
                input: .string(input),
                output: .string(limit: 16 << 20),
                error: .string(limit: 64 << 10)
            )
            return (result.terminationStatus.isSuccess, result.standardOutput, result.standardError)
        } catch let error as SubprocessError {
            throw NodeAgentError(
                .command,
                "cannot run \(program): \(error)",
                remedy: "install the Debian package nftables"
            )
        }
    }

    /// `nft` lives in /usr/sbin, which is not in every user's search path.
    private static func path(of program: String) -> String {
        for folder in ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"]
        where FileSystem.exists("\(folder)/\(program)") {
            return "\(folder)/\(program)"
        }
        return "/usr/sbin/" + program
    }
}
