internal import KubeCore
package import KubeRuntime
package import Logging
internal import ServiceLifecycle
internal import Synchronization

/// Makes service addresses work on this machine: watches Services and EndpointSlices and keeps the packet filter in step.
///
/// Changes that come together are applied together. One proxy per instance; the rules stay when it stops, so that pods keep
/// their services while the process is replaced.
package final class ServiceProxy: Service {
    private let network: InstanceNetwork
    private let services: Informer
    private let slices: Informer
    private let logger: Logger
    private let changes = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private let applied = Mutex<ServiceRuleset?>(nil)

    /// How long to gather further changes, and how often to look whether the table is still there.
    private static let gatherTime = Duration.milliseconds(10)
    private static let inspectionInterval = Duration.seconds(30)

    /// `services`: informer of Services in all namespaces, run by the caller; likewise `slices` of EndpointSlices.
    package init(network: InstanceNetwork, services: Informer, slices: Informer, logger: Logger) {
        self.network = network
        self.services = services
        self.slices = slices
        self.logger = logger
        let continuation = changes.continuation
        services.onEvent { _ in continuation.yield() }
        slices.onEvent { _ in continuation.yield() }
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            do {
                try await self.services.waitForSync()
                try await self.slices.waitForSync()
            } catch {
                return
            }
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.inspect() }
                group.addTask { await self.follow() }
            }
        }
    }

    private func follow() async {
        var backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(10))
        changes.continuation.yield()
        for await _ in changes.stream {
            guard await sleepUnlessCancelled(Self.gatherTime) else { return }
            do {
                try await apply()
                backoff.reset()
            } catch is CancellationError {
                return
            } catch {
                logger.warning("service rules not applied", metadata: ["error": "\(error)"])
                applied.withLock { $0 = nil }
                guard await sleepUnlessCancelled(backoff.next()) else { return }
                changes.continuation.yield()
            }
        }
    }

    private func apply() async throws {
        let wanted = ServiceRuleset(ServicePort.all(services: services.list(), slices: slices.list()))
        let present = applied.withLock { $0 }
        let script =
            present.map { wanted.changeScript(from: $0, table: network.serviceTable) } ?? wanted.fullScript(network)
        guard !script.isEmpty else { return }
        do {
            try await NetworkTool.applyRules(script)
        } catch let error as NodeAgentError where present != nil {
            // Somebody changed our table: start from nothing.
            logger.warning("service rules are rebuilt", metadata: ["error": "\(error)"])
            try await NetworkTool.applyRules(wanted.fullScript(network))
        }
        applied.withLock { $0 = wanted }
    }

    /// Rebuilds the table when another program flushed it.
    private func inspect() async {
        while await sleepUnlessCancelled(Self.inspectionInterval) {
            let listing = try? await NetworkTool.queryRules(["list", "chain", "ip", network.serviceTable, "services"])
            guard listing == .some(nil), applied.withLock({ $0 }) != nil else { continue }
            logger.warning("service rules are gone; writing them again")
            applied.withLock { $0 = nil }
            changes.continuation.yield()
        }
    }
}
