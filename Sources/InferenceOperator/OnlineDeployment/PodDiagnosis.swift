internal import KubeCore

/// What keeps a model pod from serving.
///
/// Pure.
struct PodDiagnosis: Sendable, Hashable {
    var reason: String
    var message: String
    var logTail: String?
    /// Waiting any longer will not help.
    var isFinal: Bool
    /// The container whose log tells more, and whether its previous run is meant.
    var container: String?
    var isPrevious = false

    /// Seconds that a pod may be without a node before that counts as a failure: a node may be on its way.
    static let unschedulableGrace = 60.0
    /// Seconds for Secrets and ConfigMaps of a pod to appear.
    static let configurationGrace = 30.0

    /// The gravest fault of the pod, nil when there is none (yet); `now` is in seconds since 1970.
    static func of(_ pod: KubeObject, script: String?, now: Double) -> PodDiagnosis? {
        if let condition = pod.condition("PodScheduled"), condition["status"]?.stringValue == "False" {
            let since = condition["lastTransitionTime"]?.stringValue.flatMap { Timestamp.seconds($0) } ?? now
            let why = condition["message"]?.stringValue ?? "no node has room"
            return PodDiagnosis(
                reason: InferenceReason.unschedulable,
                message:
                    "pod \(pod.name) finds no node: \(why); free resources, add a node or use a smaller instance type",
                isFinal: now - since >= unschedulableGrace
            )
        }
        if let status = pod["status", "reason"]?.stringValue, status == "Evicted" {
            return PodDiagnosis(
                reason: InferenceReason.resourceNotReady,
                message: "pod \(pod.name) was evicted: \(pod["status", "message"]?.stringValue ?? "")",
                isFinal: false
            )
        }
        for status in pod["status", "initContainerStatuses"]?.arrayValue ?? [] {
            if let found = initContainer(status, pod) ?? waiting(status, pod, now: now) { return found }
        }
        for status in pod["status", "containerStatuses"]?.arrayValue ?? [] {
            if let found = ended(status, pod, script: script) ?? waiting(status, pod, now: now) { return found }
        }
        return nil
    }

    private static func initContainer(_ status: JSON, _ pod: KubeObject) -> PodDiagnosis? {
        let isCurrent = status["state"]?["terminated"] != nil
        guard let ended = status["state"]?["terminated"] ?? status["lastState"]?["terminated"],
            let code = ended["exitCode"]?.intValue, code != 0
        else { return nil }
        let name = status["name"]?.stringValue ?? ""
        let text = ended["message"]?.stringValue ?? ""
        let last = text.split(separator: "\n").last.map(String.init) ?? "exit code \(code)"
        let what =
            name == "environment-prepare" ? "the environment cannot be installed" : "code or model cannot be fetched"
        // The first failure may be the network's; the second one is taken at its word.
        let restarts = status["restartCount"]?.intValue ?? 0
        return PodDiagnosis(
            reason: name == "environment-prepare" ? InferenceReason.environment : InferenceReason.dataDelivery,
            message: "\(what) on pod \(pod.name): \(last)",
            logTail: text.isEmpty ? nil : text,
            isFinal: restarts >= 1,
            container: name,
            isPrevious: !isCurrent
        )
    }

    /// A container that ended, now or in its last run.
    private static func ended(_ status: JSON, _ pod: KubeObject, script: String?) -> PodDiagnosis? {
        guard status["ready"]?.boolValue != true else { return nil }
        let isCurrent = status["state"]?["terminated"] != nil
        guard let ended = status["state"]?["terminated"] ?? status["lastState"]?["terminated"],
            let code = ended["exitCode"]?.intValue
        else { return nil }
        let text = ended["message"]?.stringValue ?? ""
        var found = PodDiagnosis(
            reason: InferenceReason.crashLoop,
            message: "",
            logTail: text.isEmpty ? nil : text,
            isFinal: true,
            container: status["name"]?.stringValue,
            isPrevious: !isCurrent
        )
        if ended["reason"]?.stringValue == "OOMKilled" {
            found.reason = InferenceReason.outOfMemory
            found.message =
                "pod \(pod.name) used more memory than its limit; raise resources.limits.memory or use a larger instance type"
            return found
        }
        let failure = ScriptFailure(log: text, exitCode: code, script: script)
        found.reason = failure.reason
        found.message = failure.message
        if failure.reason == InferenceReason.crashLoop {
            // Not known to be hopeless: three runs decide.
            found.isFinal = (status["restartCount"]?.intValue ?? 0) >= 2
        }
        return found
    }

    private static func waiting(_ status: JSON, _ pod: KubeObject, now: Double) -> PodDiagnosis? {
        guard let waiting = status["state"]?["waiting"], let reason = waiting["reason"]?.stringValue else { return nil }
        let detail = waiting["message"]?.stringValue ?? reason
        let image = status["image"]?.stringValue ?? ""
        switch reason {
        case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull":
            return PodDiagnosis(
                reason: InferenceReason.imagePull,
                message:
                    "image \"\(image)\" cannot be pulled for pod \(pod.name): \(detail); check its name and the registry's access",
                isFinal: reason != "ErrImagePull"
            )
        case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
            let created = pod.creationTimestamp.flatMap { Timestamp.seconds($0) } ?? now
            return PodDiagnosis(
                reason: InferenceReason.resourceNotReady,
                message: "pod \(pod.name) cannot start: \(detail)",
                isFinal: now - created >= configurationGrace
            )
        default: return nil
        }
    }
}
