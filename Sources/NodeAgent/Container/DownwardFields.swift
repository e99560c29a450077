internal import KubeCore

/// Values of the downward API: fields of the pod and resources of its containers.
struct DownwardFields: Sendable {
    let pod: PodModel
    let nodeName: String
    let hostIP: String
    /// nil until the sandbox has one.
    let podIP: String?
    /// Amounts that stand in for limits that are not set.
    let allocatable: [String: Quantity]

    /// - Throws: `.configuration` for a path that is not supported.
    func field(_ path: String) throws -> String {
        switch path {
        case "metadata.name": return pod.name
        case "metadata.namespace": return pod.namespace
        case "metadata.uid": return pod.uid
        case "metadata.labels": return Self.format(pod.object.labels)
        case "metadata.annotations": return Self.format(pod.object.annotations)
        case "spec.nodeName": return nodeName
        case "spec.serviceAccountName": return pod.serviceAccountName
        case "status.hostIP", "status.hostIPs": return hostIP
        case "status.podIP", "status.podIPs": return podIP ?? ""
        default: break
        }
        if let key = Self.subscriptKey(path, "metadata.labels") { return pod.object.labels[key] ?? "" }
        if let key = Self.subscriptKey(path, "metadata.annotations") { return pod.object.annotations[key] ?? "" }
        throw NodeAgentError(
            .configuration,
            "unsupported fieldPath: \(path)",
            remedy: "use a field that the downward API offers"
        )
    }

    /// `resourceFieldRef`: `limits.cpu` and the like, divided and rounded up.
    func resource(_ reference: JSON, container own: ContainerModel?) throws -> String {
        let name = reference["containerName"]?.stringValue ?? ""
        guard let container = name.isEmpty ? own : pod.container(name) else {
            throw NodeAgentError(
                .configuration,
                "container \"\(name)\" not found in resourceFieldRef",
                remedy: "name a container of the pod"
            )
        }
        let resource = reference["resource"]?.stringValue ?? ""
        let parts = resource.split(separator: ".", maxSplits: 1).map(String.init)
        guard parts.count == 2, ["limits", "requests"].contains(parts[0]) else {
            throw NodeAgentError(
                .configuration,
                "unsupported resource \"\(resource)\" in resourceFieldRef",
                remedy: "use limits.NAME or requests.NAME"
            )
        }
        let amount: Quantity =
            parts[0] == "limits"
            ? container.limit(parts[1]) ?? allocatable[parts[1]] ?? .zero : container.request(parts[1]) ?? .zero
        let divisor = reference["divisor"].flatMap { try? Quantity($0) } ?? .zero
        if parts[1] == "cpu" {
            let unit = divisor.isZero ? 1000 : max(1, divisor.milliValue)
            return String((amount.milliValue + unit - 1) / unit)
        }
        let unit = divisor.isZero ? 1 : max(1, divisor.value)
        return String((amount.value + unit - 1) / unit)
    }

    private static func subscriptKey(_ path: String, _ base: String) -> String? {
        guard path.hasPrefix(base + "['"), path.hasSuffix("']") else { return nil }
        return String(path.dropFirst(base.count + 2).dropLast(2))
    }

    /// One `key="value"` line each, sorted, as upstream writes maps.
    private static func format(_ map: [String: String]) -> String {
        map.keys.sorted().map { key in
            let value = map[key] ?? ""
            return key + "=" + JSON.string(value).text
        }.joined(separator: "\n")
    }
}
