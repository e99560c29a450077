internal import KubeCore
internal import KubeRuntime
internal import Foundation

/// Writes decisions of a scheduler to the API.
struct SchedulingWriter: Sendable {
    let api: any ResourceAPI
    let events: EventRecorder
    let schedulerName: String

    /// Assigns the pod to the node.
    func bind(_ pod: PodRequirements, to node: String) async throws {
        var binding = KubeObject(.bindings, namespace: pod.key.namespace, name: pod.key.name)
        binding["metadata", "uid"] = .string(pod.uid)
        binding["target"] = ["apiVersion": "v1", "kind": "Node", "name": .string(node)]
        _ = try await api.create(
            .pods,
            namespace: pod.key.namespace,
            name: pod.key.name,
            subresource: "binding",
            object: binding,
            options: WriteOptions(fieldManager: schedulerName)
        )
    }

    func recordScheduled(_ pod: PodRequirements, on node: String) async {
        await events.record(
            .normal,
            reason: "Scheduled",
            "Successfully assigned \(pod.key) to \(node)",
            about: reference(pod)
        )
    }

    /// Sets PodScheduled=False with the reason, and says so in an event; nothing is written when the pod says it already.
    func explain(_ pod: PodRequirements, reason: String, message: String, eventReason: String?) async throws {
        guard let present = try await api.find(.pods, namespace: pod.key.namespace, name: pod.key.name),
            present.uid == pod.uid, PodFacts(present).nodeName == nil
        else { return }
        let condition = present.condition("PodScheduled")
        if condition?["status"]?.stringValue == "False", condition?["reason"]?.stringValue == reason,
            condition?["message"]?.stringValue == message
        {
            return
        }
        let wasFalse = condition?["status"]?.stringValue == "False"
        let now = JSON.string(Timestamp.text(seconds: Date.now.timeIntervalSince1970))
        let changed: JSON = [
            "type": "PodScheduled", "status": "False", "reason": .string(reason), "message": .string(message),
            "lastProbeTime": .null, "lastTransitionTime": wasFalse ? condition?["lastTransitionTime"] ?? now : now,
        ]
        try await api.patch(
            .pods,
            pod.key,
            subresource: "status",
            .strategic(["status": ["conditions": .array([changed])]]),
            options: WriteOptions(fieldManager: schedulerName)
        )
        if let eventReason {
            await events.record(.warning, reason: eventReason, message, about: present)
        }
    }

    private func reference(_ pod: PodRequirements) -> KubeObject {
        var object = KubeObject(.pods, namespace: pod.key.namespace, name: pod.key.name)
        object["metadata", "uid"] = .string(pod.uid)
        return object
    }
}
