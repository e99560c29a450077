internal import KubeCore

/// The next step of a StatefulSet, decided from it and its pods.
struct StatefulSetPlan: Sendable, Equatable {
    static let podNameLabel = "statefulset.kubernetes.io/pod-name"
    static let indexLabel = "apps.kubernetes.io/pod-index"

    /// Ordinals to create with the revision each one gets.
    struct Creation: Sendable, Equatable {
        var ordinal: Int
        /// The present template; false means the one before.
        var isUpdated: Bool
    }

    var create: [Creation] = []
    var delete: [KubeObject] = []
    var replicas = 0
    var ready = 0
    var available = 0
    var current = 0
    var updated = 0

    /// - `pods`: managed pods, in any state.
    /// - `currentHash`: of the template before the present rollout; equals `updateHash` when there is none.
    init(statefulSet: KubeObject, pods: [KubeObject], currentHash: String, updateHash: String, now: Double) {
        guard !statefulSet.isTerminating else { return }
        let spec = Spec(statefulSet)
        var byOrdinal: [Int: KubeObject] = [:]
        var condemned: [(Int, KubeObject)] = []
        for pod in pods {
            guard let ordinal = Self.ordinal(of: pod, in: statefulSet) else { continue }
            count(pod, currentHash, updateHash, spec, now)
            if spec.ordinals.contains(ordinal) {
                byOrdinal[ordinal] = pod
            } else {
                condemned.append((ordinal, pod))
            }
        }
        condemned.sort { $0.0 > $1.0 }
        func isAvailable(_ pod: KubeObject) -> Bool {
            !pod.isTerminating && PodFacts(pod).isAvailable(minReadySeconds: spec.minReadySeconds, now: now)
        }
        for ordinal in spec.ordinals {
            guard let pod = byOrdinal[ordinal] else {
                create.append(Creation(ordinal: ordinal, isUpdated: ordinal >= spec.partitionStart))
                if spec.isOrdered { return }
                continue
            }
            if PodFacts(pod).isFinished, !pod.isTerminating {
                // A finished pod is replaced under its own name.
                delete.append(pod)
                if spec.isOrdered { return }
                continue
            }
            if spec.isOrdered, !isAvailable(pod) {
                stopAtUnhealthy(pod, updateHash, spec, ordinal)
                return
            }
        }
        if !condemned.isEmpty {
            // From the highest down, the next one only when everything else is well.
            if !spec.isOrdered {
                delete += condemned.map(\.1).filter { !$0.isTerminating }
            } else if let (_, pod) = condemned.first, !pod.isTerminating {
                delete.append(pod)
            }
            if spec.isOrdered { return }
        }
        guard spec.isRolling, create.isEmpty, delete.isEmpty else { return }
        roll(byOrdinal, updateHash, spec, isAvailable: isAvailable)
    }

    private struct Spec {
        var ordinals: Range<Int>
        var isOrdered: Bool
        var isRolling: Bool
        var partitionStart: Int
        var maxUnavailable: Int
        var minReadySeconds: Int

        init(_ statefulSet: KubeObject) {
            let start = statefulSet["spec", "ordinals", "start"]?.intValue ?? 0
            let count = max(statefulSet.wantedReplicas, 0)
            ordinals = start..<(start + count)
            isOrdered = statefulSet["spec", "podManagementPolicy"]?.stringValue != "Parallel"
            isRolling = statefulSet["spec", "updateStrategy", "type"]?.stringValue != "OnDelete"
            let rolling = statefulSet["spec", "updateStrategy", "rollingUpdate"]
            partitionStart = start + (rolling?["partition"]?.intValue ?? 0)
            maxUnavailable = max(
                1,
                IntOrPercent.resolve(rolling?["maxUnavailable"] ?? 1, of: count, roundingUp: true) ?? 1
            )
            minReadySeconds = statefulSet["spec", "minReadySeconds"]?.intValue ?? 0
        }
    }

    /// A pod that never becomes well under an old template would hold a rollout up for ever.
    private mutating func stopAtUnhealthy(_ pod: KubeObject, _ updateHash: String, _ spec: Spec, _ ordinal: Int) {
        let isOutdated = pod.labels[DaemonSetPlan.hashLabel] != updateHash
        if spec.isRolling, isOutdated, ordinal >= spec.partitionStart, !pod.isTerminating, !PodFacts(pod).isReady {
            delete.append(pod)
        }
    }

    private mutating func roll(
        _ byOrdinal: [Int: KubeObject],
        _ updateHash: String,
        _ spec: Spec,
        isAvailable: (KubeObject) -> Bool
    ) {
        var unavailable = byOrdinal.values.count { !isAvailable($0) }
        for ordinal in spec.ordinals.reversed() where ordinal >= spec.partitionStart {
            guard let pod = byOrdinal[ordinal] else { return }
            if pod.labels[DaemonSetPlan.hashLabel] == updateHash {
                // The one above must be well before the next goes.
                if !isAvailable(pod), unavailable >= spec.maxUnavailable { return }
                continue
            }
            guard !pod.isTerminating else { return }
            if isAvailable(pod) {
                guard unavailable < spec.maxUnavailable else { return }
                unavailable += 1
            }
            delete.append(pod)
            if unavailable >= spec.maxUnavailable { return }
        }
    }

    private mutating func count(
        _ pod: KubeObject,
        _ currentHash: String,
        _ updateHash: String,
        _ spec: Spec,
        _ now: Double
    ) {
        guard !PodFacts(pod).isFinished else { return }
        replicas += 1
        let facts = PodFacts(pod)
        if facts.isReady { ready += 1 }
        if facts.isAvailable(minReadySeconds: spec.minReadySeconds, now: now) { available += 1 }
        guard !pod.isTerminating else { return }
        let hash = pod.labels[DaemonSetPlan.hashLabel]
        if hash == currentHash { current += 1 }
        if hash == updateHash { updated += 1 }
    }

    static func ordinal(of pod: KubeObject, in statefulSet: KubeObject) -> Int? {
        let prefix = statefulSet.name + "-"
        guard pod.name.hasPrefix(prefix) else { return nil }
        return Int(pod.name.dropFirst(prefix.count))
    }

    // MARK: objects

    /// - `template`: of the revision that the pod gets.
    static func pod(_ statefulSet: KubeObject, ordinal: Int, template: JSON?, hash: String) -> KubeObject {
        let name = "\(statefulSet.name)-\(ordinal)"
        var pod = PodTemplate.pod(
            from: template,
            owner: statefulSet,
            name: name,
            labels: [podNameLabel: name, indexLabel: String(ordinal), DaemonSetPlan.hashLabel: hash]
        )
        if (pod["spec", "hostname"]?.stringValue ?? "").isEmpty { pod["spec", "hostname"] = .string(name) }
        if let service = statefulSet["spec", "serviceName"]?.stringValue, !service.isEmpty {
            pod["spec", "subdomain"] = .string(service)
        }
        let claimed = Set(claimTemplates(statefulSet).map(\.name))
        var volumes = (pod["spec", "volumes"]?.arrayValue ?? []).filter {
            !claimed.contains($0["name"]?.stringValue ?? "")
        }
        for claim in claims(statefulSet, ordinal: ordinal) {
            volumes.append([
                "name": .string(claim.volume),
                "persistentVolumeClaim": ["claimName": .string(claim.object.name)],
            ])
        }
        if !volumes.isEmpty { pod["spec", "volumes"] = .array(volumes) }
        return pod
    }

    private static func claimTemplates(_ statefulSet: KubeObject) -> [KubeObject] {
        (statefulSet["spec", "volumeClaimTemplates"]?.arrayValue ?? []).map { KubeObject($0) }
    }

    /// Claims outlive their pods: they have no owner unless the retention policy says so.
    static func claims(_ statefulSet: KubeObject, ordinal: Int) -> [(volume: String, object: KubeObject)] {
        claimTemplates(statefulSet).map { template in
            var labels = statefulSet["spec", "selector", "matchLabels"]?.stringMap ?? [:]
            labels.merge(template.labels) { _, new in new }
            var claim = KubeObject(
                .persistentVolumeClaims,
                namespace: statefulSet.namespace,
                name: "\(template.name)-\(statefulSet.name)-\(ordinal)",
                labels: labels,
                annotations: template.annotations,
                body: ["spec": template["spec"] ?? .object([:])]
            )
            let retention = statefulSet["spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted"]
            if retention?.stringValue == "Delete" {
                var reference = statefulSet.controllerReference(blockOwnerDeletion: false)
                reference.isController = false
                claim.ownerReferences = [reference]
            }
            return (template.name, claim)
        }
    }

    func status(of statefulSet: KubeObject, currentRevision: String, updateRevision: String) -> JSON {
        var status = statefulSet["status"]?.objectValue ?? [:]
        status["observedGeneration"] = JSON(statefulSet.generation)
        status["replicas"] = JSON(replicas)
        status["readyReplicas"] = ReplicaSetPlan.nonZero(ready)
        status["availableReplicas"] = JSON(available)
        status["updatedReplicas"] = ReplicaSetPlan.nonZero(updated)
        status["updateRevision"] = .string(updateRevision)
        let isDone =
            updated == statefulSet.wantedReplicas && replicas == updated && ready == replicas
            && create.isEmpty && delete.isEmpty
        status["currentRevision"] = .string(isDone ? updateRevision : currentRevision)
        status["currentReplicas"] = ReplicaSetPlan.nonZero(isDone ? updated : current)
        if status["collisionCount"] == nil { status["collisionCount"] = 0 }
        return .object(status)
    }
}
