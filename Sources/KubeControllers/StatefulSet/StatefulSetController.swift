internal import KubeCore
internal import KubeRuntime

/// Keeps the numbered pods and claims of StatefulSets.
struct StatefulSetController: Sendable {
    let context: ControllerContext
    let expectations = Expectations()

    func makeController() -> Controller {
        let controller = Controller(name: "statefulset", workers: 2, logger: context.logger, reconcile: reconcile)
        let informers = context.informers
        controller.watch(informers.statefulSets)
        controller.watch(informers.pods, ownedBy: "StatefulSet")
        controller.watch(informers.pods) { OrphanMatching.owners(of: $0, in: informers.statefulSets) }
        return controller
    }

    @Sendable func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        let informers = context.informers
        guard let statefulSet = informers.statefulSets.get(key) else {
            expectations.forget(key)
            return .settled
        }
        guard expectations.areMet(for: key, in: informers.pods.store) else {
            return .recheck(after: .milliseconds(500))
        }
        let selector = try LabelSelector(statefulSet["spec", "selector"])
        let orphans = informers.pods.orphans(in: key.namespace)
            .filter { StatefulSetPlan.ordinal(of: $0, in: statefulSet) != nil }
        let pods = try await context.claim(
            .pods,
            ownerType: .statefulSets,
            owner: statefulSet,
            selector: selector,
            owned: informers.pods.owned(by: statefulSet),
            orphans: orphans
        )
        guard !statefulSet.isTerminating else { return .settled }
        let (current, update) = try await revisions(statefulSet, pods)
        let currentHash = current.labels[DaemonSetPlan.hashLabel] ?? ""
        let updateHash = update.labels[DaemonSetPlan.hashLabel] ?? ""
        let plan = StatefulSetPlan(
            statefulSet: statefulSet,
            pods: pods,
            currentHash: currentHash,
            updateHash: updateHash,
            now: context.now()
        )
        let error = await carryOut(plan, statefulSet, current: current, update: update)
        try await context.writeStatus(
            .statefulSets,
            of: statefulSet,
            plan.status(of: statefulSet, currentRevision: current.name, updateRevision: update.name)
        )
        if let error {
            if let error = error as? APIError, error.isNamespaceTerminating { return .settled }
            throw error
        }
        return ReplicaSetController.nextLook(at: statefulSet, pods: pods, now: context.now())
    }

    /// (the revision before the present rollout, the one of the present template).
    private func revisions(_ statefulSet: KubeObject, _ pods: [KubeObject]) async throws -> (KubeObject, KubeObject) {
        let named = statefulSet["status", "currentRevision"]?.stringValue
        let history = context.informers.controllerRevisions.owned(by: statefulSet)
        let current = history.first { $0.name == named }
        var inUse = Set(pods.compactMap { $0.labels[DaemonSetPlan.hashLabel] })
        if let hash = current?.labels[DaemonSetPlan.hashLabel] { inUse.insert(hash) }
        let update = try await Revisions(context: context, ownerType: .statefulSets).sync(
            statefulSet,
            limit: statefulSet["spec", "revisionHistoryLimit"]?.intValue ?? 10,
            inUse: inUse
        )
        return (current ?? update, update)
    }

    private func carryOut(
        _ plan: StatefulSetPlan,
        _ statefulSet: KubeObject,
        current: KubeObject,
        update: KubeObject
    ) async -> (any Error)? {
        let creation = await slowStart(plan.create.count) { [self] index in
            let creation = plan.create[index]
            let revision = creation.isUpdated ? update : current
            var template = revision["data", "spec", "template"] ?? statefulSet["spec", "template"]
            template?["$patch"] = nil
            let pod = StatefulSetPlan.pod(
                statefulSet,
                ordinal: creation.ordinal,
                template: template,
                hash: revision.labels[DaemonSetPlan.hashLabel] ?? ""
            )
            do {
                try await createClaims(statefulSet, creation.ordinal)
                let created = try await context.api.create(.pods, pod)
                expectations.expectCreation(of: created, by: statefulSet.key)
                await context.events.record(
                    .normal,
                    reason: "SuccessfulCreate",
                    "create Pod \(pod.name) in StatefulSet \(statefulSet.name) successful",
                    about: statefulSet
                )
            } catch {
                await context.events.record(
                    .warning,
                    reason: "FailedCreate",
                    "create Pod \(pod.name) in StatefulSet \(statefulSet.name) failed error: \(error)",
                    about: statefulSet
                )
                throw error
            }
        }
        let deletion = await slowStart(plan.delete.count) { [self] index in
            let pod = plan.delete[index]
            expectations.expectDeletion(of: pod, by: statefulSet.key)
            try await context.api.deleteIfPresent(.pods, pod.key, options: DeleteOptions(preconditionUID: pod.uid))
            await context.events.record(
                .normal,
                reason: "SuccessfulDelete",
                "delete Pod \(pod.name) in StatefulSet \(statefulSet.name) successful",
                about: statefulSet
            )
        }
        return creation.error ?? deletion.error
    }

    private func createClaims(_ statefulSet: KubeObject, _ ordinal: Int) async throws {
        for claim in StatefulSetPlan.claims(statefulSet, ordinal: ordinal)
        where context.informers.claims.get(claim.object.key) == nil {
            do {
                try await context.api.create(.persistentVolumeClaims, claim.object)
            } catch let error as APIError where error.isAlreadyExists {
                continue
            }
        }
    }
}
