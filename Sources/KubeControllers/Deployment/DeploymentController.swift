internal import KubeCore
internal import KubeRuntime

/// Rolls Deployments out over ReplicaSets.
struct DeploymentController: Sendable {
    let context: ControllerContext

    func makeController() -> Controller {
        let controller = Controller(name: "deployment", workers: 4, logger: context.logger, reconcile: reconcile)
        let informers = context.informers
        controller.watch(informers.deployments)
        controller.watch(informers.replicaSets, ownedBy: "Deployment")
        controller.watch(informers.replicaSets) { OrphanMatching.owners(of: $0, in: informers.deployments) }
        // With Recreate the new pods wait for the last old one to go.
        controller.watch(informers.pods) { event in
            guard case .deleted(let pod) = event, let owner = pod.controllerReference, owner.kind == "ReplicaSet" else {
                return []
            }
            let replicaSet = informers.replicaSets.get(ObjectKey(namespace: pod.namespace, name: owner.name))
            guard let deployment = replicaSet?.controllerReference, deployment.kind == "Deployment" else { return [] }
            return [ObjectKey(namespace: pod.namespace, name: deployment.name)]
        }
        return controller
    }

    @Sendable func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        let informers = context.informers
        guard let deployment = informers.deployments.get(key) else { return .settled }
        let selector = try LabelSelector(deployment["spec", "selector"])
        guard !selector.isEmpty else {
            await context.events.record(
                .warning,
                reason: "SelectingAll",
                "This deployment is selecting all pods. A non-empty selector is required.",
                about: deployment
            )
            return .settled
        }
        var replicaSets = try await context.claim(
            .replicaSets,
            ownerType: .deployments,
            owner: deployment,
            selector: selector,
            owned: informers.replicaSets.owned(by: deployment),
            orphans: informers.replicaSets.orphans(in: key.namespace)
        )
        let plan = DeploymentPlan(
            deployment: deployment,
            replicaSets: replicaSets,
            hasOldPods: hasOldPods(deployment, replicaSets)
        )
        var step = DeploymentStatus.Step.none
        var collisionCount: Int?
        if let wanted = plan.create {
            switch try await create(wanted, of: deployment) {
            case .made(let replicaSet):
                replicaSets.append(replicaSet)
                step = .created(replicaSet.name)
            case .collision: collisionCount = (deployment["status", "collisionCount"]?.intValue ?? 0) + 1
            case .failed(let error): step = .failed(reason: "FailedCreate", message: "\(error)")
            }
        } else if plan.foundExisting,
            let name = ReplicaSetGeneration(of: .init(deployment), among: replicaSets).current?.name
        {
            step = .found(name)
        }
        for replicaSet in plan.update {
            let written = try await context.api.update(.replicaSets, replicaSet)
            replicaSets = replicaSets.map { $0.uid == written.uid ? written : $0 }
        }
        if step == .none || plan.create != nil { await recordScalings(plan, about: deployment, step: step) }
        for replicaSet in plan.delete {
            try await context.api.deleteIfPresent(
                .replicaSets,
                replicaSet.key,
                options: DeleteOptions(propagation: .background, preconditionUID: replicaSet.uid)
            )
        }
        return try await finish(deployment, replicaSets, plan, step, collisionCount)
    }

    private func finish(
        _ deployment: KubeObject,
        _ replicaSets: [KubeObject],
        _ plan: DeploymentPlan,
        _ step: DeploymentStatus.Step,
        _ collisionCount: Int?
    ) async throws -> ReconcileOutcome {
        var deployment = deployment
        if let revision = plan.revision, deployment.revision != revision, !deployment.isTerminating {
            deployment.annotations[DeploymentNames.revision] = String(revision)
            deployment = try await context.api.update(.deployments, deployment)
        }
        let status = DeploymentStatus(
            deployment: deployment,
            replicaSets: replicaSets,
            step: step,
            collisionCount: collisionCount,
            now: context.now()
        )
        try await context.writeStatus(.deployments, of: deployment, status.status)
        guard let rest = status.secondsToDeadline else { return .settled }
        return .recheck(after: .milliseconds(Int(max(rest, 0) * 1000) + 500))
    }

    private enum Creation {
        case made(KubeObject)
        case collision
        case failed(any Error)
    }

    private func create(_ replicaSet: KubeObject, of deployment: KubeObject) async throws -> Creation {
        do {
            return .made(try await context.api.create(.replicaSets, replicaSet))
        } catch let error as APIError where error.isAlreadyExists {
            guard
                let present = try await context.api.find(
                    .replicaSets,
                    namespace: replicaSet.namespace,
                    name: replicaSet.name
                )
            else { return .failed(error) }
            let isOurs = present.controllerReference?.uid == deployment.uid
            return isOurs && DeploymentFacts(deployment).isCurrent(present) ? .made(present) : .collision
        } catch let error as APIError where error.isNamespaceTerminating {
            return .failed(error)
        } catch let error as APIError where error.code < 500 && error.code != 429 {
            await context.events.record(
                .warning,
                reason: "ReplicaSetCreateError",
                "Failed to create new replica set \"\(replicaSet.name)\": \(error)",
                about: deployment
            )
            return .failed(error)
        }
    }

    private func recordScalings(_ plan: DeploymentPlan, about deployment: KubeObject, step: DeploymentStatus.Step) async
    {
        if case .failed = step { return }
        for scaling in plan.scalings where scaling.from != scaling.to {
            let direction = scaling.to > scaling.from ? "up" : "down"
            await context.events.record(
                .normal,
                reason: "ScalingReplicaSet",
                "Scaled \(direction) replica set \(scaling.replicaSet.name) from \(scaling.from) to \(scaling.to)",
                about: deployment
            )
        }
    }

    private func hasOldPods(_ deployment: KubeObject, _ replicaSets: [KubeObject]) -> Bool {
        let facts = DeploymentFacts(deployment)
        guard facts.isRecreate else { return false }
        return ReplicaSetGeneration(of: facts, among: replicaSets).old.contains { replicaSet in
            context.informers.pods.owned(by: replicaSet).contains { !PodFacts($0).isFinished }
        }
    }
}
