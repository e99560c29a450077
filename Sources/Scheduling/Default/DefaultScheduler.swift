package import KubeCore
package import KubeRuntime
package import Logging
package import ServiceLifecycle
internal import Synchronization

/// Assigns pods of one scheduler name to nodes, one after the other, by priority.
///
/// Decisions are made in memory against assumed placements; bindings are written concurrently.
package struct DefaultScheduler: Sendable {
    /// To run; contains the informers unless they were handed in.
    package let services: [any Service]

    /// - `pods`: an informer of all pods that somebody else runs; nil makes one.
    /// - `nodes`: likewise for nodes.
    package init(
        api: any ResourceAPI,
        logger: Logger,
        schedulerName: String = "default-scheduler",
        pods: Informer? = nil,
        nodes: Informer? = nil
    ) {
        let podInformer = pods ?? Informer(api: api, type: .pods, logger: logger)
        let nodeInformer = nodes ?? Informer(api: api, type: .nodes, logger: logger)
        let loop = SchedulerLoop(api: api, logger: logger, schedulerName: schedulerName)
        loop.watch(pods: podInformer, nodes: nodeInformer)
        var own: [Informer] = []
        if pods == nil { own.append(podInformer) }
        if nodes == nil { own.append(nodeInformer) }
        let wait = SyncedService(informers: [podInformer, nodeInformer], service: loop)
        services = [ControllerManager(informers: own, controllers: [], extras: [wait])]
    }
}

/// Runs a service once informers that somebody else runs have synced.
struct SyncedService: Service {
    let informers: [Informer]
    let service: any Service

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown {
                for informer in informers { try await informer.waitForSync() }
            }
        } catch is CancellationError {
            return
        }
        try await service.run()
    }
}

/// The shell of `SchedulerState`.
final class SchedulerLoop: Service {
    /// Bindings in flight; more would only queue up in the server.
    private static let maximumInFlight = 256

    private let writer: SchedulingWriter
    private let logger: Logger
    private let schedulerName: String
    private let inbox = Mutex<[SchedulerState.Change]>([])
    private let signal = WakeSignal()
    private let inFlight = Atomic<Int>(0)

    init(api: any ResourceAPI, logger: Logger, schedulerName: String) {
        writer = SchedulingWriter(
            api: api,
            events: EventRecorder(api: api, component: schedulerName, logger: logger),
            schedulerName: schedulerName
        )
        self.logger = logger
        self.schedulerName = schedulerName
    }

    func watch(pods: Informer, nodes: Informer) {
        pods.onEvent { [weak self] event in
            if case .deleted(let pod) = event { self?.post(.podGone(pod.key)) } else { self?.post(.pod(event.object)) }
        }
        nodes.onEvent { [weak self] event in
            if case .deleted(let node) = event {
                self?.post(.nodeGone(node.name))
            } else {
                self?.post(.node(event.object))
            }
        }
    }

    private func post(_ change: SchedulerState.Change) {
        inbox.withLock { $0.append(change) }
        signal.signal()
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                var state = SchedulerState(schedulerName: self.schedulerName)
                let clock = ContinuousClock()
                let start = clock.now
                func now() -> Double { (clock.now - start) / .seconds(1) }
                while !Task.isCancelled {
                    for change in self.takeChanges() { state.apply(change, now: now()) }
                    let next = state.wake(now: now())
                    var isBusy = false
                    while !Task.isCancelled {
                        if self.inFlight.load(ordering: .relaxed) >= Self.maximumInFlight {
                            isBusy = true
                            break
                        }
                        guard let decision = state.decide(now: now()) else { break }
                        self.inFlight.add(1, ordering: .relaxed)
                        group.addTask { await self.carryOut(decision) }
                        for change in self.takeChanges() { state.apply(change, now: now()) }
                    }
                    // A finished binding posts a change, so a full pipe wakes up by itself.
                    await self.signal.wait(atMost: isBusy ? nil : next.map { .seconds(max($0 - now(), 0.001)) })
                }
            }
        }
    }

    private func takeChanges() -> [SchedulerState.Change] {
        inbox.withLock { inbox in
            let changes = inbox
            inbox = []
            return changes
        }
    }

    private func carryOut(_ decision: SchedulerState.Decision) async {
        defer {
            inFlight.subtract(1, ordering: .relaxed)
            signal.signal()
        }
        do {
            switch decision {
            case .bind(let pod, let node):
                do {
                    try await writer.bind(pod, to: node)
                    post(.bound(pod.key))
                } catch let error as APIError where error.isNotFound {
                    post(.podGone(pod.key))
                    return
                } catch {
                    post(.bindFailed(pod.key))
                    throw error
                }
                await writer.recordScheduled(pod, on: node)
            case .unschedulable(let pod, let why):
                try await writer.explain(
                    pod,
                    reason: "Unschedulable",
                    message: why.message,
                    eventReason: "FailedScheduling"
                )
            case .gated(let pod):
                try await writer.explain(
                    pod,
                    reason: "SchedulingGated",
                    message: "Scheduling is blocked due to non-empty scheduling gates",
                    eventReason: nil
                )
            }
        } catch {
            logger.debug("decision not written", metadata: ["error": "\(error)"])
        }
    }
}
