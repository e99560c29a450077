internal import KubeCore
internal import KubeStore

/// LimitRange admission: fills in a container's requests and limits, and refuses what is outside of a namespace's ranges.
struct LimitRanges: Sendable {
    private let store: ObjectStore

    init(_ store: ObjectStore) { self.store = store }

    private func ranges(_ namespace: String?) -> [KubeObject] {
        guard store.count("limitranges") > 0, let namespace else { return [] }
        return store.list("limitranges", namespace: namespace).objects.map(\.object)
    }

    private static func items(_ range: KubeObject, _ type: String) -> [JSON] {
        (range["spec", "limits"]?.arrayValue ?? []).filter { $0["type"]?.stringValue == type }
    }

    // MARK: Defaults

    func applyDefaults(_ pod: inout KubeObject) {
        for range in ranges(pod.namespace) {
            var defaults: [String: [String: JSON]] = [:]
            for item in Self.items(range, "Container") {
                for (field, source) in [("requests", "defaultRequest"), ("limits", "default")] {
                    defaults[field, default: [:]].merge(item[source]?.objectValue ?? [:]) { first, _ in first }
                }
            }
            var notes: [String] = []
            for (list, word) in [("containers", "container"), ("initContainers", "init container")] {
                guard let containers = pod["spec", list]?.arrayValue else { continue }
                pod["spec", list] = .array(containers.map { Self.filled($0, defaults, word, &notes) })
            }
            if !notes.isEmpty {
                pod.annotations["kubernetes.io/limit-ranger"] =
                    "LimitRanger plugin set: " + notes.joined(separator: "; ")
            }
        }
    }

    private static func filled(
        _ container: JSON,
        _ defaults: [String: [String: JSON]],
        _ word: String,
        _ notes: inout [String]
    ) -> JSON {
        var container = container
        for field in ["requests", "limits"] {
            let own = container["resources"]?[field]?.objectValue ?? [:]
            let missing = (defaults[field] ?? [:]).filter { own[$0.key] == nil }
            if missing.isEmpty { continue }
            container[path: "resources", field] = .object(own.merging(missing) { own, _ in own })
            let names = missing.keys.sorted().joined(separator: ", ")
            let kind = field == "requests" ? "request" : "limit"
            notes.append("\(names) \(kind) for \(word) \(container["name"]?.stringValue ?? "")")
        }
        return container
    }

    // MARK: Ranges

    func check(_ object: KubeObject, old: KubeObject?, _ context: StrategyContext) throws(APIError) {
        guard context.subresource == nil else { return }
        let problems: [String]
        switch context.type {
        case .pods:
            if old != nil { return }
            problems = ranges(object.namespace).flatMap { Self.problems(pod: object["spec"] ?? [:], $0) }
        case .persistentVolumeClaims:
            problems = ranges(object.namespace).flatMap { range in
                Self.items(range, "PersistentVolumeClaim").flatMap { item in
                    Self.problems(item, "PersistentVolumeClaim", object["spec", "resources"] ?? [:])
                }
            }
        default: return
        }
        if problems.isEmpty { return }
        let text = problems.count == 1 ? problems[0] : "[" + problems.joined(separator: ", ") + "]"
        throw APIError.forbidden(context.type, object.name, text)
    }

    private static func problems(pod spec: JSON, _ range: KubeObject) -> [String] {
        var problems: [String] = []
        for item in items(range, "Container") {
            for list in ["containers", "initContainers"] {
                for container in spec[list]?.arrayValue ?? [] {
                    problems += Self.problems(item, "Container", container["resources"] ?? [:])
                }
            }
        }
        for item in items(range, "Pod") {
            problems += Self.problems(item, "Pod", PodResources.total(spec))
        }
        return problems
    }

    private static func problems(_ item: JSON, _ type: String, _ resources: JSON) -> [String] {
        func quantity(_ field: String, _ name: String) -> Quantity? {
            resources[field]?[name].flatMap { try? Quantity($0) }
        }
        func each(_ field: String, _ body: (String, Quantity, Quantity?, Quantity?) -> String?) -> [String] {
            (item[field]?.objectValue ?? [:]).sorted { $0.key < $1.key }.compactMap { name, value in
                guard let wanted = try? Quantity(value) else { return nil }
                return body(name, wanted, quantity("requests", name), quantity("limits", name))
            }
        }
        let minima = each("min") { name, wanted, request, limit in
            let head = "minimum \(name) usage per \(type) is \(wanted)"
            guard let request else { return head + ".  No request is specified" }
            if request < wanted { return head + ", but request is \(request)" }
            if let limit, limit < wanted { return head + ", but limit is \(limit)" }
            return nil
        }
        let maxima = each("max") { name, wanted, request, limit in
            let head = "maximum \(name) usage per \(type) is \(wanted)"
            // A claim has requests only.
            if type == "PersistentVolumeClaim" {
                guard let request, wanted < request else { return nil }
                return head + ", but request is \(request)"
            }
            guard let limit else { return head + ".  No limit is specified" }
            if wanted < limit { return head + ", but limit is \(limit)" }
            if let request, wanted < request { return head + ", but request is \(request)" }
            return nil
        }
        let ratios = each("maxLimitRequestRatio") { name, wanted, request, limit in
            let head = "\(name) max limit to request ratio per \(type) is \(wanted)"
            guard let request, !request.isZero else { return head + ", but no request is specified or request is 0" }
            guard let limit, !limit.isZero else { return head + ", but no limit is specified or limit is 0" }
            let ratio = limit.doubleValue / request.doubleValue
            return ratio > wanted.doubleValue ? head + ", but provided ratio is \(Self.fixed(ratio))" : nil
        }
        return minima + maxima + ratios
    }

    /// Six decimals, as C's `%f`.
    private static func fixed(_ value: Double) -> String {
        guard value < 1e9 else { return "\(value)" }
        let millionths = Int((value * 1e6).rounded())
        let fraction = String(millionths % 1_000_000)
        return "\(millionths / 1_000_000)." + String(repeating: "0", count: 6 - fraction.count) + fraction
    }
}

/// What a pod asks for as a whole.
enum PodResources {
    /// `{requests, limits}`: the sum over containers and sidecars, or what a starting container needs if that is more.
    static func total(_ spec: JSON) -> JSON {
        var result: [String: JSON] = [:]
        for field in ["requests", "limits"] {
            var sum: [String: Quantity] = add(spec["containers"]?.arrayValue ?? [], field)
            var sidecars: [String: Quantity] = [:]
            var peak: [String: Quantity] = [:]
            for container in spec["initContainers"]?.arrayValue ?? [] {
                let own = add([container], field)
                if container["restartPolicy"]?.stringValue == "Always" {
                    sidecars.merge(own) { $0 + $1 }
                    sum.merge(own) { $0 + $1 }
                    peak.merge(sidecars) { max($0, $1) }
                } else {
                    peak.merge(own.merging(sidecars) { $0 + $1 }) { max($0, $1) }
                }
            }
            sum.merge(peak) { max($0, $1) }
            // Resources of the pod itself stand before those of its containers.
            for (name, value) in spec["resources"]?[field]?.objectValue ?? [:] {
                if let quantity = try? Quantity(value) { sum[name] = quantity }
            }
            if field == "requests" {
                for (name, value) in spec["overhead"]?.objectValue ?? [:] {
                    if let quantity = try? Quantity(value) { sum[name] = sum[name].map { $0 + quantity } ?? quantity }
                }
            }
            if !sum.isEmpty { result[field] = .object(sum.mapValues { .string($0.description) }) }
        }
        return .object(result)
    }

    private static func add(_ containers: [JSON], _ field: String) -> [String: Quantity] {
        var sum: [String: Quantity] = [:]
        for container in containers {
            for (name, value) in container["resources"]?[field]?.objectValue ?? [:] {
                guard let quantity = try? Quantity(value) else { continue }
                sum[name] = sum[name].map { $0 + quantity } ?? quantity
            }
        }
        return sum
    }
}
