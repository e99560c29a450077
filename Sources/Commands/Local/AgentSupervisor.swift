internal import ControlPlane
internal import Extension
internal import Logging
internal import ServiceLifecycle
internal import Synchronization

/// Runs one extension agent for each cluster that was registered with a kubeconfig.
///
/// Clusters that dial in bring their own.
struct AgentSupervisor: Service {
    let controlPlane: ControlPlane
    let makeAgent: @Sendable (ManagedCluster) -> ExtensionAgent
    let logger: Logger

    func run() async throws {
        await withDiscardingTaskGroup { group in
            var running: [String: (registration: String, agent: RunningAgent)] = [:]
            for await clusters in controlPlane.clusterLinks().cancelOnGracefulShutdown() {
                let wanted = Dictionary(clusters.map { ($0.id, $0) }) { $1 }
                for (id, present) in running where wanted[id]?.registration != present.registration {
                    present.agent.stop()
                    running[id] = nil
                }
                for (id, cluster) in wanted where running[id] == nil {
                    let agent = RunningAgent()
                    running[id] = (cluster.registration, agent)
                    group.addTask { await agent.run(cluster, makeAgent, logger) }
                }
            }
            for (_, present) in running { present.agent.stop() }
        }
    }
}

/// One agent, started again with a growing pause when it fails, until it is stopped.
private final class RunningAgent: Sendable {
    private let stopping = AsyncStream<Void>.makeStream()

    func stop() { stopping.continuation.finish() }

    func run(
        _ cluster: ManagedCluster,
        _ make: @escaping @Sendable (ManagedCluster) -> ExtensionAgent,
        _ logger: Logger
    ) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in self.stopping.stream {} }
            group.addTask { await Self.keepRunning(cluster, make, logger) }
            await group.next()
            group.cancelAll()
        }
    }

    private static func keepRunning(
        _ cluster: ManagedCluster,
        _ make: @Sendable (ManagedCluster) -> ExtensionAgent,
        _ logger: Logger
    ) async {
        var pause = Duration.seconds(1)
        while !Task.isCancelled, !Task.isShuttingDownGracefully {
            let start = ContinuousClock.now
            do {
                try await make(cluster).run()
            } catch is CancellationError {
                return
            } catch {
                logger.warning(
                    "the extension agent of a cluster ended",
                    metadata: ["cluster": "\(cluster.name)", "error": "\(error)"]
                )
            }
            if ContinuousClock.now - start > .seconds(60) { pause = .seconds(1) }
            do { try await Task.sleep(for: pause * Double.random(in: 0.8...1.2)) } catch { return }
            pause = min(pause * 2, .seconds(30))
        }
    }
}
