internal import NIOCore
internal import Synchronization

/// A request that waits in a deployment's queue, reachable from any event loop.
struct WaitingRequest: Sendable {
    let loop: any EventLoop
    let connection: NIOLoopBound<DownstreamHandler>
}

/// What outlives a change of the route table: who is busy and who waits in one deployment, over all event loops.
final class DeploymentRuntime: Sendable {
    typealias State = BalancerState<WaitingRequest>

    enum Acquired {
        case slot(UInt64)
        case queued
        case queueFull(retryAfter: Int)
        case exhausted
    }

    let endpoint: String
    let name: String
    let metrics: DeploymentMetrics
    private let state: Mutex<State>

    init(endpoint: String, name: String, metrics: DeploymentMetrics, settings: RouteTable.Settings, firstKey: UInt64) {
        self.endpoint = endpoint
        self.name = name
        self.metrics = metrics
        // Each deployment has 2^32 keys of its own, so that pools can be found by key alone.
        state = Mutex(
            State(
                limit: settings.maxConcurrentPerInstance,
                queueLimit: settings.maxQueueLength,
                firstKey: firstKey << 32
            )
        )
    }

    /// A slot on a backend, or a place in the queue under `ticket`.
    func acquire(
        now: UInt64,
        excluding excluded: [UInt64],
        ticket: UInt64,
        waiter: () -> WaitingRequest
    ) -> Acquired {
        state.withLock { state in
            switch state.acquire(now: now, excluding: excluded) {
            case .slot(let key): return .slot(key)
            case .exhausted: return .exhausted
            case .busy:
                if state.enqueue(waiter(), ticket: ticket, excluding: excluded) { return .queued }
                return .queueFull(retryAfter: state.retryAfterSeconds)
            }
        }
    }

    /// False when the request has a slot by now, which is on its way to it.
    func cancel(ticket: UInt64) -> Bool { state.withLock { $0.cancel(ticket: ticket) } }

    /// Gives a slot back; a request that waited for it starts.
    ///
    /// `served` is how long the backend needed for an answer; nil when it gave none.
    func release(_ key: UInt64, now: UInt64, served: UInt64?) {
        let grant = state.withLock { state in
            if let served { state.noteServed(key, nanoseconds: served) }
            return state.release(key, now: now)
        }
        if let grant { deliver(grant) }
    }

    /// Notes a failed connection; the caller still holds its slot.
    ///
    /// Waiting requests are looked at again when the hold ends.
    func hold(_ key: UInt64, now: UInt64, loop: any EventLoop) {
        let until = state.withLock { $0.hold(key, now: now) }
        loop.scheduleTask(deadline: .uptimeNanoseconds(until)) { [self] in
            for grant in state.withLock({ $0.grants(now: until) }) { deliver(grant) }
        }
    }

    func update(_ deployment: RouteTable.Deployment, now: UInt64) {
        let members = deployment.backends.map { backend in
            State.Member(
                id: backend.id,
                address: backend.address,
                port: backend.port,
                isAvailable: backend.isReady && !backend.isTerminating
            )
        }
        let grants = state.withLock { state in
            state.update(
                members,
                limit: deployment.settings.maxConcurrentPerInstance,
                queueLimit: deployment.settings.maxQueueLength,
                now: now
            )
        }
        for grant in grants { deliver(grant) }
    }

    /// Nil when the backend is gone.
    func backend(_ key: UInt64) -> State.Member? { state.withLock { $0.entry(key)?.member } }

    /// Keys of the backends that may keep idle connections.
    var openKeys: [UInt64] { state.withLock { $0.entries.filter(\.isOpen).map(\.key) } }

    var load: (inFlight: Int, queued: Int, available: Int) {
        state.withLock { ($0.inFlight, $0.queue.count, $0.available) }
    }

    var retryAfterSeconds: Int { state.withLock { $0.retryAfterSeconds } }

    private func deliver(_ grant: State.Grant) {
        let (connection, ticket, key) = (grant.waiter.connection, grant.ticket, grant.key)
        grant.waiter.loop.execute {
            connection.value.granted(ticket: ticket, key: key, runtime: self)
        }
    }
}
