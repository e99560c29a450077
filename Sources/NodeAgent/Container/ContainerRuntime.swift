internal import Crypto
internal import Glibc
internal import KubeCore
internal import Subprocess
internal import SystemPackage

/// Starts, stops and enters containers: the only place that knows runc and the monitor.
struct ContainerRuntime: Sendable {
    let configuration: NodeAgentConfiguration
    let paths: NodePaths

    /// The same for the same run, so that nothing can be started twice.
    static func identifier(podUID: String, name: String, attempt: Int) -> String {
        let digest = SHA256.hash(data: Array("\(podUID)/\(name)/\(attempt)".utf8))
        return digest.map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }

    func cgroup(podUID: String) -> String { configuration.cgroupParent + "/pod" + podUID }

    /// Makes the root file system of a run.
    ///
    /// Done before its record is written; undone by `unmountRoot`.
    func mountRoot(_ own: ContainerPaths, image: ResolvedImage) throws {
        for folder in [own.root, own.rootfs, own.upper, own.work] { try Files.makeDirectory(folder) }
        // The topmost folder of an overlay shows the upper folder's owner and mode.
        if let top = image.layers.first, let status = Files.status(top) {
            try Files.setMode(own.upper, status.st_mode & 0o7777)
        }
        try Mounts.overlay(lower: image.layers.joined(separator: ":"), upper: own.upper, work: own.work, on: own.rootfs)
        guard image.isHost else { return }
        let hidden = HostImage.hidden(dataDirectory: paths.data) + HostImage.freshFolders.map(\.path)
        for (index, target) in HostImage.systemMounts(Mounts.table(), excluding: hidden).enumerated() {
            let upper = own.root + "/upper-\(index)"
            let work = own.root + "/work-\(index)"
            try Files.makeDirectory(upper)
            try Files.makeDirectory(work)
            try Mounts.overlay(lower: target, upper: upper, work: work, on: own.rootfs + target)
        }
    }

    func unmountRoot(_ own: ContainerPaths) throws { try Mounts.unmountAll(below: own.root) }

    /// Starts a prepared bundle (`record.json` and `config.json` written, root mounted) under a monitor of its own.
    ///
    /// - Throws: `.start` with runc's reason; the monitor has then written `exit.json` with exit code 128.
    func start(_ record: ContainerRecord, at own: ContainerPaths, container: ContainerModel) async throws {
        var arguments = [
            "run", "--runc", configuration.runcPath, "--root", paths.runcRoot, "--id", record.id, "--dir", own.root,
            "--log", record.logPath,
            "--log-max-bytes", String(configuration.logMaxBytes), "--log-files", String(configuration.logMaxFiles),
            "--cgroup",
            record.cgroupPath,
        ]
        if container.wantsTerminal { arguments.append("--terminal") }
        if container.wantsStdin { arguments.append("--stdin") }
        if container.wantsStdinOnce { arguments.append("--stdin-once") }
        let output = try await Command.run(configuration.monitor, arguments)
        guard output.exitCode == 0 else {
            let reason = output.standardError.trimmed
            throw NodeAgentError(.start, reason.isEmpty ? "the monitor ended with \(output.exitCode)" : reason)
        }
    }

    /// Sends a signal to process 1 of a container that runs; no error when it has ended.
    func signal(_ number: Int32, to own: ContainerPaths) {
        guard case .running(_, let pid) = own.presence(), pid > 1 else { return }
        kill(pid, number)
    }

    /// Kills everything in the container, also what lives outside its process namespace.
    func killAll(_ record: ContainerRecord, at own: ContainerPaths) {
        signal(SIGKILL, to: own)
        _ = Cgroups.kill(record.cgroupPath)
    }

    /// Clears what a run left in the kernel after its monitor died without doing so.
    func removeRemains(_ record: ContainerRecord) async throws {
        _ = Cgroups.kill(record.cgroupPath)
        if Files.exists(paths.runcRoot + "/" + record.id) {
            _ = try await Command.run(
                configuration.runcPath,
                ["--root", paths.runcRoot, "delete", "--force", record.id]
            )
        }
        _ = Cgroups.remove(record.cgroupPath)
    }

    /// The arguments that make `outrigger-monitor exec` run `command` in the container; `folder` is a fresh one for
    /// this call.
    func execArguments(
        _ record: ContainerRecord,
        folder: String,
        command: [String],
        terminal: Bool,
        stdin: Bool,
        takesInput: Bool
    ) -> [String] {
        var arguments = ["exec", folder]
        if terminal { arguments.append("--terminal") }
        if stdin { arguments.append("--stdin") }
        if !takesInput { arguments.append("--no-input") }
        arguments += [
            "--", configuration.runcPath, "--root", paths.runcRoot, "exec", "--detach", "--pid-file", "exec.pid",
        ]
        if terminal { arguments += ["--tty", "--console-socket", "console.sock"] }
        return arguments + [record.id] + command
    }

    func makeExecFolder(_ own: ContainerPaths) throws -> String {
        let folder = own.root + "/exec-" + String(UInt64.random(in: 0...UInt64.max), radix: 16)
        try Files.makeDirectory(folder, mode: 0o700)
        return folder
    }

    struct ExecResult: Sendable, Hashable {
        var exitCode: Int
        /// Both streams, at most 10 KiB.
        var output: String
    }

    /// Runs a command in the container and waits for it.
    ///
    /// - Throws: `.timeout` after killing it, `.start` when it cannot be run.
    func exec(
        _ record: ContainerRecord,
        at own: ContainerPaths,
        command: [String],
        timeout: Duration
    ) async throws -> ExecResult {
        let folder = try makeExecFolder(own)
        defer { try? Files.remove(folder) }
        let arguments = execArguments(
            record,
            folder: folder,
            command: command,
            terminal: false,
            stdin: false,
            takesInput: false
        )
        var options = PlatformOptions()
        // The helper kills the command when it is asked to end; killing the helper would leave the command.
        options.teardownSequence = [.send(signal: .terminate, allowedDurationToNextStep: .seconds(2))]
        let monitor = configuration.monitor
        let chosen = options
        let bytes = try await withTimeout(timeout, "command \"\(command.joined(separator: " "))\"") {
            try await Subprocess.run(
                .path(FilePath(monitor)),
                arguments: Arguments(arguments),
                platformOptions: chosen,
                output: .bytes(limit: 4 << 20)
            ).standardOutput
        }
        return try Self.collect(bytes)
    }

    private static func collect(_ bytes: [UInt8]) throws -> ExecResult {
        var reader = FrameReader()
        reader.append(bytes)
        var output: [UInt8] = []
        var end: Frame?
        while let frame = try reader.next() {
            switch frame.type {
            case .stdout, .stderr: output += frame.payload
            case .exit: end = frame
            default: break
            }
        }
        guard let end, let code = end.exitCode else { throw NodeAgentError(.start, "the command's helper ended early") }
        guard code >= 0 else { throw NodeAgentError(.start, end.failure.trimmed) }
        return ExecResult(exitCode: code, output: String(decoding: output.prefix(10240), as: UTF8.self))
    }
}

/// Runs `body`, cancelled and answered with `.timeout` when it takes longer.
func withTimeout<T: Sendable>(
    _ limit: Duration,
    _ what: String,
    _ body: @escaping @Sendable () async throws -> T
) async throws -> T {
    try await withThrowingTaskGroup(of: T?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let value = first else {
            throw NodeAgentError(.timeout, "\(what) timed out after \(limit.components.seconds)s")
        }
        return value
    }
}
