internal import Foundation
internal import KubeClient
internal import KubeCore
internal import Logging
internal import UnixSignals

/// The processes of an instance: one server, one agent per node.
struct Daemons: Sendable {
    let layout: InstanceLayout

    var server: DaemonProcess {
        DaemonProcess(name: "server", pidFile: layout.serverProcess, logFile: layout.serverLog)
    }

    func node(_ name: String) -> DaemonProcess {
        DaemonProcess(name: "node " + name, pidFile: layout.nodeProcess(name), logFile: layout.nodeLog(name))
    }

    /// Starts what does not run and waits until the API answers and every node is ready.
    func start(_ record: InstanceRecord) async throws {
        let binary = layout.binaries + "/outrigger"
        _ = try server.start([binary, "daemon", "server", "--data-dir", layout.root])
        let config = try KubeConfig(yaml: try String(contentsOfFile: layout.kubeconfig, encoding: .utf8))
        let api = try HTTPResourceAPI(
            configuration: config,
            logger: Logger(label: "up") { _ in SwiftLogNoOpLogHandler() }
        )
        do {
            try await wait("the Kubernetes API", for: server) {
                _ = try await api.list(.nodes)
                return true
            }
            for name in record.nodes {
                _ = try node(name).start([
                    binary, "daemon", "node", "--data-dir", layout.root, "--node-name", name,
                ])
            }
            for name in record.nodes {
                try await wait("node \(name)", for: node(name)) {
                    try await api.find(.nodes, name: name)?.isConditionTrue("Ready") == true
                        && FileManager.default.fileExists(atPath: layout.nodeSocket(name))
                }
            }
            try await wait("the control plane", for: server) { try await ControlPlaneProbe.answers(record, layout) }
            try await api.shutdown()
        } catch {
            try? await api.shutdown()
            throw error
        }
    }

    /// Asks every 10 ms for at most 60 s; a daemon that ended meanwhile is reported with the end of its log.
    private func wait(
        _ what: String,
        for daemon: DaemonProcess,
        until isReady: () async throws -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        var lastError = ""
        while ContinuousClock.now < deadline {
            do {
                if try await isReady() { return }
            } catch {
                lastError = "\(error)"
            }
            guard daemon.pid != nil else {
                throw CommandError(
                    "the \(daemon.name) daemon ended while starting",
                    cause: daemon.logTail(),
                    remedy: "see \(daemon.logFile)"
                )
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw CommandError(
            "\(what) did not become ready within 60 s",
            cause: lastError.isEmpty ? daemon.logTail() : lastError,
            remedy: "see \(daemon.logFile)"
        )
    }

    /// Stops the daemons; pods go on.
    func stop(_ record: InstanceRecord) async throws {
        for name in record.nodes { try await node(name).stop() }
        try await server.stop()
    }

    func isAnyRunning(_ record: InstanceRecord) -> Bool { !running(record).isEmpty }

    private func running(_ record: InstanceRecord) -> [DaemonProcess] { all(record).filter { $0.pid != nil } }

    private func all(_ record: InstanceRecord) -> [DaemonProcess] { [server] + record.nodes.map(node) }

    /// Returns after SIGINT or SIGTERM, with the daemons stopped; one that ends by itself is started again.
    func runUntilInterrupted(_ record: InstanceRecord) async throws {
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { for await _ in await UnixSignalsSequence(trapping: .sigint, .sigterm) { return } }
                group.addTask { try await keepRunning(record) }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch {
            try await stop(record)
            throw error
        }
        try await stop(record)
    }

    /// Looks after the daemons until cancelled, or until the instance was stopped by another command.
    private func keepRunning(_ record: InstanceRecord) async throws {
        while true {
            try await Task.sleep(for: .seconds(1))
            // Stopping removes the pid file; a daemon that died leaves it.
            let missing = all(record).filter { $0.pid == nil }
            guard !missing.isEmpty else { continue }
            guard missing.allSatisfy({ FileManager.default.fileExists(atPath: $0.pidFile) }) else { return }
            for daemon in missing {
                FileHandle.standardError.write(
                    Data("warning: the \(daemon.name) daemon ended, starting it again; see \(daemon.logFile)\n".utf8)
                )
            }
            let lock = try await InstanceLock.take(layout)
            defer { lock.release() }
            guard FileManager.default.fileExists(atPath: layout.record) else { return }
            try await start(record)
        }
    }
}
