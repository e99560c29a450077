internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import Logging
internal import MLTypes
internal import ServiceLifecycle

/// Everything that goes on without a request: the clusters' loops, which come and go with them, and the hourly tidying.
struct ClusterWork: Service, CustomStringConvertible {
    let core: Core

    var description: String { "ClusterWork(\(core.clusters.targets.map(\.name).joined(separator: ", ")))" }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await syncLoops() }
                group.addTask { await orphanLoop() }
                group.addTask { await tidyLoop() }
            }
        }
    }

    /// One `ClusterSync` for each registration of a cluster, for as long as that lasts.
    private func syncLoops() async {
        await withDiscardingTaskGroup { group in
            var running: [String: AsyncStream<Never>.Continuation] = [:]
            for await entries in core.clusters.changes() {
                let wanted = Dictionary(entries.map { ($0.identity, $0) }) { first, _ in first }
                for (identity, stop) in running where wanted[identity] == nil {
                    stop.finish()
                    running[identity] = nil
                }
                for (identity, entry) in wanted where running[identity] == nil {
                    let (stopped, stop) = AsyncStream.makeStream(of: Never.self)
                    running[identity] = stop
                    group.addTask { await sync(entry, until: stopped) }
                }
            }
            group.cancelAll()
        }
    }

    private func sync(_ entry: ClusterDirectory.Entry, until stopped: AsyncStream<Never>) async {
        let sync = ClusterSync(core: core, entry: entry)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await sync.run() }
            group.addTask { for await _ in stopped {} }
            await group.next()
            group.cancelAll()
        }
    }

    /// Ends what still waits for a cluster that is not registered any more.
    private func orphanLoop() async {
        for await _ in core.store.changes.signals([Transaction.outboxTopic, DocumentKind.cluster.rawValue]) {
            do {
                try await endOrphans()
            } catch {
                if Task.isCancelled { return }
                core.logger.error("ending work of deleted clusters failed", metadata: ["error": "\(error)"])
            }
        }
    }

    func endOrphans() async throws {
        let clusters = core.clusters
        let isAny = try await core.store.read { t in try t.outboxClusters() }.contains {
            clusters.entry(key: $0) == nil
        }
        guard isAny else { return }
        try await core.store.write { t in
            for cluster in try t.outboxClusters() where clusters.entry(key: cluster) == nil {
                for item in try t.outbox(cluster: cluster) {
                    try t.finish(item)
                    guard let document = try t.find(item.key) else { continue }
                    if document.hidden["isDeleting"] == true {
                        try StatusIntake.deleted(t, document)
                    } else {
                        try StatusIntake.refused(
                            t,
                            document,
                            ErrorDetail(
                                code: "ClusterDeleted",
                                message: "Its cluster '\(cluster)' is not registered any more."
                            )
                        )
                    }
                }
            }
        }
    }

    private func tidyLoop() async {
        while !Task.isCancelled {
            do {
                try await tidy(now: nowSeconds())
                try await Task.sleep(for: .seconds(600))
            } catch is CancellationError {
                return
            } catch {
                core.logger.error("tidying failed", metadata: ["error": "\(error)"])
                do { try await Task.sleep(for: .seconds(60)) } catch { return }
            }
        }
    }

    /// Removes ended jobs from their clusters after an hour, renews the tokens of deployments weekly, forgets old operations.
    func tidy(now: Double) async throws {
        try await core.store.write { t in
            try Operations.forgetOld(t)
            for var job in try t.listAll(.job)
            where JobState.isEnded(job) && job.updatedAt < now - 3600 && job.hidden["isCleared"] != true {
                try ClusterObjects.enqueue(t, job, action: .delete)
                job.hidden["isCleared"] = true
                try t.put(&job)
            }
            for var deployment in try t.listAll(.onlineDeployment) where deployment.hidden["isDeleting"] != true {
                let sent = deployment.hidden["tokenTime"]?.doubleValue ?? deployment.createdAt
                guard sent < now - 7 * 86400 else { continue }
                deployment.hidden["tokenTime"] = .double(now)
                try t.put(&deployment)
                try ClusterObjects.enqueue(t, deployment)
            }
        }
    }
}
