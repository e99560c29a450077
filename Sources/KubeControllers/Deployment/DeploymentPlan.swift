internal import KubeCore

/// The next step of a Deployment.
///
/// Each step is small; the events it causes bring the next one.
///
/// Source: the behaviour described in the Kubernetes documentation of Deployments and seen on kube-controller-manager.
struct DeploymentPlan: Sendable, Equatable {
    struct Scaling: Sendable, Equatable {
        var replicaSet: KubeObject
        var from: Int
        var to: Int
    }

    /// The ReplicaSet of a new template.
    var create: KubeObject?
    /// ReplicaSets to write back: new sizes, annotations.
    var update: [KubeObject] = []
    var scalings: [Scaling] = []
    var delete: [KubeObject] = []
    /// The revision annotation that the Deployment should carry.
    var revision: Int?
    /// The ReplicaSet of the present template was there before and is taken up again.
    var foundExisting = false

    /// - `replicaSets`: those the Deployment manages.
    /// - `hasOldPods`: a pod of an old ReplicaSet still runs (only asked with the Recreate strategy).
    init(deployment: KubeObject, replicaSets: [KubeObject], hasOldPods: Bool) {
        let facts = DeploymentFacts(deployment)
        let generation = ReplicaSetGeneration(of: facts, among: replicaSets)
        guard !deployment.isTerminating else { return }
        if facts.isPaused {
            adoptCurrent(facts, generation)
            proportional(facts, generation)
            return
        }
        let isScaling = generation.all.contains { replicaSet in
            guard replicaSet.wantedReplicas > 0 else { return false }
            let desired = replicaSet.annotations[DeploymentNames.desiredReplicas].flatMap { Int($0) }
            return desired != nil && desired != facts.replicas
        }
        adoptCurrent(facts, generation)
        if isScaling {
            proportional(facts, generation)
        } else if facts.isRecreate {
            recreate(facts, generation, hasOldPods: hasOldPods)
        } else {
            roll(facts, generation)
        }
        if let current = generation.current, Self.isComplete(facts, current, generation) {
            cleanUp(facts, generation)
        }
    }

    static func isComplete(_ facts: DeploymentFacts, _ current: KubeObject, _ generation: ReplicaSetGeneration) -> Bool
    {
        current.statusCount("replicas") == facts.replicas && current.statusCount("availableReplicas") >= facts.replicas
            && generation.old.allSatisfy { $0.wantedReplicas == 0 && $0.statusCount("replicas") == 0 }
    }

    /// Brings revision and copied annotations of the present ReplicaSet up to date.
    private mutating func adoptCurrent(_ facts: DeploymentFacts, _ generation: ReplicaSetGeneration) {
        guard var current = generation.current else { return }
        let newest = generation.old.map(\.revision).max() ?? 0
        let wanted = max(newest + 1, current.revision)
        let copied = Self.copiedAnnotations(facts.deployment)
        var annotations = current.annotations
        if annotations[DeploymentNames.revision] != String(wanted) {
            if let old = annotations[DeploymentNames.revision], !old.isEmpty, old != "0" {
                let history = annotations[DeploymentNames.revisionHistory].map { $0 + "," } ?? ""
                annotations[DeploymentNames.revisionHistory] = history + old
                foundExisting = true
            }
            annotations[DeploymentNames.revision] = String(wanted)
        }
        for key in annotations.keys where !DeploymentNames.own.contains(key) && copied[key] == nil {
            annotations[key] = nil
        }
        annotations.merge(copied) { _, new in new }
        revision = wanted
        let minReady = facts.deployment["spec", "minReadySeconds"]
        guard annotations != current.annotations || current["spec", "minReadySeconds"] != minReady else { return }
        current.annotations = annotations
        current["spec", "minReadySeconds"] = minReady
        put(current)
    }

    private static func copiedAnnotations(_ deployment: KubeObject) -> [String: String] {
        deployment.annotations.filter { !DeploymentNames.own.contains($0.key) }
    }

    /// Rolling update: first as many new pods as the surge allows, then as few old ones as stay available.
    private mutating func roll(_ facts: DeploymentFacts, _ generation: ReplicaSetGeneration) {
        guard let current = generation.current else {
            let room = facts.replicas + facts.maxSurge - generation.totalReplicas
            makeNew(facts, generation, replicas: max(0, min(facts.replicas, room)))
            return
        }
        if current.wantedReplicas > facts.replicas {
            scale(current, to: facts.replicas, facts)
            return
        }
        if current.wantedReplicas < facts.replicas {
            let room = facts.replicas + facts.maxSurge - generation.totalReplicas
            if room > 0 {
                scale(current, to: min(facts.replicas, current.wantedReplicas + room), facts)
                return
            }
        }
        scaleDownOld(facts, generation, current)
        refreshAnnotations(facts, generation)
    }

    private mutating func scaleDownOld(
        _ facts: DeploymentFacts,
        _ generation: ReplicaSetGeneration,
        _ current: KubeObject
    ) {
        let oldOnes = generation.old.filter { $0.wantedReplicas > 0 }
        guard !oldOnes.isEmpty else { return }
        let minAvailable = facts.replicas - facts.maxUnavailable
        let newUnavailable = current.wantedReplicas - current.statusCount("availableReplicas")
        let maxScaledDown = generation.totalReplicas - minAvailable - newUnavailable
        guard maxScaledDown > 0 else { return }
        // Pods that never became available go first: they serve nobody.
        var budget = maxScaledDown
        var sizes: [String: Int] = [:]
        for replicaSet in oldOnes where budget > 0 {
            let unhealthy = replicaSet.wantedReplicas - replicaSet.statusCount("availableReplicas")
            guard unhealthy > 0 else { continue }
            let cut = min(budget, unhealthy)
            budget -= cut
            sizes[replicaSet.uid] = replicaSet.wantedReplicas - cut
        }
        var spare = generation.available - minAvailable
        for replicaSet in oldOnes where spare > 0 {
            let size = sizes[replicaSet.uid] ?? replicaSet.wantedReplicas
            let cut = min(spare, size)
            guard cut > 0 else { continue }
            spare -= cut
            sizes[replicaSet.uid] = size - cut
        }
        for replicaSet in oldOnes {
            if let size = sizes[replicaSet.uid], size != replicaSet.wantedReplicas {
                scale(replicaSet, to: size, facts)
            }
        }
    }

    private mutating func recreate(_ facts: DeploymentFacts, _ generation: ReplicaSetGeneration, hasOldPods: Bool) {
        let running = generation.old.filter { $0.wantedReplicas > 0 }
        for replicaSet in running { scale(replicaSet, to: 0, facts) }
        guard running.isEmpty, !hasOldPods else { return }
        guard let current = generation.current else {
            makeNew(facts, generation, replicas: facts.replicas)
            return
        }
        if current.wantedReplicas != facts.replicas { scale(current, to: facts.replicas, facts) }
        refreshAnnotations(facts, generation)
    }

    /// A change of `spec.replicas` in the middle of a rollout is spread over all ReplicaSets by their size.
    private mutating func proportional(_ facts: DeploymentFacts, _ generation: ReplicaSetGeneration) {
        let active = generation.all.filter { $0.wantedReplicas > 0 }
        if active.count <= 1 {
            if let only = active.first ?? generation.current ?? generation.old.last {
                if only.wantedReplicas != facts.replicas { scale(only, to: facts.replicas, facts) }
                refreshAnnotations(facts, generation)
            }
            return
        }
        if let current = generation.current, current.wantedReplicas == facts.replicas,
            current.statusCount("availableReplicas") == facts.replicas
        {
            for old in generation.old where old.wantedReplicas > 0 { scale(old, to: 0, facts) }
            refreshAnnotations(facts, generation)
            return
        }
        guard !facts.isRecreate else { return }
        let allowed = facts.replicas > 0 ? facts.replicas + facts.maxSurge : 0
        spread(allowed - generation.totalReplicas, over: active, facts)
        refreshAnnotations(facts, generation)
    }

    private mutating func spread(_ total: Int, over active: [KubeObject], _ facts: DeploymentFacts) {
        // Largest first when growing, and among equals newest first; the reverse age when shrinking.
        let sorted = active.sorted { left, right in
            if left.wantedReplicas != right.wantedReplicas { return left.wantedReplicas > right.wantedReplicas }
            let isOlder = (left.creationTimestamp ?? "") < (right.creationTimestamp ?? "")
            return total > 0 ? !isOlder : isOlder
        }
        var added = 0
        var sizes: [String: Int] = [:]
        for replicaSet in sorted where total != 0 {
            let share = Self.share(of: replicaSet, total: total, added: added, facts)
            sizes[replicaSet.uid] = replicaSet.wantedReplicas + share
            added += share
        }
        for (index, replicaSet) in sorted.enumerated() {
            var size = sizes[replicaSet.uid] ?? replicaSet.wantedReplicas
            if index == 0, total != 0 { size = max(0, size + total - added) }
            if size != replicaSet.wantedReplicas { scale(replicaSet, to: size, facts) }
        }
    }

    private static func share(of replicaSet: KubeObject, total: Int, added: Int, _ facts: DeploymentFacts) -> Int {
        guard replicaSet.wantedReplicas > 0, total != added else { return 0 }
        let base = replicaSet.annotations[DeploymentNames.maxReplicas].flatMap { Int($0) } ?? facts.replicas
        guard base > 0 else { return 0 }
        let newSize = Double(replicaSet.wantedReplicas) * Double(facts.replicas + facts.maxSurge) / Double(base)
        let share = Int(newSize.rounded()) - replicaSet.wantedReplicas
        let left = total - added
        return total > 0 ? min(max(share, 0), left) : max(min(share, 0), left)
    }

    private mutating func cleanUp(_ facts: DeploymentFacts, _ generation: ReplicaSetGeneration) {
        let removable = generation.old.filter {
            $0.wantedReplicas == 0 && $0.statusCount("replicas") == 0 && $0.observedGeneration >= $0.generation
                && !$0.isTerminating
        }
        let surplus = generation.old.count - facts.historyLimit
        guard surplus > 0 else { return }
        delete = Array(removable.sorted { $0.revision < $1.revision }.prefix(surplus))
    }
}

extension DeploymentPlan {
    private mutating func makeNew(_ facts: DeploymentFacts, _ generation: ReplicaSetGeneration, replicas: Int) {
        let collisions = facts.deployment["status", "collisionCount"]?.intValue ?? 0
        let hash = PodTemplate.hash(facts.template, collisions: collisions)
        var template = facts.template
        template[path: "metadata", "labels", DeploymentNames.hashLabel] = .string(hash)
        var selector = facts.deployment["spec", "selector"] ?? .object([:])
        selector[path: "matchLabels", DeploymentNames.hashLabel] = .string(hash)
        let nextRevision = (generation.old.map(\.revision).max() ?? 0) + 1
        var annotations = Self.copiedAnnotations(facts.deployment)
        annotations[DeploymentNames.revision] = String(nextRevision)
        annotations.merge(Self.sizeAnnotations(facts)) { _, new in new }
        var spec: [String: JSON] = ["replicas": JSON(replicas), "selector": selector, "template": template]
        spec["minReadySeconds"] = facts.deployment["spec", "minReadySeconds"]
        var replicaSet = KubeObject(
            .replicaSets,
            namespace: facts.deployment.namespace,
            name: "\(facts.deployment.name)-\(hash)",
            labels: template["metadata"]?["labels"]?.stringMap ?? [:],
            annotations: annotations,
            body: ["spec": .object(spec)]
        )
        replicaSet.ownerReferences = [facts.deployment.controllerReference()]
        create = replicaSet
        revision = nextRevision
        scalings.append(Scaling(replicaSet: replicaSet, from: 0, to: replicas))
    }

    private static func sizeAnnotations(_ facts: DeploymentFacts) -> [String: String] {
        [
            DeploymentNames.desiredReplicas: String(facts.replicas),
            DeploymentNames.maxReplicas: String(facts.replicas + facts.maxSurge),
        ]
    }

    private mutating func scale(_ replicaSet: KubeObject, to size: Int, _ facts: DeploymentFacts) {
        var changed = update.first { $0.uid == replicaSet.uid } ?? replicaSet
        changed["spec", "replicas"] = JSON(size)
        changed.annotations = changed.annotations.merging(Self.sizeAnnotations(facts)) { _, new in new }
        put(changed)
        scalings.append(Scaling(replicaSet: replicaSet, from: replicaSet.wantedReplicas, to: size))
    }

    /// Sizes recorded on ReplicaSets that keep their number of pods; without it a later scaling would be seen again.
    private mutating func refreshAnnotations(_ facts: DeploymentFacts, _ generation: ReplicaSetGeneration) {
        for replicaSet in generation.all where replicaSet.wantedReplicas > 0 {
            var changed = update.first { $0.uid == replicaSet.uid } ?? replicaSet
            let annotations = changed.annotations.merging(Self.sizeAnnotations(facts)) { _, new in new }
            guard annotations != changed.annotations else { continue }
            changed.annotations = annotations
            put(changed)
        }
    }

    private mutating func put(_ replicaSet: KubeObject) {
        update.removeAll { $0.uid == replicaSet.uid }
        update.append(replicaSet)
    }
}
