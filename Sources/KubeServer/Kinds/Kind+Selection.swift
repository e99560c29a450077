package import KubeCore

extension Kind {
    /// The text of a selectable field, as a field selector compares it; absent fields are empty.
    package func selectableValue(_ field: String, of object: JSON) -> String {
        switch (type.groupResource, field) {
        case ("nodes", "spec.unschedulable"), ("pods", "spec.hostNetwork"):
            return (object[path: field.split(separator: ".").map(String.init)]?.boolValue ?? false) ? "true" : "false"
        case ("pods", "status.podIPs"):
            return (object["status"]?["podIPs"]?.arrayValue ?? []).compactMap { $0["ip"]?.stringValue }
                .joined(separator: ",")
        case ("jobs.batch", "status.successful"): return object["status"]?["succeeded"].map(Kind.text) ?? "0"
        case ("events", "source"):
            return object["source"]?["component"]?.stringValue ?? object["reportingComponent"]?.stringValue ?? ""
        case ("replicasets.apps", "status.replicas"), ("replicationcontrollers", "status.replicas"):
            return object["status"]?["replicas"].map(Kind.text) ?? "0"
        default:
            let path = field.split(separator: ".").map(String.init)
            return object[path: path].map(Kind.text) ?? ""
        }
    }

    private static func text(_ value: JSON) -> String {
        if value.isNull { return "" }
        return value.stringValue ?? value.text
    }
}
