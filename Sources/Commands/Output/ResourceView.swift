internal import KubeCore

/// An ARM resource with its properties at the top, as the reference command line shows most of them.
///
/// Pure.
enum ResourceView {
    static func flat(_ resource: JSON) -> JSON {
        var members = resource["properties"]?.objectValue ?? [:]
        for name in ["id", "name", "type", "location", "tags", "identity", "systemData"] {
            if let value = resource[name] { members[name] = value }
        }
        if let group = ResourceID.value(of: "resourceGroups", in: resource["id"]?.stringValue ?? "") {
            members["resourceGroup"] = .string(group)
        }
        return .object(members)
    }
}

/// Parts of ARM ids.
enum ResourceID {
    /// The segment after `key`, letter case of the key aside.
    static func value(of key: String, in id: String) -> String? {
        let parts = id.split(separator: "/").map(String.init)
        guard let index = parts.firstIndex(where: { $0.lowercased() == key.lowercased() }), index + 1 < parts.count
        else { return nil }
        return parts[index + 1]
    }
}
