internal import KubeCore

/// Names that Deployments and their ReplicaSets carry.
enum DeploymentNames {
    static let hashLabel = "pod-template-hash"
    static let revision = "deployment.kubernetes.io/revision"
    static let revisionHistory = "deployment.kubernetes.io/revision-history"
    static let desiredReplicas = "deployment.kubernetes.io/desired-replicas"
    static let maxReplicas = "deployment.kubernetes.io/max-replicas"
    static let lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

    /// Annotations of a ReplicaSet that are its own and not copied from the Deployment.
    static let own: Set<String> = [revision, revisionHistory, desiredReplicas, maxReplicas, lastApplied]
}

/// What the Deployment controller asks of a Deployment.
struct DeploymentFacts: Sendable {
    let deployment: KubeObject

    init(_ deployment: KubeObject) { self.deployment = deployment }

    var replicas: Int { deployment["spec", "replicas"]?.intValue ?? 1 }
    var isPaused: Bool { deployment["spec", "paused"]?.boolValue ?? false }
    var isRecreate: Bool { deployment["spec", "strategy", "type"]?.stringValue == "Recreate" }
    var historyLimit: Int { deployment["spec", "revisionHistoryLimit"]?.intValue ?? 10 }
    var minReadySeconds: Int { deployment["spec", "minReadySeconds"]?.intValue ?? 0 }

    /// nil when there is no deadline.
    var progressDeadline: Int? {
        let seconds = deployment["spec", "progressDeadlineSeconds"]?.intValue ?? 600
        return seconds >= Int(Int32.max) ? nil : seconds
    }

    /// (surge, unavailable) as numbers; never both zero, or a rollout could not move.
    var limits: (surge: Int, unavailable: Int) {
        if isRecreate { return (0, 0) }
        let rolling = deployment["spec", "strategy", "rollingUpdate"]
        let surge = IntOrPercent.resolve(rolling?["maxSurge"] ?? "25%", of: replicas, roundingUp: true) ?? 1
        let unavailable =
            IntOrPercent.resolve(rolling?["maxUnavailable"] ?? "25%", of: replicas, roundingUp: false) ?? 0
        return surge == 0 && unavailable == 0 ? (0, 1) : (surge, unavailable)
    }

    var maxSurge: Int { limits.surge }
    var maxUnavailable: Int { min(limits.unavailable, replicas) }

    var template: JSON {
        PodTemplate.withoutHash(deployment["spec", "template"], label: DeploymentNames.hashLabel)
    }

    /// True when `replicaSet` has this Deployment's present template.
    func isCurrent(_ replicaSet: KubeObject) -> Bool {
        PodTemplate.withoutHash(replicaSet["spec", "template"], label: DeploymentNames.hashLabel) == template
    }
}

extension KubeObject {
    /// `spec.replicas`, 1 when unset.
    var wantedReplicas: Int { self["spec", "replicas"]?.intValue ?? 1 }
    func statusCount(_ field: String) -> Int { self["status", field]?.intValue ?? 0 }
    var revision: Int { annotations[DeploymentNames.revision].flatMap { Int($0) } ?? 0 }
}

/// A Deployment's ReplicaSets, sorted into the one of the present template and the others.
struct ReplicaSetGeneration: Sendable {
    var current: KubeObject?
    /// Oldest first.
    var old: [KubeObject]

    init(of facts: DeploymentFacts, among replicaSets: [KubeObject]) {
        let sorted = replicaSets.sorted {
            ($0.creationTimestamp ?? "", $0.name) < ($1.creationTimestamp ?? "", $1.name)
        }
        // With several of one template (made by hand) the oldest counts, so that the choice never changes.
        let present = sorted.first(where: facts.isCurrent)
        current = present
        old = sorted.filter { $0.uid != present?.uid }
    }

    var all: [KubeObject] { old + (current.map { [$0] } ?? []) }
    var oldReplicas: Int { old.reduce(0) { $0 + $1.wantedReplicas } }
    var totalReplicas: Int { all.reduce(0) { $0 + $1.wantedReplicas } }
    var available: Int { all.reduce(0) { $0 + $1.statusCount("availableReplicas") } }
}
