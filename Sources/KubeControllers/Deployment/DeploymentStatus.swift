internal import KubeCore

/// `status` of a Deployment, decided from its ReplicaSets and what it said before.
struct DeploymentStatus: Sendable, Equatable {
    /// What the last step did, for the Progressing condition.
    enum Step: Sendable, Equatable {
        case none
        case created(String)
        case found(String)
        case failed(reason: String, message: String)
    }

    var status: JSON
    /// Seconds until the progress deadline; nil when nothing is pending.
    var secondsToDeadline: Double?

    init(deployment: KubeObject, replicaSets: [KubeObject], step: Step, collisionCount: Int?, now: Double) {
        let facts = DeploymentFacts(deployment)
        let generation = ReplicaSetGeneration(of: facts, among: replicaSets)
        func total(_ field: String) -> Int { generation.all.reduce(0) { $0 + $1.statusCount(field) } }
        let replicas = total("replicas")
        let available = total("availableReplicas")
        let updated = generation.current?.statusCount("replicas") ?? 0
        var members = deployment["status"]?.objectValue ?? [:]
        members["observedGeneration"] = JSON(deployment.generation)
        members["replicas"] = ReplicaSetPlan.nonZero(replicas)
        members["updatedReplicas"] = ReplicaSetPlan.nonZero(updated)
        members["readyReplicas"] = ReplicaSetPlan.nonZero(total("readyReplicas"))
        members["availableReplicas"] = ReplicaSetPlan.nonZero(available)
        members["unavailableReplicas"] = ReplicaSetPlan.nonZero(
            max(0, generation.totalReplicas - available)
        )
        if let collisionCount { members["collisionCount"] = JSON(collisionCount) }
        var conditions = ConditionList(deployment["status", "conditions"])
        let timestamp = Timestamp.text(seconds: now)
        Self.setAvailable(&conditions, facts: facts, available: available, timestamp: timestamp)
        Self.setFailure(&conditions, generation: generation, step: step, timestamp: timestamp)
        let isComplete =
            updated == facts.replicas && replicas == facts.replicas && available >= facts.replicas
            && generation.current != nil
        var progress = ProgressCondition(
            facts: facts,
            old: deployment,
            members: members,
            current: generation.current,
            isComplete: isComplete,
            now: now
        )
        progress.apply(step, to: &conditions)
        secondsToDeadline = progress.secondsToDeadline(conditions)
        members["conditions"] = conditions.json
        status = .object(members)
    }

    private static func setAvailable(
        _ conditions: inout ConditionList,
        facts: DeploymentFacts,
        available: Int,
        timestamp: String
    ) {
        let isAvailable = available >= facts.replicas - facts.maxUnavailable
        let old = conditions["Available"]
        let hasChanged = old?["status"]?.stringValue != (isAvailable ? "True" : "False")
        let updateTime = hasChanged ? .string(timestamp) : old?["lastUpdateTime"] ?? .string(timestamp)
        conditions.set(
            "Available",
            isAvailable ? "True" : "False",
            reason: isAvailable ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
            message: isAvailable
                ? "Deployment has minimum availability." : "Deployment does not have minimum availability.",
            now: timestamp,
            extra: ["lastUpdateTime": updateTime]
        )
    }

    private static func setFailure(
        _ conditions: inout ConditionList,
        generation: ReplicaSetGeneration,
        step: Step,
        timestamp: String
    ) {
        if case .failed(let reason, let message) = step {
            conditions.set(
                "ReplicaFailure",
                "True",
                reason: reason,
                message: message,
                now: timestamp,
                extra: ["lastUpdateTime": .string(timestamp)]
            )
            return
        }
        let failure = (generation.current.map { [$0] } ?? generation.old).compactMap { $0.condition("ReplicaFailure") }
            .first
        guard let failure else { return conditions.remove("ReplicaFailure") }
        let old = conditions["ReplicaFailure"]
        let message = failure["message"]?.stringValue ?? ""
        let isSame = old?["message"]?.stringValue == message
        conditions.set(
            "ReplicaFailure",
            failure["status"]?.stringValue ?? "True",
            reason: failure["reason"]?.stringValue ?? "FailedCreate",
            message: message,
            now: timestamp,
            extra: ["lastUpdateTime": isSame ? old?["lastUpdateTime"] ?? .string(timestamp) : .string(timestamp)]
        )
    }
}

/// The Progressing condition.
private struct ProgressCondition {
    let facts: DeploymentFacts
    let old: KubeObject
    let members: [String: JSON]
    let current: KubeObject?
    let isComplete: Bool
    let now: Double

    private var timestamp: String { Timestamp.text(seconds: now) }
    private var subject: String { current.map { "ReplicaSet \"\($0.name)\"" } ?? "Deployment \"\(old.name)\"" }

    mutating func apply(_ step: DeploymentStatus.Step, to conditions: inout ConditionList) {
        guard facts.progressDeadline != nil else {
            conditions.remove("Progressing")
            return
        }
        let present = conditions["Progressing"]
        let reason = present?["reason"]?.stringValue ?? ""
        switch step {
        case .created(let name):
            return set(&conditions, "NewReplicaSetCreated", "Created new replica set \"\(name)\"", touch: true)
        case .found(let name):
            return set(&conditions, "FoundNewReplicaSet", "Found new replica set \"\(name)\"", touch: true)
        case .none, .failed: break
        }
        if facts.isPaused {
            if reason != "DeploymentPaused" {
                set(&conditions, "DeploymentPaused", "Deployment is paused", status: "Unknown", touch: true)
            }
            return
        }
        if reason == "DeploymentPaused" {
            return set(&conditions, "DeploymentResumed", "Deployment is resumed", status: "Unknown", touch: true)
        }
        if isComplete {
            if reason != "NewReplicaSetAvailable" {
                set(&conditions, "NewReplicaSetAvailable", "\(subject) has successfully progressed.", touch: true)
            }
            return
        }
        if hasMoved {
            return set(&conditions, "ReplicaSetUpdated", "\(subject) is progressing.", touch: true)
        }
        if let rest = secondsToDeadline(conditions), rest <= 0, reason != "ProgressDeadlineExceeded" {
            set(
                &conditions,
                "ProgressDeadlineExceeded",
                "\(subject) has timed out progressing.",
                status: "False",
                touch: true
            )
        }
    }

    /// More new pods, fewer old ones, or more of them ready than before.
    private var hasMoved: Bool {
        func count(_ field: String) -> Int { members[field]?.intValue ?? 0 }
        let oldUpdated = old.statusCount("updatedReplicas")
        return count("updatedReplicas") > oldUpdated
            || count("replicas") - count("updatedReplicas") < old.statusCount("replicas") - oldUpdated
            || count("readyReplicas") > old.statusCount("readyReplicas")
            || count("availableReplicas") > old.statusCount("availableReplicas")
    }

    /// Time left; nil when complete, paused, without deadline or exceeded already.
    func secondsToDeadline(_ conditions: ConditionList) -> Double? {
        guard let deadline = facts.progressDeadline, !facts.isPaused, !isComplete,
            let present = conditions["Progressing"],
            present["reason"]?.stringValue != "ProgressDeadlineExceeded",
            let since = present["lastUpdateTime"]?.stringValue.flatMap({ Timestamp.seconds($0) })
        else { return nil }
        return since + Double(deadline) - now
    }

    private func set(
        _ conditions: inout ConditionList,
        _ reason: String,
        _ message: String,
        status: String = "True",
        touch: Bool
    ) {
        conditions.set(
            "Progressing",
            status,
            reason: reason,
            message: message,
            now: timestamp,
            extra: touch ? ["lastUpdateTime": .string(timestamp)] : [:]
        )
    }
}
