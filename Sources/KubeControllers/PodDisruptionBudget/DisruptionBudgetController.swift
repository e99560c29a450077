internal import KubeCore
internal import KubeRuntime

/// `status` of a PodDisruptionBudget: how many pods may be evicted now.
enum DisruptionBudgetPlan {
    /// - `pods`: those of the budget's namespace that its selector matches.
    /// - `expected`: pods that their controllers want, which percentages refer to.
    static func status(of budget: KubeObject, pods: [KubeObject], expected: Int, now: String) -> JSON {
        let active = pods.filter { !PodFacts($0).isFinished }
        let healthy = active.count { PodFacts($0).isReady && !$0.isTerminating }
        let minimum: Int
        if let allowed = IntOrPercent.resolve(budget["spec", "maxUnavailable"], of: expected, roundingUp: true) {
            minimum = max(0, expected - allowed)
        } else {
            minimum = IntOrPercent.resolve(budget["spec", "minAvailable"], of: expected, roundingUp: true) ?? 0
        }
        let allowed = max(0, healthy - minimum)
        var conditions = ConditionList(budget["status", "conditions"])
        conditions.set(
            "DisruptionAllowed",
            allowed > 0 ? "True" : "False",
            reason: allowed > 0 ? "SufficientPods" : "InsufficientPods",
            message: "",
            now: now,
            extra: ["observedGeneration": JSON(budget.generation)]
        )
        var status = budget["status"]?.objectValue ?? [:]
        status["observedGeneration"] = JSON(budget.generation)
        status["expectedPods"] = JSON(expected)
        status["currentHealthy"] = JSON(healthy)
        status["desiredHealthy"] = JSON(minimum)
        status["disruptionsAllowed"] = JSON(expected > 0 ? allowed : 0)
        // Evicted pods that are gone by now need not be remembered.
        let names = Set(active.map(\.name))
        let disrupted = (budget["status", "disruptedPods"]?.objectValue ?? [:]).filter { names.contains($0.key) }
        status["disruptedPods"] = disrupted.isEmpty ? nil : .object(disrupted)
        status["conditions"] = conditions.json
        return .object(status)
    }
}

/// Keeps the status of PodDisruptionBudgets.
struct DisruptionBudgetController: Sendable {
    let context: ControllerContext

    func makeController() -> Controller {
        let controller = Controller(name: "disruption", workers: 1, logger: context.logger, reconcile: reconcile)
        let informers = context.informers
        controller.watch(informers.disruptionBudgets)
        controller.watch(informers.pods) { event in
            informers.disruptionBudgets.indexed(namespace: event.object.namespace).filter { budget in
                (try? LabelSelector(budget["spec", "selector"]))?.matches(event.object.labels) ?? false
            }.map(\.key)
        }
        return controller
    }

    @Sendable func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        let informers = context.informers
        guard let budget = informers.disruptionBudgets.get(key), !budget.isTerminating else { return .settled }
        let selector = try LabelSelector(budget["spec", "selector"])
        let pods = informers.pods.indexed(namespace: key.namespace).filter { selector.matches($0.labels) }
        let status = DisruptionBudgetPlan.status(
            of: budget,
            pods: pods,
            expected: expected(pods),
            now: context.timestamp
        )
        try await context.writeStatus(.podDisruptionBudgets, of: budget, status)
        return .settled
    }

    /// What the pods' controllers want; pods without one count themselves.
    private func expected(_ pods: [KubeObject]) -> Int {
        var counted: Set<String> = []
        var total = 0
        for pod in pods {
            guard let owner = pod.controllerReference else {
                if !PodFacts(pod).isFinished { total += 1 }
                continue
            }
            guard counted.insert(owner.uid).inserted else { continue }
            let key = ObjectKey(namespace: pod.namespace, name: owner.name)
            let object: KubeObject? =
                switch owner.kind {
                case "ReplicaSet": context.informers.replicaSets.get(key)
                case "StatefulSet": context.informers.statefulSets.get(key)
                default: nil
                }
            total += object?.wantedReplicas ?? pods.count { $0.controllerReference?.uid == owner.uid }
        }
        return total
    }
}
