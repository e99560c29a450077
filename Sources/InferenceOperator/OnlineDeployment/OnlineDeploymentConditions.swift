package import KubeCore
package import MLTypes

/// Decides the status of an `OnlineDeployment` from its Deployment and pods.
///
/// Pure.
package struct OnlineDeploymentConditions: Sendable {
    package var object: KubeObject
    package var spec: OnlineDeploymentSpec
    /// nil until it has been created.
    package var deployment: KubeObject?
    package var pods: [KubeObject]
    package var contentHash: String
    /// Seconds since 1970.
    package var now: Double

    package init(
        object: KubeObject,
        spec: OnlineDeploymentSpec,
        deployment: KubeObject?,
        pods: [KubeObject],
        contentHash: String,
        now: Double
    ) {
        self.object = object
        self.spec = spec
        self.deployment = deployment
        self.pods = pods.sorted { $0.name < $1.name }
        self.contentHash = contentHash
        self.now = now
    }

    /// The new status, and what is wrong when something is.
    struct Decision: Sendable, Hashable {
        var status: OnlineDeploymentStatus
        var diagnosis: PodDiagnosis?
        var pod: ObjectKey?
        /// Time alone may change the decision.
        var needsRecheck: Bool
    }

    /// The new status.
    package func status(present: OnlineDeploymentStatus?) -> OnlineDeploymentStatus { decide(present: present).status }

    func decide(present: OnlineDeploymentStatus?) -> Decision {
        var decision = judge(present: present)
        decision.status.observedGeneration = object.generation
        decision.status.replicas = deployment?["status", "replicas"]?.intValue ?? 0
        decision.status.readyReplicas = deployment?["status", "readyReplicas"]?.intValue ?? 0
        let notes = MLLabels.imageNotes(pods)
        decision.status.notes = notes.isEmpty ? nil : notes
        return decision
    }

    private func judge(present: OnlineDeploymentStatus?) -> Decision {
        let wasDone = present?.provisioningState == "Succeeded" && present?.observedGeneration == object.generation
        if isComplete {
            return Decision(status: OnlineDeploymentStatus(provisioningState: "Succeeded"), needsRecheck: false)
        }
        let found = diagnosis
        if wasDone {
            // It has been delivered once; what happens to its instances later is news about them, not about the delivery.
            let text = found?.1.message ?? "not all instances are ready"
            return Decision(
                status: OnlineDeploymentStatus(
                    provisioningState: "Succeeded",
                    reason: found?.1.reason,
                    message: text,
                    logTail: found?.1.logTail
                ),
                diagnosis: found?.1,
                pod: found?.0,
                needsRecheck: false
            )
        }
        if let (pod, found) = found, found.isFinal {
            return Decision(
                status: OnlineDeploymentStatus(
                    provisioningState: "Failed",
                    reason: found.reason,
                    message: found.message,
                    logTail: found.logTail
                ),
                diagnosis: found,
                pod: pod,
                needsRecheck: false
            )
        }
        if let message = expired {
            return Decision(
                status: OnlineDeploymentStatus(
                    provisioningState: "Failed",
                    reason: InferenceReason.resourceNotReady,
                    message: message
                ),
                needsRecheck: false
            )
        }
        let isFirst = present?.provisioningState != "Updating" && !hasServed
        return Decision(
            status: OnlineDeploymentStatus(
                provisioningState: isFirst ? "Creating" : "Updating",
                reason: found?.1.reason,
                message: found?.1.message ?? progress
            ),
            diagnosis: found?.1,
            pod: found?.0,
            needsRecheck: found != nil
        )
    }

    /// All wanted instances are of this content and ready, and nothing older is left.
    private var isComplete: Bool {
        guard let deployment, deployment.observedGeneration >= deployment.generation,
            deployment["spec", "template", "metadata", "labels"]?[OnlineDeploymentPlan.hashKey]?.stringValue
                == contentHash
        else { return false }
        let wanted = deployment["spec", "replicas"]?.intValue ?? 1
        func count(_ name: String) -> Int { deployment["status", name]?.intValue ?? 0 }
        return count("updatedReplicas") >= wanted && count("availableReplicas") >= wanted
            && count("readyReplicas") >= wanted && count("replicas") <= wanted
    }

    /// An older content is or was being served.
    private var hasServed: Bool {
        pods.contains { $0.labels[OnlineDeploymentPlan.hashKey] != contentHash }
    }

    /// The gravest finding among the pods of this content.
    private var diagnosis: (ObjectKey, PodDiagnosis)? {
        var first: (ObjectKey, PodDiagnosis)?
        for pod in pods where pod.labels[OnlineDeploymentPlan.hashKey] == contentHash && !pod.isTerminating {
            guard let found = PodDiagnosis.of(pod, script: spec.code?.scoringScript, now: now) else { continue }
            if found.isFinal { return (pod.key, found) }
            if first == nil { first = (pod.key, found) }
        }
        return first
    }

    /// Why the Deployment gave up, when it did.
    private var expired: String? {
        guard let deployment, deployment.observedGeneration >= deployment.generation,
            let condition = deployment.condition("Progressing"),
            condition["status"]?.stringValue == "False", condition["reason"]?.stringValue == "ProgressDeadlineExceeded"
        else { return nil }
        let route = spec.inferenceConfig?.readinessRoute
        return "the instances run but do not become ready: GET \(route?.path ?? "/") on port "
            + "\(route?.port ?? ScoringContainer.defaultPort) does not answer 200; look at the logs, or correct the readiness route"
    }

    /// What is going on, in one sentence.
    private var progress: String {
        guard deployment != nil else { return "creating its instances" }
        let current = pods.filter { $0.labels[OnlineDeploymentPlan.hashKey] == contentHash && !$0.isTerminating }
        guard let pod = current.first(where: { !PodFacts($0).isReady }) else {
            return current.isEmpty ? "waiting for its pods" : "replacing the instances of the previous version"
        }
        for status in pod["status", "initContainerStatuses"]?.arrayValue ?? [] where status["state"]?["running"] != nil
        {
            switch status["name"]?.stringValue {
            case "environment-prepare": return "installing the environment's packages on pod \(pod.name)"
            case "storage-initializer": return "fetching code and model on pod \(pod.name)"
            default: return "preparing pod \(pod.name)"
            }
        }
        let isRunning = (pod["status", "containerStatuses"]?.arrayValue ?? []).contains {
            $0["state"]?["running"] != nil
        }
        return isRunning ? "loading the model on pod \(pod.name)" : "starting pod \(pod.name)"
    }
}
