internal import KubeCore

/// The kinds that the server has without any CRD.
package enum BuiltInKinds {
    package static let all: [Kind] = KindRows.text.split(separator: "\n").compactMap(kind)

    /// The schema of a kind, or of a request or answer type such as `DeleteOptions` (in any group version), `Scale` or `Eviction`.
    package static func schema(apiVersion: String, kind: String) -> Schema? {
        if let schema = byType["\(apiVersion)/\(kind)"] { return schema }
        let name: String? =
            switch kind {
            case "DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions", "ListOptions": "meta.v1." + kind
            default: extra["\(apiVersion)/\(kind)"]
            }
        return name.flatMap { BuiltInSchemas.named[$0] }
    }

    private static let byType: [String: Schema] = Dictionary(
        all.map { ("\($0.type.apiVersion)/\($0.type.kind)", $0.schema) }
    ) { first, _ in first }

    private static let extra: [String: String] = [
        "v1/Status": "meta.v1.Status",
        "autoscaling/v1/Scale": "autoscaling.v1.Scale",
        "policy/v1/Eviction": "policy.v1.Eviction",
        "authentication.k8s.io/v1/TokenRequest": "authentication.v1.TokenRequest",
        "meta.k8s.io/v1/PartialObjectMetadata": "meta.v1.PartialObjectMetadata",
        "autoscaling/v1/HorizontalPodAutoscaler": "autoscaling.v1.HorizontalPodAutoscaler",
    ]

    private static let storedVerbs = [
        "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
    ]

    private static func kind(_ line: Substring) -> Kind? {
        let words = line.split(separator: " ").map(String.init)
        guard words.count >= 5, let schema = BuiltInSchemas.named[words[4]] else { return nil }
        let parts = words[0].split(separator: "/").map(String.init)
        let type = ResourceType(
            group: parts.count > 1 ? parts[0] : "",
            version: parts.last ?? "",
            plural: words[2],
            kind: words[1],
            isNamespaced: words[3] == "namespaced"
        )
        var kind = Kind(type: type, verbs: storedVerbs, schema: schema)
        for word in words.dropFirst(5) {
            let flag = word.split(separator: "=", maxSplits: 1).map(String.init)
            let values = flag.count > 1 ? flag[1].split(separator: ",").map(String.init) : []
            switch flag[0] {
            case "short": kind.shortNames = values
            case "cat": kind.categories = values
            case "fields": kind.selectableFields = values
            case "sub": kind.subresources = values.map { subresource($0, of: type) }
            case "upsert": kind.allowsCreateOnUpdate = true
            case "conditional": kind.allowsUnconditionalUpdate = false
            case "create":
                kind.isStored = false
                kind.verbs = ["create"]
            default: break
            }
        }
        // Namespaces are never deleted by collection: each needs its finalizer's work.
        if type.plural == "namespaces" { kind.verbs.removeAll { $0 == "deletecollection" } }
        kind.columns = PrinterColumns.columns(of: type)
        return kind
    }

    private static func subresource(_ name: String, of type: ResourceType) -> Kind.Subresource {
        switch name {
        case "scale":
            Kind.Subresource(
                name: name,
                group: "autoscaling",
                version: "v1",
                kind: "Scale",
                verbs: ["get", "patch", "update"]
            )
        case "binding": Kind.Subresource(name: name, kind: "Binding", verbs: ["create"])
        case "eviction":
            Kind.Subresource(name: name, group: "policy", version: "v1", kind: "Eviction", verbs: ["create"])
        case "token":
            Kind.Subresource(
                name: name,
                group: "authentication.k8s.io",
                version: "v1",
                kind: "TokenRequest",
                verbs: ["create"]
            )
        case "log": Kind.Subresource(name: name, kind: type.kind, verbs: ["get"])
        case "exec", "attach", "portforward":
            Kind.Subresource(
                name: name,
                kind: "Pod" + (name == "portforward" ? "PortForward" : name.capitalizedASCII) + "Options",
                verbs: ["create", "get"]
            )
        case "proxy":
            Kind.Subresource(
                name: name,
                kind: type.kind + "ProxyOptions",
                verbs: ["create", "delete", "get", "patch", "update"]
            )
        case "finalize": Kind.Subresource(name: name, kind: type.kind, verbs: ["update"])
        default: Kind.Subresource(name: name, kind: type.kind, verbs: ["get", "patch", "update"])
        }
    }
}

extension String {
    fileprivate var capitalizedASCII: String { prefix(1).uppercased() + dropFirst() }
}
