internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import Logging
internal import MLTypes
internal import ServiceLifecycle

/// Everything that goes on without a request: the clusters' loops and the hourly tidying.
struct ClusterWork: Service, CustomStringConvertible {
    let syncs: [ClusterSync]
    let core: Core

    var description: String { "ClusterWork(\(syncs.map(\.target.name).joined(separator: ", ")))" }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                for sync in syncs { group.addTask { await sync.run() } }
                group.addTask { await tidyLoop() }
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
