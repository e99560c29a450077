package import KubeCore

/// What placing a pod depends on, read from its object once.
package final class PodRequirements: Sendable {
    package let key: ObjectKey
    package let uid: String
    package let labels: [String: String]
    package let schedulerName: String
    package let priority: Int
    /// Seconds since 1970.
    package let created: Double
    /// nil while unassigned.
    package let nodeName: String?
    package let isFinished: Bool
    package let isTerminating: Bool
    package let isGated: Bool
    /// Includes one of `pods`.
    package let requests: Resources
    /// The PodGroup's name, from Volcano's annotation.
    package let groupName: String?
    /// Equal for pods that every node treats alike.
    let signature: Int
    let ownerUID: String?
    let nodes: NodePreferences
    let tolerations: [Toleration]
    let hostPorts: [HostPort]
    let affinity: [PodTerm]
    let antiAffinity: [PodTerm]
    let spread: [SpreadTerm]

    package init(_ pod: KubeObject) {
        let spec = pod["spec"]
        let facts = PodFacts(pod)
        key = pod.key
        uid = pod.uid
        labels = pod.labels
        schedulerName = spec?["schedulerName"]?.stringValue ?? "default-scheduler"
        priority = spec?["priority"]?.intValue ?? 0
        created = pod.creationTimestamp.flatMap { Timestamp.seconds($0) } ?? 0
        nodeName = facts.nodeName
        isFinished = facts.isFinished
        isTerminating = facts.isTerminating
        isGated = spec?["schedulingGates"]?.arrayValue?.isEmpty == false
        requests = Resources.requests(ofPodSpec: spec)
        groupName = pod.annotations[VolcanoNames.groupAnnotation]
        ownerUID = pod.controllerReference?.uid
        nodes = NodePreferences(spec)
        tolerations = (spec?["tolerations"]?.arrayValue ?? []).map { Toleration($0) }
        hostPorts = HostPort.all(inPodSpec: spec)
        let namespace = pod.namespace ?? ""
        func terms(_ kind: String) -> [PodTerm] {
            let required = spec?["affinity"]?[kind]?["requiredDuringSchedulingIgnoredDuringExecution"]
            return (required?.arrayValue ?? []).map { PodTerm($0, podNamespace: namespace) }
        }
        affinity = terms("podAffinity")
        antiAffinity = terms("podAntiAffinity")
        spread = (spec?["topologySpreadConstraints"]?.arrayValue ?? []).compactMap { SpreadTerm($0) }
        var hasher = Hasher()
        hasher.combine(requests)
        hasher.combine(nodes)
        hasher.combine(tolerations)
        hasher.combine(hostPorts)
        hasher.combine(affinity)
        hasher.combine(antiAffinity)
        hasher.combine(spread)
        if !affinity.isEmpty || !antiAffinity.isEmpty || !spread.isEmpty {
            hasher.combine(labels)
            hasher.combine(namespace)
        }
        signature = hasher.finalize()
    }

    /// Its fit depends on where other pods are.
    var dependsOnPods: Bool { !affinity.isEmpty || !antiAffinity.isEmpty || !spread.isEmpty }

    /// Holds resources of a node.
    var occupies: Bool { nodeName != nil && !isFinished }
}
