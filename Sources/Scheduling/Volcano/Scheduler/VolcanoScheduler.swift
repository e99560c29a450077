internal import Foundation
package import KubeCore
internal import KubeRuntime
package import Logging
package import ServiceLifecycle
internal import Synchronization

/// Places PodGroups as a whole, by queue; for pods of scheduler name `volcano`.
package struct VolcanoScheduler: Sendable {
    package let services: [any Service]

    package init(api: any ResourceAPI, logger: Logger, schedulerName: String = VolcanoNames.schedulerName) {
        func informer(_ type: ResourceType) -> Informer { Informer(api: api, type: type, logger: logger) }
        let loop = GangLoop(api: api, logger: logger, schedulerName: schedulerName)
        let informers = [
            informer(.priorityClasses), informer(.nodes), informer(VolcanoNames.queues),
            informer(VolcanoNames.podGroups), informer(.pods),
        ]
        for informer in informers { loop.watch(informer) }
        services = [ControllerManager(informers: informers, controllers: [], extras: [loop])]
    }
}

/// The shell of `GangState`.
final class GangLoop: Service {
    private static let maximumInFlight = 256

    private let api: any ResourceAPI
    private let writer: SchedulingWriter
    private let logger: Logger
    private let schedulerName: String
    private let inbox = Mutex<[GangState.Change]>([])
    private let signal = WakeSignal()
    private let slots = Slots(count: maximumInFlight)

    init(api: any ResourceAPI, logger: Logger, schedulerName: String) {
        self.api = api
        writer = SchedulingWriter(
            api: api,
            events: EventRecorder(api: api, component: schedulerName, logger: logger),
            schedulerName: schedulerName
        )
        self.logger = logger
        self.schedulerName = schedulerName
    }

    func watch(_ informer: Informer) {
        let type = informer.type
        informer.onEvent { [weak self] event in
            guard let self, let change = Self.change(type, event) else { return }
            post(change)
        }
    }

    private static func change(_ type: ResourceType, _ event: InformerEvent) -> GangState.Change? {
        let object = event.object
        var isGone = false
        if case .deleted = event { isGone = true }
        switch type {
        case .pods: return isGone ? .podGone(object.key) : .pod(object)
        case .nodes: return isGone ? .nodeGone(object.name) : .node(object)
        case VolcanoNames.podGroups: return isGone ? .groupGone(object.key) : .group(object)
        case VolcanoNames.queues: return isGone ? .queueGone(object.name) : .queue(object)
        case .priorityClasses: return isGone ? nil : .priorityClass(object)
        default: return nil
        }
    }

    private func post(_ change: GangState.Change) {
        inbox.withLock { $0.append(change) }
        signal.signal()
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                var state = GangState(schedulerName: self.schedulerName)
                let clock = ContinuousClock()
                let start = clock.now
                while !Task.isCancelled {
                    for change in self.takeChanges() { state.apply(change) }
                    let now = (clock.now - start) / .seconds(1)
                    let timestamp = Timestamp.text(seconds: Date.now.timeIntervalSince1970)
                    let orders = state.cycle(now: now, timestamp: timestamp)
                    self.start(orders, in: &group)
                    await self.signal.wait(atMost: orders.recheck.map { .seconds(max($0 - now, 0.001)) })
                }
            }
        }
    }

    private func takeChanges() -> [GangState.Change] {
        inbox.withLock { inbox in
            let changes = inbox
            inbox = []
            return changes
        }
    }

    private func start(_ orders: GangOrders, in group: inout DiscardingTaskGroup) {
        for (object, status) in orders.statuses { group.addTask { await self.write(status, to: object) } }
        for (pod, node) in orders.bind { group.addTask { await self.bind(pod, to: node) } }
        for telling in orders.tell {
            for pod in telling.pods { group.addTask { await self.tell(pod, telling.sentence) } }
        }
    }

    private func bind(_ pod: PodRequirements, to node: String) async {
        await slots.take()
        do {
            try await writer.bind(pod, to: node)
            slots.give()
        } catch let error as APIError where error.isNotFound {
            slots.give()
            post(.podGone(pod.key))
            return
        } catch {
            slots.give()
            logger.debug("binding failed", metadata: ["pod": "\(pod.key)", "node": "\(node)", "error": "\(error)"])
            post(.bindFailed(pod.key))
            return
        }
        await writer.recordScheduled(pod, on: node)
    }

    private func write(_ status: JSON, to group: KubeObject) async {
        do {
            // A merge patch leaves alone what it does not name, so counts that are gone are named too.
            var status = status
            for field in ["running", "succeeded", "failed"] where status[field] == nil { status[field] = .null }
            try await api.patch(
                VolcanoNames.podGroups,
                group.key,
                subresource: "status",
                .merge(["status": status]),
                options: WriteOptions(fieldManager: schedulerName)
            )
        } catch let error as APIError where error.isNotFound {
            return
        } catch {
            logger.debug("status not written", metadata: ["podgroup": "\(group.key)", "error": "\(error)"])
            post(.statusFailed(group.key))
        }
    }

    private func tell(_ pod: PodRequirements, _ sentence: String) async {
        await slots.take()
        defer { slots.give() }
        do {
            try await writer.explain(pod, reason: "Unschedulable", message: sentence, eventReason: "FailedScheduling")
        } catch {
            logger.debug("pod not told", metadata: ["pod": "\(pod.key)", "error": "\(error)"])
        }
    }
}

/// Lets a number of tasks through at a time, in order of arrival.
private final class Slots: Sendable {
    private struct State {
        var free: Int
        var waiters: [CheckedContinuation<Void, Never>] = []
        var head = 0
    }

    private let state: Mutex<State>

    init(count: Int) { state = Mutex(State(free: count)) }

    func take() async {
        await withCheckedContinuation { continuation in
            let passes = state.withLock { state in
                if state.free > 0 {
                    state.free -= 1
                    return true
                }
                state.waiters.append(continuation)
                return false
            }
            if passes { continuation.resume() }
        }
    }

    func give() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.head < state.waiters.count else {
                state.waiters = []
                state.head = 0
                state.free += 1
                return nil
            }
            defer { state.head += 1 }
            return state.waiters[state.head]
        }
        next?.resume()
    }
}
