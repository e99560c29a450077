package import KubeCore
package import Logging
internal import ServiceLifecycle
internal import Foundation

/// Runs `body` while this process holds a Lease, so that of several replicas one acts.
///
/// The holder renews every `retryPeriod`; others take over once the lease has not changed for `leaseDuration` by their own clock,
/// so clocks need not agree. When renewal fails for longer than `renewDeadline` the body is cancelled and `run()` starts over.
/// Source: client-go `tools/leaderelection`.
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

    package func run() async throws {
        try await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                guard await self.acquire() else { return }
                self.logger.info("became leader", metadata: ["lease": "\(self.key)", "identity": "\(self.identity)"])
                try await self.lead()
            }
        }
    }

    /// Leads until the lease is lost, the body ends, or the task is cancelled; gives the lease up on cancellation.
    private func lead() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.body() }
            group.addTask { await self.renewUntilLost() }
            defer { group.cancelAll() }
            do {
                try await group.next()
            } catch is CancellationError {
                // The body was told to stop.
            }
        }
        if Task.isCancelled { await release() }
    }

    private func acquire() async -> Bool {
        var seen: (lease: JSON, at: ContinuousClock.Instant)?
        while !Task.isCancelled {
            do {
                let lease = try await api.find(.leases, namespace: key.namespace, name: key.name)
                let spec = lease?["spec"] ?? .null
                if seen?.lease != spec { seen = (spec, .now) }
                let holder = spec["holderIdentity"]?.stringValue ?? ""
                let isStale = (seen.map { ContinuousClock.now - $0.at } ?? .zero) > leaseDuration
                if holder.isEmpty || holder == identity || isStale, try await write(over: lease) { return true }
            } catch {
                logger.warning("lease not acquired", metadata: ["lease": "\(key)", "error": "\(error)"])
            }
            guard await sleepUnlessCancelled(retryPeriod * Double.random(in: 1...1.2)) else { return false }
        }
        return false
    }

    private func renewUntilLost() async {
        var lastRenewal = ContinuousClock.now
        while await sleepUnlessCancelled(retryPeriod) {
            do {
                let lease = try await api.find(.leases, namespace: key.namespace, name: key.name)
                if let holder = lease?["spec", "holderIdentity"]?.stringValue, holder != identity, !holder.isEmpty {
                    logger.warning("lost the lease", metadata: ["lease": "\(key)", "holder": "\(holder)"])
                    return
                }
                if try await write(over: lease) { lastRenewal = .now }
            } catch {
                logger.debug("lease not renewed", metadata: ["lease": "\(key)", "error": "\(error)"])
            }
            if ContinuousClock.now - lastRenewal > renewDeadline { return }
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
        object["spec", "leaseDurationSeconds"] = JSON(Int(leaseDuration.components.seconds))
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
        // The surrounding task is cancelled; a detached one gives the lease back so that the next holder need not wait.
        await Task.detached { [self] in
            do {
                guard var lease = try await api.find(.leases, namespace: key.namespace, name: key.name),
                    lease["spec", "holderIdentity"]?.stringValue == identity
                else { return }
                lease["spec", "holderIdentity"] = ""
                try await api.update(.leases, lease)
            } catch {
                logger.debug("lease not released", metadata: ["lease": "\(key)", "error": "\(error)"])
            }
        }.value
    }
}
