internal import KubeCore

/// One `nodeSelectorTerms` entry.
struct NodeSelectorTerm: Sendable, Hashable {
    var labels: LabelSelector
    /// `matchFields`; only `metadata.name` exists.
    var names: LabelSelector
    /// A term without any requirement, or with one that cannot be read, matches nothing.
    var isVoid: Bool

    init(_ json: JSON) {
        let expressions = json["matchExpressions"]?.arrayValue ?? []
        let fields = json["matchFields"]?.arrayValue ?? []
        let readLabels = expressions.compactMap { try? LabelSelector.requirement($0) }
        let readNames = fields.compactMap { try? LabelSelector.requirement($0) }
        labels = LabelSelector(readLabels)
        names = LabelSelector(readNames)
        isVoid =
            readLabels.count != expressions.count || readNames.count != fields.count
            || (expressions.isEmpty && fields.isEmpty)
    }

    func matches(name: String, labels nodeLabels: [String: String]) -> Bool {
        !isVoid && labels.matches(nodeLabels) && (names.isEmpty || names.matches(["metadata.name": name]))
    }
}

/// `nodeSelector` and node affinity of a pod.
struct NodePreferences: Sendable, Hashable {
    var selector: [String: String]
    /// Any one must match; nil when nothing is required.
    var required: [NodeSelectorTerm]?
    var preferred: [Preference]

    struct Preference: Sendable, Hashable {
        var weight: Int
        var term: NodeSelectorTerm
    }

    init(_ spec: JSON?) {
        selector = spec?["nodeSelector"]?.stringMap ?? [:]
        let affinity = spec?["affinity"]?["nodeAffinity"]
        let terms = affinity?["requiredDuringSchedulingIgnoredDuringExecution"]?["nodeSelectorTerms"]?.arrayValue
        required = terms?.map { NodeSelectorTerm($0) }
        preferred = (affinity?["preferredDuringSchedulingIgnoredDuringExecution"]?.arrayValue ?? []).map {
            Preference(weight: $0["weight"]?.intValue ?? 1, term: NodeSelectorTerm($0["preference"] ?? .null))
        }
    }

    func allows(name: String, labels: [String: String]) -> Bool {
        guard selector.allSatisfy({ labels[$0.key] == $0.value }) else { return false }
        guard let required else { return true }
        return required.contains { $0.matches(name: name, labels: labels) }
    }

    func score(name: String, labels: [String: String]) -> Int {
        preferred.reduce(0) { $0 + ($1.term.matches(name: name, labels: labels) ? $1.weight : 0) }
    }
}

struct Taint: Sendable, Hashable {
    var key: String
    var value: String
    var effect: String

    init(_ json: JSON) {
        key = json["key"]?.stringValue ?? ""
        value = json["value"]?.stringValue ?? ""
        effect = json["effect"]?.stringValue ?? ""
    }
}

struct Toleration: Sendable, Hashable {
    var key: String
    var isExists: Bool
    var value: String
    var effect: String

    init(_ json: JSON) {
        key = json["key"]?.stringValue ?? ""
        isExists = json["operator"]?.stringValue == "Exists"
        value = json["value"]?.stringValue ?? ""
        effect = json["effect"]?.stringValue ?? ""
    }

    func tolerates(_ taint: Taint) -> Bool {
        if !effect.isEmpty, effect != taint.effect { return false }
        if key.isEmpty { return isExists }
        return key == taint.key && (isExists || value == taint.value)
    }
}

struct HostPort: Sendable, Hashable {
    var address: String
    var transport: String
    var port: Int

    /// Two claims of a port collide unless both name different addresses.
    func collides(with other: HostPort) -> Bool {
        guard port == other.port, transport == other.transport else { return false }
        return address == other.address || isWildcard || other.isWildcard
    }

    private var isWildcard: Bool { address.isEmpty || address == "0.0.0.0" || address == "::" }

    static func all(inPodSpec spec: JSON?) -> [HostPort] {
        let onHost = spec?["hostNetwork"]?.boolValue ?? false
        let sidecars = (spec?["initContainers"]?.arrayValue ?? []).filter {
            $0["restartPolicy"]?.stringValue == "Always"
        }
        return ((spec?["containers"]?.arrayValue ?? []) + sidecars).flatMap { container in
            (container["ports"]?.arrayValue ?? []).compactMap { port -> HostPort? in
                let number = port["hostPort"]?.intValue ?? (onHost ? port["containerPort"]?.intValue : nil) ?? 0
                guard number > 0 else { return nil }
                return HostPort(
                    address: port["hostIP"]?.stringValue ?? "",
                    transport: port["protocol"]?.stringValue ?? "TCP",
                    port: number
                )
            }
        }
    }
}

/// A pod affinity or anti-affinity term.
struct PodTerm: Sendable, Hashable {
    var selector: LabelSelector
    var namespaces: Set<String>
    /// `namespaceSelector: {}` selects all namespaces.
    var isInAllNamespaces: Bool
    var topologyKey: String

    init(_ json: JSON, podNamespace: String) {
        selector = (try? LabelSelector(json["labelSelector"])) ?? .nothing
        let named = json["namespaces"]?.stringArray ?? []
        let byLabels = json["namespaceSelector"]
        // Selecting namespaces by labels would need all namespaces here; every namespace is the safe reading for anti-affinity.
        isInAllNamespaces = byLabels?.objectValue != nil
        namespaces = named.isEmpty && byLabels == nil ? [podNamespace] : Set(named)
        topologyKey = json["topologyKey"]?.stringValue ?? ""
    }

    func selects(_ pod: PodRequirements) -> Bool {
        (isInAllNamespaces || namespaces.contains(pod.key.namespace ?? "")) && selector.matches(pod.labels)
    }
}

/// `topologySpreadConstraints[]` with DoNotSchedule.
struct SpreadTerm: Sendable, Hashable {
    var maxSkew: Int
    var topologyKey: String
    var selector: LabelSelector

    init?(_ json: JSON) {
        guard json["whenUnsatisfiable"]?.stringValue ?? "DoNotSchedule" == "DoNotSchedule" else { return nil }
        maxSkew = json["maxSkew"]?.intValue ?? 1
        topologyKey = json["topologyKey"]?.stringValue ?? ""
        selector = (try? LabelSelector(json["labelSelector"])) ?? .nothing
    }
}
