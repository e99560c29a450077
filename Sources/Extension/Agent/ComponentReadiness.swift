internal import KubeCore

/// Whether a component's pods are as they should be, and if not, why.
struct ComponentReadiness: Sendable, Equatable {
    var name: String
    var isReady: Bool
    /// `2/3 ready: pod azureml-fe-v2-x: container azureml-fe-v2: CrashLoopBackOff, exit code 1`.
    var message: String

    /// `pods`: pods of the component.
    static func evaluate(name: String, deployment: KubeObject?, pods: [KubeObject]) -> ComponentReadiness {
        guard let deployment else { return ComponentReadiness(name: name, isReady: false, message: "not there yet") }
        let wanted = deployment["spec", "replicas"]?.intValue ?? 1
        let status = deployment["status"] ?? .null
        let ready = status["readyReplicas"]?.intValue ?? 0
        let updated = status["updatedReplicas"]?.intValue ?? 0
        let total = status["replicas"]?.intValue ?? 0
        let isReady =
            deployment.observedGeneration >= deployment.generation && updated >= wanted && ready >= wanted
            && total <= updated
        var message = "\(min(ready, wanted))/\(wanted) ready"
        if !isReady {
            if deployment.observedGeneration < deployment.generation {
                message += ": waits for the deployment controller"
            } else if let failure = deployment.condition("ReplicaFailure"), failure["status"]?.stringValue == "True" {
                message += ": " + (failure["message"]?.stringValue ?? "pods cannot be created")
            } else if let reason = pods.sorted(by: { $0.name < $1.name }).lazy.compactMap(trouble).first {
                message += ": " + reason
            } else if total > updated {
                message += ": old pods are ending"
            } else {
                message += ": waits for pods"
            }
        }
        return ComponentReadiness(name: name, isReady: isReady, message: message)
    }

    /// Why a pod is not ready, in one phrase; nil when it is, or is ending.
    static func trouble(_ pod: KubeObject) -> String? {
        guard !pod.isTerminating, !pod.isConditionTrue("Ready") else { return nil }
        let start = "pod \(pod.name): "
        if let scheduled = pod.condition("PodScheduled"), scheduled["status"]?.stringValue == "False" {
            return start + (scheduled["message"]?.stringValue ?? "no node fits")
        }
        let statuses =
            (pod["status", "initContainerStatuses"]?.arrayValue ?? [])
            + (pod["status", "containerStatuses"]?.arrayValue ?? [])
        for status in statuses where status["ready"]?.boolValue != true {
            let container = "container \(status["name"]?.stringValue ?? "?")"
            if let waiting = status[path: "state", "waiting"] {
                let reason = waiting["reason"]?.stringValue ?? "waiting"
                if reason == "PodInitializing" { continue }
                return start + container + ": "
                    + ([reason, waiting["message"]?.stringValue] + [lastExit(status)])
                    .compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: ", ")
            }
            if let ended = status[path: "state", "terminated"] {
                if ended["exitCode"]?.intValue == 0, ended["reason"]?.stringValue == "Completed" { continue }
                return start + container + " ended: " + exit(ended)
            }
            if let last = lastExit(status) {
                return start + container + ": runs again, not ready yet; last time " + last
            }
            return start + container + ": runs, not ready yet"
        }
        if let reason = pod["status", "reason"]?.stringValue {
            return start + [reason, pod["status", "message"]?.stringValue].compactMap { $0 }.joined(separator: ": ")
        }
        return start + (pod["status", "phase"]?.stringValue ?? "Pending")
    }

    private static func lastExit(_ status: JSON) -> String? {
        status[path: "lastState", "terminated"].map(exit)
    }

    private static func exit(_ ended: JSON) -> String {
        var text = "exit code \(ended["exitCode"]?.intValue ?? -1)"
        if let reason = ended["reason"]?.stringValue, reason != "Error" { text += " (\(reason))" }
        if let message = ended["message"]?.stringValue, !message.isEmpty { text += ": " + message }
        return text
    }
}
