internal import KubeCore
internal import KubeRuntime

/// Keeps one pod of a DaemonSet on each node that qualifies.
struct DaemonSetController: Sendable {
    let context: ControllerContext
    let expectations = Expectations()

    func makeController() -> Controller {
        let controller = Controller(name: "daemonset", workers: 2, logger: context.logger, reconcile: reconcile)
        let informers = context.informers
        controller.watch(informers.daemonSets)
        controller.watch(informers.pods, ownedBy: "DaemonSet")
        controller.watch(informers.pods) { OrphanMatching.owners(of: $0, in: informers.daemonSets) }
        controller.watch(informers.nodes) { event in
            if case .updated(let old, let new) = event,
                old.labels == new.labels, old["spec", "taints"] == new["spec", "taints"]
            {
                return []
            }
            return informers.daemonSets.list().map(\.key)
        }
        return controller
    }

    @Sendable func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        let informers = context.informers
        guard let daemonSet = informers.daemonSets.get(key) else {
            expectations.forget(key)
            return .settled
        }
        guard expectations.areMet(for: key, in: informers.pods.store) else {
            return .recheck(after: .milliseconds(500))
        }
        let selector = try LabelSelector(daemonSet["spec", "selector"])
        let pods = try await context.claim(
            .pods,
            ownerType: .daemonSets,
            owner: daemonSet,
            selector: selector,
            owned: informers.pods.owned(by: daemonSet),
            orphans: informers.pods.orphans(in: key.namespace)
        )
        guard !daemonSet.isTerminating else { return .settled }
        let inUse = Set(pods.compactMap { $0.labels[DaemonSetPlan.hashLabel] })
        let revision = try await Revisions(context: context, ownerType: .daemonSets).sync(
            daemonSet,
            limit: daemonSet["spec", "revisionHistoryLimit"]?.intValue ?? 10,
            inUse: inUse
        )
        let hash = revision.labels[DaemonSetPlan.hashLabel] ?? ""
        let plan = DaemonSetPlan(
            daemonSet: daemonSet,
            nodes: informers.nodes.list(),
            pods: pods,
            hash: hash,
            now: context.now()
        )
        let error = await carryOut(plan, daemonSet, hash)
        try await context.writeStatus(.daemonSets, of: daemonSet, plan.status(of: daemonSet))
        if let error {
            if let error = error as? APIError, error.isNamespaceTerminating { return .settled }
            throw error
        }
        return ReplicaSetController.nextLook(at: daemonSet, pods: pods, now: context.now())
    }

    private func carryOut(_ plan: DaemonSetPlan, _ daemonSet: KubeObject, _ hash: String) async -> (any Error)? {
        let creation = await slowStart(plan.create.count) { [self] index in
            let pod = DaemonSetPlan.pod(daemonSet, node: plan.create[index], hash: hash)
            do {
                let created = try await context.api.create(.pods, pod)
                expectations.expectCreation(of: created, by: daemonSet.key)
                await context.events.record(
                    .normal,
                    reason: "SuccessfulCreate",
                    "Created pod: \(created.name)",
                    about: daemonSet
                )
            } catch {
                await context.events.record(
                    .warning,
                    reason: "FailedCreate",
                    "Error creating: \(error)",
                    about: daemonSet
                )
                throw error
            }
        }
        let deletion = await slowStart(plan.delete.count) { [self] index in
            let pod = plan.delete[index]
            expectations.expectDeletion(of: pod, by: daemonSet.key)
            try await context.api.deleteIfPresent(.pods, pod.key, options: DeleteOptions(preconditionUID: pod.uid))
            await context.events.record(
                .normal,
                reason: "SuccessfulDelete",
                "Deleted pod: \(pod.name)",
                about: daemonSet
            )
        }
        return creation.error ?? deletion.error
    }
}
