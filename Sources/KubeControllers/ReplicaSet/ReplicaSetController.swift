internal import KubeCore
internal import KubeRuntime

/// Keeps as many pods alive as a ReplicaSet asks for.
struct ReplicaSetController: Sendable {
    let context: ControllerContext
    let expectations = Expectations()

    func makeController() -> Controller {
        let controller = Controller(name: "replicaset", workers: 4, logger: context.logger, reconcile: reconcile)
        let informers = context.informers
        controller.watch(informers.replicaSets)
        controller.watch(informers.pods, ownedBy: "ReplicaSet")
        controller.watch(informers.pods) { event in
            OrphanMatching.owners(of: event, in: informers.replicaSets)
        }
        return controller
    }

    @Sendable func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        let informers = context.informers
        guard let replicaSet = informers.replicaSets.get(key) else {
            expectations.forget(key)
            return .settled
        }
        guard expectations.areMet(for: key, in: informers.pods.store) else {
            return .recheck(after: .milliseconds(500))
        }
        let selector = try LabelSelector(replicaSet["spec", "selector"])
        var pods = try await context.claim(
            .pods,
            ownerType: .replicaSets,
            owner: replicaSet,
            selector: selector,
            owned: informers.pods.owned(by: replicaSet),
            orphans: informers.pods.orphans(in: key.namespace)
        )
        let plan = ReplicaSetPlan(replicaSet: replicaSet, pods: pods, now: context.now())
        let failure = await carryOut(plan, for: replicaSet)
        let deleted = Set(plan.podsToDelete.map(\.uid))
        if failure == nil { pods.removeAll { deleted.contains($0.uid) } }
        let status = ReplicaSetPlan.status(
            of: replicaSet,
            pods: pods,
            failure: failure.map { ($0.reason, "\($0.error)") },
            now: context.now()
        )
        try await context.writeStatus(.replicaSets, of: replicaSet, status)
        if let failure {
            if let error = failure.error as? APIError, error.isNamespaceTerminating { return .settled }
            throw failure.error
        }
        return Self.nextLook(at: replicaSet, pods: pods, now: context.now())
    }

    private func carryOut(
        _ plan: ReplicaSetPlan,
        for replicaSet: KubeObject
    ) async -> (reason: String, error: any Error)? {
        let pod = PodTemplate.pod(from: replicaSet["spec", "template"], owner: replicaSet)
        let creation = await slowStart(plan.podsToCreate) { [self] _ in
            do {
                let created = try await context.api.create(.pods, pod)
                expectations.expectCreation(of: created, by: replicaSet.key)
                await context.events.record(
                    .normal,
                    reason: "SuccessfulCreate",
                    "Created pod: \(created.name)",
                    about: replicaSet
                )
            } catch {
                await context.events.record(
                    .warning,
                    reason: "FailedCreate",
                    "Error creating: \(error)",
                    about: replicaSet
                )
                throw error
            }
        }
        if let error = creation.error { return ("FailedCreate", error) }
        let deletion = await slowStart(plan.podsToDelete.count) { [self] index in
            let pod = plan.podsToDelete[index]
            expectations.expectDeletion(of: pod, by: replicaSet.key)
            try await context.api.deleteIfPresent(.pods, pod.key, options: DeleteOptions(preconditionUID: pod.uid))
            await context.events.record(
                .normal,
                reason: "SuccessfulDelete",
                "Deleted pod: \(pod.name)",
                about: replicaSet
            )
        }
        if let error = deletion.error {
            expectations.forget(replicaSet.key)
            return ("FailedDelete", error)
        }
        return nil
    }

    /// With minReadySeconds a pod becomes available without any event.
    static func nextLook(at owner: KubeObject, pods: [KubeObject], now: Double) -> ReconcileOutcome {
        let minReady = owner["spec", "minReadySeconds"]?.intValue ?? 0
        let waits = pods.compactMap { PodFacts($0).secondsUntilAvailable(minReadySeconds: minReady, now: now) }
        guard let wait = waits.min() else { return .settled }
        return .recheck(after: .milliseconds(Int(wait * 1000) + 20))
    }
}

/// Finds owners for objects that nobody manages.
enum OrphanMatching {
    /// Keys of the objects in `owners` whose selector matches an orphan of `event`.
    static func owners(of event: InformerEvent, in owners: Informer) -> [ObjectKey] {
        let object = event.object
        guard object.controllerReference == nil, !object.labels.isEmpty else { return [] }
        if case .deleted = event { return [] }
        return owners.indexed(namespace: object.namespace).filter { owner in
            guard let selector = try? LabelSelector(owner["spec", "selector"]), !selector.isEmpty else { return false }
            return selector.matches(object.labels)
        }.map(\.key)
    }
}
