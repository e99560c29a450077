package import KubeCore

/// Whether a component's pods are as they should be, and if not, why.
package struct ComponentReadiness: Sendable, Equatable {
    package var name: String
    package var isReady: Bool
    /// `2/3 ready: pod azureml-fe-v2-x: container azureml-fe-v2: CrashLoopBackOff, exit code 1`.
    package var message: String
    /// Code of the health check's table that fits when it does not become ready.
    var code = "E40000"
    /// `2/3`; empty when there is nothing to count.
    var count = ""

    /// `pods`: pods of the component.
    package static func evaluate(name: String, deployment: KubeObject?, pods: [KubeObject]) -> ComponentReadiness {
        evaluate(name: name, type: .deployments, workload: deployment, pods: pods)
    }

    static func evaluate(
        name: String,
        type: ResourceType,
        workload: KubeObject?,
        pods: [KubeObject]
    ) -> ComponentReadiness {
        guard let workload else { return ComponentReadiness(name: name, isReady: false, message: "not there yet") }
        let counts = Counts(workload, type)
        var result = ComponentReadiness(
            name: name,
            isReady: counts.isReady,
            message: "\(counts.shown)/\(counts.wanted) ready",
            count: "\(counts.shown)/\(counts.wanted)"
        )
        if !result.isReady { result.message += ": " + reason(workload, type, counts, pods) }
        return result
    }

    private static func reason(
        _ workload: KubeObject,
        _ type: ResourceType,
        _ counts: Counts,
        _ pods: [KubeObject]
    ) -> String {
        if workload.isTerminating { return "is being deleted" }
        if let failure = workload.condition("ReplicaFailure"), failure["status"]?.stringValue == "True" {
            return failure["message"]?.stringValue ?? "pods cannot be created"
        }
        if let trouble = pods.sorted(by: { $0.name < $1.name }).lazy.compactMap(trouble).first { return trouble }
        if workload.observedGeneration < workload.generation {
            return "waits for the \(type.kind.lowercased()) controller"
        }
        return counts.total > counts.updated ? "old pods are ending" : "waits for pods"
    }

    /// What a workload's status says, whatever its kind calls it.
    private struct Counts {
        var wanted: Int
        var ready: Int
        var updated: Int
        var total: Int
        var isObserved: Bool

        var shown: Int { min(ready, wanted) }
        var isReady: Bool { isObserved && updated >= wanted && ready >= wanted && total <= updated }

        init(_ workload: KubeObject, _ type: ResourceType) {
            let status = workload["status"] ?? .null
            func number(_ key: String) -> Int { status[key]?.intValue ?? 0 }
            isObserved = workload.observedGeneration >= workload.generation && !workload.isTerminating
            if type == .daemonSets {
                wanted = number("desiredNumberScheduled")
                ready = number("numberReady")
                updated = number("updatedNumberScheduled")
                total = max(number("currentNumberScheduled"), updated)
            } else {
                wanted = workload["spec", "replicas"]?.intValue ?? 1
                ready = number("readyReplicas")
                updated = number("updatedReplicas")
                total = number("replicas")
                // Nothing is rolled out by a StatefulSet whose pods are replaced by hand.
                if type == .statefulSets, workload["spec", "updateStrategy", "type"]?.stringValue == "OnDelete" {
                    updated = max(updated, total)
                }
            }
        }
    }

    /// Why a pod is not ready, in one phrase; nil when it is, or is ending.
    static func trouble(_ pod: KubeObject) -> String? {
        guard !pod.isTerminating, !pod.isConditionTrue("Ready") else { return nil }
        let start = "pod \(pod.name): "
        if let scheduled = pod.condition("PodScheduled"), scheduled["status"]?.stringValue == "False" {
            return start + (scheduled["message"]?.stringValue ?? "no node fits")
        }
        for status in containerStatuses(pod) where status["ready"]?.boolValue != true {
            if let text = trouble(container: status) { return start + text }
        }
        if let reason = pod["status", "reason"]?.stringValue {
            return start + [reason, pod["status", "message"]?.stringValue].compactMap { $0 }.joined(separator: ": ")
        }
        return start + (pod["status", "phase"]?.stringValue ?? "Pending")
    }

    static func containerStatuses(_ pod: KubeObject) -> [JSON] {
        (pod["status", "initContainerStatuses"]?.arrayValue ?? [])
            + (pod["status", "containerStatuses"]?.arrayValue ?? [])
    }

    private static func trouble(container status: JSON) -> String? {
        let container = "container \(status["name"]?.stringValue ?? "?")"
        if let waiting = status[path: "state", "waiting"] {
            let reason = waiting["reason"]?.stringValue ?? "waiting"
            if reason == "PodInitializing" { return nil }
            return container + ": "
                + ([reason, waiting["message"]?.stringValue] + [lastExit(status)])
                .compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: ", ")
        }
        if let ended = status[path: "state", "terminated"] {
            if ended["exitCode"]?.intValue == 0, ended["reason"]?.stringValue == "Completed" { return nil }
            return container + " ended: " + exit(ended)
        }
        if let last = lastExit(status) { return container + ": runs again, not ready yet; last time " + last }
        return container + ": runs, not ready yet"
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
