internal import Foundation

/// Starts processes with posix_spawn: as PID 1 of a container we must see every exit and own every process group.
struct ChildProcess: Sendable {
    let pid: pid_t
    /// Read end of the pipe with the child's standard output and error.
    let output: Int32

    /// Starts `arguments` as leader of a new process group, in our working directory, with exactly `environment`.
    static func start(
        _ arguments: [String],
        environment: [String: String]
    ) throws(JobRuntimeError) -> ChildProcess {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else {
            throw JobRuntimeError(.launchFailed, "pipe: \(String(cString: strerror(errno)))")
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The wrapper ignores SIGTERM for itself; the command must start with the default.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)
        )
        var pid: pid_t = 0
        let result = spawn(&pid, arguments, environment, &actions, &attributes)
        close(ends[1])
        guard result == 0 else {
            close(ends[0])
            throw JobRuntimeError(
                .launchFailed,
                "cannot start \(arguments.first ?? ""): \(String(cString: strerror(result)))"
            )
        }
        return ChildProcess(pid: pid, output: ends[0])
    }

    /// Runs to the end with our own output streams and our environment plus `environment`; the exit code.
    static func runToEnd(_ arguments: [String], environment: [String: String]) throws(JobRuntimeError) -> Int {
        let merged = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
        var pid: pid_t = 0
        let result = spawn(&pid, arguments, merged, nil, nil)
        guard result == 0 else {
            throw JobRuntimeError(
                .launchFailed,
                "cannot start \(arguments.first ?? ""): \(String(cString: strerror(result)))"
            )
        }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        return exitCode(status)
    }

    /// 128 + signal for a process that a signal ended.
    static func exitCode(_ status: Int32) -> Int {
        let signal = status & 0x7F
        return signal == 0 ? Int((status >> 8) & 0xFF) : 128 + Int(signal)
    }

    private static func spawn(
        _ pid: inout pid_t,
        _ arguments: [String],
        _ environment: [String: String],
        _ actions: UnsafePointer<posix_spawn_file_actions_t>?,
        _ attributes: UnsafePointer<posix_spawnattr_t>?
    ) -> Int32 {
        var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        var envp: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0.key + "=" + $0.value) } + [nil]
        defer {
            for pointer in argv + envp { free(pointer) }
        }
        guard let program = arguments.first else { return ENOENT }
        return posix_spawnp(&pid, program, actions, attributes, &argv, &envp)
    }
}
