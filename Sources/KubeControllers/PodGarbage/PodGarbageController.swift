internal import KubeCore
internal import KubeRuntime
internal import Synchronization

/// Removes pods that nobody will remove: those of nodes that are gone, and the oldest finished ones when there are too many.
final class PodGarbageController: Sendable {
    let context: ControllerContext
    /// Finished pods beyond this number go, oldest first.
    let finishedLimit = 1000
    /// A node must be gone for this long; it may only be registering anew.
    let quarantine: Duration = .seconds(40)
    private let missing = Mutex<[String: ContinuousClock.Instant]>([:])
    private static let pass = ObjectKey(name: "all")

    init(context: ControllerContext) { self.context = context }

    func makeController() -> Controller {
        let controller = Controller(name: "pod-garbage", workers: 1, logger: context.logger) { [self] _ in
            try await collect()
        }
        controller.watch(context.informers.nodes) { event in
            if case .deleted = event { [Self.pass] } else { [] }
        }
        // A pass in the beginning finds what was left while nobody looked.
        controller.queue.add(Self.pass)
        return controller
    }

    /// Finished pods to delete.
    ///
    /// `pods` is any selection.
    static func surplus(_ pods: [KubeObject], limit: Int) -> [KubeObject] {
        let finished = pods.filter { PodFacts($0).isFinished && !$0.isTerminating }
        guard finished.count > limit else { return [] }
        return Array(
            finished.sorted { ($0.creationTimestamp ?? "", $0.name) < ($1.creationTimestamp ?? "", $1.name) }
                .prefix(finished.count - limit)
        )
    }

    private func collect() async throws -> ReconcileOutcome {
        let pods = context.informers.pods.list()
        for pod in Self.surplus(pods, limit: finishedLimit) { try await remove(pod) }
        let known = Set(context.informers.nodes.list().map(\.name))
        var gone: Set<String> = []
        for pod in pods { if let node = PodFacts(pod).nodeName, !known.contains(node) { gone.insert(node) } }
        let ripe = missing.withLock { missing in
            let now = ContinuousClock.now
            missing = missing.filter { gone.contains($0.key) }
            for node in gone where missing[node] == nil { missing[node] = now }
            return Set(missing.filter { now - $0.value >= quarantine }.map(\.key))
        }
        for pod in pods where PodFacts(pod).nodeName.map(ripe.contains) == true {
            try await fail(pod)
            try await remove(pod)
        }
        return .recheck(after: gone.isEmpty ? .seconds(60) : .seconds(10))
    }

    /// Says why before the pod goes, for those who watch it.
    private func fail(_ pod: KubeObject) async throws {
        guard !PodFacts(pod).isFinished else { return }
        var changed = pod
        var conditions = ConditionList(pod["status", "conditions"])
        conditions.set(
            "DisruptionTarget",
            "True",
            reason: "DeletionByPodGC",
            message: "PodGC: node no longer exists",
            now: context.timestamp
        )
        changed["status", "phase"] = "Failed"
        changed["status", "conditions"] = conditions.json
        do {
            try await context.api.updateStatus(.pods, changed)
        } catch let error as APIError where error.isNotFound || error.isConflict {
            return
        }
    }

    private func remove(_ pod: KubeObject) async throws {
        do {
            try await context.api.deleteIfPresent(
                .pods,
                pod.key,
                options: DeleteOptions(gracePeriodSeconds: 0, preconditionUID: pod.uid)
            )
        } catch let error as APIError where error.isConflict {
            return
        }
    }
}
