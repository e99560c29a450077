internal import Foundation
package import KubeCore
package import Logging
internal import ServiceLifecycle

/// Runs `body` while this process holds a Lease, so that of several replicas one acts.
///
/// The holder renews every `retryPeriod`; others take over once the lease has not changed for `leaseDuration` by their own clock,
/// so clocks need not agree. When renewal fails for longer than `renewDeadline`, or another has taken the lease, the body is
/// cancelled and `run()` throws `LeadershipLost`: what the body kept in memory may be out of date by then, so the process ends and
/// a fresh one takes part again. Source: client-go `tools/leaderelection`.
package final class LeaderElector: Service {
    private let api: any ResourceAPI
    private let key: ObjectKey
    private let identity: String
    private let logger: Logger
    private let leaseDuration: Duration
    private let renewDeadline: Duration
    private let retryPeriod: Duration
    private let body: @Sendable () async throws -> Void

    package init(
        api: any ResourceAPI,
        namespace: String,
        name: String,
        identity: String,
        logger: Logger,
        leaseDuration: Duration = .seconds(15),
        renewDeadline: Duration = .seconds(10),
        retryPeriod: Duration = .seconds(2),
        body: @escaping @Sendable () async throws -> Void
    ) {
        self.api = api
        self.key = ObjectKey(namespace: namespace, name: name)
        self.identity = identity
        self.logger = logger
        self.leaseDuration = leaseDuration
        self.renewDeadline = renewDeadline
        self.retryPeriod = retryPeriod
        self.body = body
    }

    /// Returns when the body has ended, or on cancellation or graceful shutdown.
    ///
    /// - Throws: `LeadershipLost`, and the body's errors.
    package func run() async throws {
        try await cancelWhenGracefulShutdown {
            guard await self.acquire() else { return }
            self.logger.info("became leader", metadata: ["lease": "\(self.key)", "identity": "\(self.identity)"])
            try await self.lead()
        }
    }

    private enum Ending { case bodyEnded, lost }

    private func lead() async throws {
        let ending: Ending
        do {
            ending = try await withThrowingTaskGroup(of: Ending.self) { group in
                group.addTask {
                    try await self.body()
                    return .bodyEnded
                }
                group.addTask {
                    await self.renewUntilLost()
                    return .lost
                }
                defer { group.cancelAll() }
                return try await group.next() ?? .lost
            }
        } catch {
            await release()
            if Task.isCancelled, error is CancellationError { return }
            throw error
        }
        guard ending == .lost, !Task.isCancelled else { return await release() }
        throw LeadershipLost(lease: key)
    }

    private func acquire() async -> Bool {
        var seen: (lease: JSON, at: ContinuousClock.Instant)?
        while !Task.isCancelled {
            do {
                let known = seen
                let (now, isOurs) = try await attempt { lease in
                    let spec = lease?["spec"] ?? .null
                    let at = known?.lease == spec ? known?.at ?? .now : .now
                    let holder = spec["holderIdentity"]?.stringValue ?? ""
                    let isFree = holder.isEmpty || holder == self.identity
                    guard isFree || ContinuousClock.now - at > self.leaseDuration else { return ((spec, at), false) }
                    return ((spec, at), try await self.write(over: lease))
                }
                if isOurs { return true }
                seen = now
            } catch {
                if Task.isCancelled { return false }
                logger.warning("lease not acquired", metadata: ["lease": "\(key)", "error": "\(error)"])
            }
            guard await sleepUnlessCancelled(retryPeriod * Double.random(in: 1...1.2)) else { return false }
        }
        return false
    }

    private func renewUntilLost() async {
        var lastRenewal = ContinuousClock.now
        while await sleepUnlessCancelled(retryPeriod) {
            // The moment before the request counts: the lease runs from when it was written, not from when we heard of it.
            let start = ContinuousClock.now
            do {
                let state = try await attempt { lease -> Renewal in
                    if let holder = lease?["spec", "holderIdentity"]?.stringValue, !holder.isEmpty,
                        holder != self.identity
                    {
                        return .takenBy(holder)
                    }
                    return try await self.write(over: lease) ? .renewed : .raced
                }
                switch state {
                case .renewed: lastRenewal = start
                case .raced: break
                case .takenBy(let holder):
                    logger.warning("lost the lease", metadata: ["lease": "\(key)", "holder": "\(holder)"])
                    return
                }
            } catch {
                if Task.isCancelled { return }
                logger.warning("lease not renewed", metadata: ["lease": "\(key)", "error": "\(error)"])
            }
            if ContinuousClock.now - lastRenewal > renewDeadline {
                logger.warning("lease not renewed in time", metadata: ["lease": "\(key)"])
                return
            }
        }
    }

    private enum Renewal { case renewed, raced, takenBy(String) }

    /// Reads the lease and works on it; a server that does not answer must not hold the holder past its deadline.
    private func attempt<T: Sendable>(_ work: @escaping @Sendable (KubeObject?) async throws -> T) async throws -> T {
        let limit = renewDeadline / 2
        return try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask {
                try await work(try await self.api.find(.leases, namespace: self.key.namespace, name: self.key.name))
            }
            group.addTask {
                try await Task.sleep(for: limit)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let result = first else {
                throw APIError(code: 504, reason: .timeout, message: "the API server did not answer within \(limit)")
            }
            return result
        }
    }

    /// False when somebody else wrote first.
    private func write(over lease: KubeObject?) async throws -> Bool {
        let now = Timestamp.microText(seconds: Date.now.timeIntervalSince1970)
        var object = lease ?? KubeObject(.leases, namespace: key.namespace, name: key.name)
        let holder = object["spec", "holderIdentity"]?.stringValue
        if holder != identity {
            object["spec", "acquireTime"] = .string(now)
            let transitions = object["spec", "leaseTransitions"]?.intValue ?? 0
            object["spec", "leaseTransitions"] = JSON(lease == nil ? 0 : transitions + 1)
        }
        object["spec", "holderIdentity"] = .string(identity)
        object["spec", "leaseDurationSeconds"] = JSON(max(1, Int(leaseDuration.components.seconds)))
        object["spec", "renewTime"] = .string(now)
        do {
            if lease == nil {
                try await api.create(.leases, object)
            } else {
                try await api.update(.leases, object)
            }
            return true
        } catch let error as APIError where error.isConflict || error.isAlreadyExists {
            return false
        }
    }

    private func release() async {
        // The surrounding task may be cancelled; a detached one gives the lease back so that the next holder need not wait.
        await Task.detached { [self] in
            do {
                try await attempt { [self] lease in
                    guard var lease, lease["spec", "holderIdentity"]?.stringValue == identity else { return }
                    lease["spec", "holderIdentity"] = ""
                    try await api.update(.leases, lease)
                }
            } catch {
                logger.debug("lease not released", metadata: ["lease": "\(key)", "error": "\(error)"])
            }
        }.value
    }
}

/// Another process may act now; this one must not go on.
package struct LeadershipLost: Error, CustomStringConvertible {
    package var lease: ObjectKey
    package var description: String { "lost the lease \(lease)" }
}
