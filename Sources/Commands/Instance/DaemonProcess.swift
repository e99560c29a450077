internal import Foundation

/// A daemon of an instance: a process of its own session, found again by its pid file.
///
/// The file holds pid and start time, so a pid that the system gave to another program is not mistaken for the daemon.
struct DaemonProcess: Sendable {
    let name: String
    let pidFile: String
    let logFile: String

    /// pid of the running daemon.
    var pid: pid_t? {
        guard let text = try? String(contentsOfFile: pidFile, encoding: .utf8) else { return nil }
        let parts = text.split(whereSeparator: \.isWhitespace)
        guard parts.count == 2, let pid = pid_t(parts[0]), Self.startTime(pid) == String(parts[1]) else { return nil }
        return pid
    }

    /// Starts the daemon unless it runs; true when it was started.
    func start(_ arguments: [String]) throws -> Bool {
        if pid != nil { return false }
        rotateLog()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, logFile, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        Self.keepDescriptorsToOurselves()
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // POSIX_SPAWN_SETSID of glibc; its module map does not export the constant.
        posix_spawnattr_setflags(&attributes, 0x80)
        var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        var envp: [UnsafeMutablePointer<CChar>?] =
            ProcessInfo.processInfo.environment.map { strdup($0.key + "=" + $0.value) } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var pid: pid_t = 0
        let result = posix_spawn(&pid, arguments[0], &actions, &attributes, &argv, &envp)
        guard result == 0 else {
            throw CommandError("cannot start \(arguments[0])", cause: String(cString: strerror(result)))
        }
        try PrivateFile.write("\(pid) \(Self.startTime(pid) ?? "0")\n", to: pidFile)
        return true
    }

    /// Locks and pipes of whoever called 'up' must not live on in the daemon.
    private static func keepDescriptorsToOurselves() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        for descriptor in names.compactMap({ Int32($0) }) where descriptor > 2 {
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        }
    }

    /// SIGTERM, then SIGKILL after `grace`; returns when it is gone.
    func stop(grace: Duration = .seconds(15)) async throws {
        guard let pid else { return }
        kill(pid, SIGTERM)
        let deadline = ContinuousClock.now + grace
        while self.pid != nil {
            if ContinuousClock.now > deadline { kill(pid, SIGKILL) }
            var status: Int32 = 0
            waitpid(pid, &status, WNOHANG)
            try await Task.sleep(for: .milliseconds(20))
        }
        try? FileManager.default.removeItem(atPath: pidFile)
    }

    /// Last lines of the log, for messages.
    func logTail(_ count: Int = 12) -> String {
        guard let file = FileHandle(forReadingAtPath: logFile) else { return "" }
        defer { try? file.close() }
        guard let end = try? file.seekToEnd() else { return "" }
        try? file.seek(toOffset: end - min(end, 64 << 10))
        let text = String(decoding: (try? file.readToEnd()) ?? Data(), as: UTF8.self)
        return text.split(separator: "\n").suffix(count).joined(separator: "\n")
    }

    /// Keeps one older log when the present one has grown large.
    private func rotateLog() {
        let attributes = try? FileManager.default.attributesOfItem(atPath: logFile)
        guard let size = (attributes?[.size] as? NSNumber)?.intValue, size > 16 << 20 else { return }
        _ = rename(logFile, logFile + ".1")
    }

    /// Field 22 of /proc/PID/stat; nil when there is no such process, or only its remains.
    private static func startTime(_ pid: pid_t) -> String? {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z" else { return nil }
        return String(fields[19])
    }
}
