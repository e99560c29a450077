internal import KubeCore
internal import KubeStore
internal import Logging
internal import Synchronization

/// ResourceQuota admission: counts what a namespace has, and refuses what would be too much.
///
/// Source: kubernetes.io/docs/concepts/policy/resource-quotas.
final class ResourceQuotas: Sendable {
    /// What was admitted and is not stored yet, so that two writes at once cannot both have the last place.
    private struct Reservation {
        var storage: String
        var namespace: String
        var name: String
        var object: KubeObject
    }

    private let reservations = Mutex<[String: Reservation]>([:])

    /// - Throws: 403 naming the quota, what was asked, what is used and the limit.
    func admit(_ object: KubeObject, old: KubeObject?, storage: String, _ context: StrategyContext) throws(APIError) {
        let store = context.registry.store
        let namespace = object.namespace ?? ""
        guard store.count("resourcequotas") > 0, !namespace.isEmpty else { return }
        let quotas = store.list("resourcequotas", namespace: namespace).objects.map(\.object)
        if quotas.isEmpty { return }
        let refusal: APIError? = reservations.withLock { reservations in
            let pending = reservations.values.filter {
                $0.namespace == namespace && store.find($0.storage, namespace: namespace, name: $0.name) == nil
            }
            for quota in quotas {
                if let text = Self.refusal(
                    quota,
                    object,
                    old: old,
                    storage: storage,
                    pending.map { ($0.storage, $0.object) },
                    store
                ) {
                    return APIError.forbidden(context.type, object.name, text)
                }
            }
            if old == nil, !context.isDryRun {
                reservations[Self.key(storage, namespace, object.name)] = Reservation(
                    storage: storage,
                    namespace: namespace,
                    name: object.name,
                    object: object
                )
            }
            return nil
        }
        if let refusal { throw refusal }
    }

    /// The write ended, whichever way.
    func release(storage: String, namespace: String, name: String) {
        reservations.withLock { _ = $0.removeValue(forKey: Self.key(storage, namespace, name)) }
    }

    private static func key(_ storage: String, _ namespace: String, _ name: String) -> String {
        "\(storage)/\(namespace)/\(name)"
    }

    private static func refusal(
        _ quota: KubeObject,
        _ object: KubeObject,
        old: KubeObject?,
        storage: String,
        _ pending: [(String, KubeObject)],
        _ store: ObjectStore
    ) -> String? {
        let hard = QuotaUsage.hard(quota)
        guard QuotaUsage.isInScope(object, storage: storage, quota) else { return nil }
        let missing = QuotaUsage.missing(object, storage: storage, Set(hard.keys))
        if old == nil, !missing.isEmpty { return "failed quota: \(quota.name): must specify \(missing)" }
        let wanted = QuotaUsage.usage(object, storage: storage, Set(hard.keys))
        let before =
            old.map {
                QuotaUsage.isInScope($0, storage: storage, quota)
                    ? QuotaUsage.usage($0, storage: storage, Set(hard.keys)) : [:]
            } ?? [:]
        var delta: [String: Quantity] = [:]
        for (name, amount) in wanted {
            let more = before[name].map { amount - $0 } ?? amount
            if !more.isZero, !more.isNegative { delta[name] = more }
        }
        if delta.isEmpty { return nil }
        var used = QuotaUsage.used(quota, namespace: object.namespace ?? "", store)
        for (storage, object) in pending where QuotaUsage.isInScope(object, storage: storage, quota) {
            used.merge(QuotaUsage.usage(object, storage: storage, Set(hard.keys))) { $0 + $1 }
        }
        let exceeded = delta.keys.filter { name in
            guard let limit = hard[name], let more = delta[name] else { return false }
            return limit < (used[name].map { $0 + more } ?? more)
        }
        .sorted()
        if exceeded.isEmpty { return nil }
        func list(_ values: [String: Quantity]) -> String {
            exceeded.map { "\($0)=\(values[$0] ?? Quantity(0))" }.joined(separator: ",")
        }
        return "exceeded quota: \(quota.name), requested: \(list(delta)), used: \(list(used)), limited: \(list(hard))"
    }
}

/// What objects count for in quotas.
enum QuotaUsage {
    static func hard(_ quota: KubeObject) -> [String: Quantity] {
        (quota["spec", "hard"]?.objectValue ?? [:]).compactMapValues { try? Quantity($0) }
    }

    private static let counted: Set<String> = [
        "configmaps", "persistentvolumeclaims", "replicationcontrollers", "resourcequotas", "secrets", "services",
    ]

    /// The use of every hard limit of the quota, from the objects that are there.
    static func used(_ quota: KubeObject, namespace: String, _ store: ObjectStore) -> [String: Quantity] {
        let hard = Set(hard(quota).keys)
        var used: [String: Quantity] = [:]
        for name in hard { used[name] = Quantity(0) }
        for storage in storages(hard) {
            for stored in store.list(storage, namespace: namespace).objects {
                let object = stored.object
                guard isInScope(object, storage: storage, quota) else { continue }
                used.merge(usage(object, storage: storage, hard)) { $0 + $1 }
            }
        }
        return used
    }

    /// Which kinds of objects count for these limits.
    private static func storages(_ names: Set<String>) -> Set<String> {
        var result: Set<String> = []
        for name in names {
            if name.hasPrefix("count/") {
                result.insert(String(name.dropFirst("count/".count)))
            } else if counted.contains(name) {
                result.insert(name)
            } else if name.hasPrefix("services.") {
                result.insert("services")
            } else if name == "requests.storage" || name.contains(".storageclass.storage.k8s.io/") {
                result.insert("persistentvolumeclaims")
            } else {
                result.insert("pods")
            }
        }
        return result
    }

    /// What one object adds to each of the limits.
    static func usage(_ object: KubeObject, storage: String, _ names: Set<String>) -> [String: Quantity] {
        var all: [String: Quantity] = ["count/" + storage: Quantity(1)]
        if counted.contains(storage) { all[storage] = Quantity(1) }
        switch storage {
        case "pods":
            // Pods that are done give back their resources; the object itself still counts.
            if !isDone(object) {
                all["pods"] = Quantity(1)
                let total = PodResources.total(object["spec"] ?? [:])
                for (name, value) in total["requests"]?.objectValue ?? [:] {
                    guard let quantity = try? Quantity(value) else { continue }
                    all["requests." + name] = quantity
                    if ["cpu", "memory", "ephemeral-storage"].contains(name) || name.hasPrefix("hugepages-") {
                        all[name] = quantity
                    }
                }
                for (name, value) in total["limits"]?.objectValue ?? [:] {
                    if let quantity = try? Quantity(value) { all["limits." + name] = quantity }
                }
            }
        case "services":
            let type = object["spec", "type"]?.stringValue ?? ""
            let ports = object["spec", "ports"]?.arrayValue ?? []
            if type == "LoadBalancer" { all["services.loadbalancers"] = Quantity(1) }
            if type == "NodePort" || type == "LoadBalancer" {
                let allocates =
                    type == "NodePort" || object["spec", "allocateLoadBalancerNodePorts"]?.boolValue != false
                all["services.nodeports"] = Quantity(
                    allocates ? ports.count : ports.filter { ($0["nodePort"]?.intValue ?? 0) != 0 }.count
                )
            }
        case "persistentvolumeclaims":
            let storage = object["spec", "resources", "requests", "storage"].flatMap { try? Quantity($0) }
            if let storage { all["requests.storage"] = storage }
            if let name = object["spec", "storageClassName"]?.stringValue, !name.isEmpty {
                let prefix = name + ".storageclass.storage.k8s.io/"
                all[prefix + "persistentvolumeclaims"] = Quantity(1)
                if let storage { all[prefix + "requests.storage"] = storage }
            }
        default: break
        }
        return all.filter { names.contains($0.key) }
    }

    private static func isDone(_ pod: KubeObject) -> Bool {
        ["Succeeded", "Failed"].contains(pod["status", "phase"]?.stringValue ?? "")
    }

    /// Resources that the quota limits and a container does not name: `cpu for: a,b; memory for: a`.
    static func missing(_ object: KubeObject, storage: String, _ names: Set<String>) -> String {
        guard storage == "pods" else { return "" }
        let containers = ["initContainers", "containers"].flatMap { object["spec", $0]?.arrayValue ?? [] }
        let total = object["spec", "resources"]
        var parts: [String] = []
        for name in names.sorted() {
            let field: String
            let resource: String
            switch name {
            case "cpu", "memory", "ephemeral-storage": (field, resource) = ("requests", name)
            case "requests.cpu", "requests.memory", "requests.ephemeral-storage", "limits.cpu", "limits.memory",
                "limits.ephemeral-storage":
                let dot = name.firstIndex(of: ".") ?? name.endIndex
                (field, resource) = (String(name[..<dot]), String(name[name.index(after: dot)...]))
            default: continue
            }
            // Only processor and memory must be named.
            if resource == "ephemeral-storage" || total?[field]?[resource] != nil { continue }
            let lacking = containers.filter { $0["resources"]?[field]?[resource] == nil }
                .map { $0["name"]?.stringValue ?? "" }
            if !lacking.isEmpty { parts.append("\(name) for: \(Set(lacking).sorted().joined(separator: ","))") }
        }
        return parts.joined(separator: "; ")
    }

    // MARK: Scopes

    static func isInScope(_ object: KubeObject, storage: String, _ quota: KubeObject) -> Bool {
        for scope in quota["spec", "scopes"]?.stringArray ?? [] where !matches(object, storage, scope, "Exists", []) {
            return false
        }
        for expression in quota["spec", "scopeSelector", "matchExpressions"]?.arrayValue ?? [] {
            let scope = expression["scopeName"]?.stringValue ?? ""
            let words = expression["values"]?.stringArray ?? []
            if !matches(object, storage, scope, expression["operator"]?.stringValue ?? "", words) { return false }
        }
        return true
    }

    private static func matches(
        _ object: KubeObject,
        _ storage: String,
        _ scope: String,
        _ comparison: String,
        _ values: [String]
    ) -> Bool {
        // Scopes are about pods; with one, nothing else counts.
        guard storage == "pods" else { return false }
        let spec = object["spec"] ?? [:]
        let hasDeadline = (spec["activeDeadlineSeconds"]?.intValue).map { $0 >= 0 } ?? false
        let isBestEffort = PodStrategy.qosClass(spec) == "BestEffort"
        switch scope {
        case "Terminating": return hasDeadline
        case "NotTerminating": return !hasDeadline
        case "BestEffort": return isBestEffort
        case "NotBestEffort": return !isBestEffort
        case "CrossNamespacePodAffinity":
            let terms = ["podAffinity", "podAntiAffinity"].flatMap { kind -> [JSON] in
                let affinity = spec["affinity"]?[kind]
                let required = affinity?["requiredDuringSchedulingIgnoredDuringExecution"]?.arrayValue ?? []
                let preferred = affinity?["preferredDuringSchedulingIgnoredDuringExecution"]?.arrayValue ?? []
                return required + preferred.compactMap { $0["podAffinityTerm"] }
            }
            return terms.contains {
                !($0["namespaces"]?.arrayValue ?? []).isEmpty || !($0["namespaceSelector"]?.isNull ?? true)
            }
        case "PriorityClass":
            let name = spec["priorityClassName"]?.stringValue ?? ""
            switch comparison {
            case "In": return values.contains(name)
            case "NotIn": return !values.contains(name)
            case "DoesNotExist": return name.isEmpty
            default: return !name.isEmpty
            }
        default: return false
        }
    }
}

extension Registry {
    /// Comes last: whatever else refuses a write must not have used up its quota.
    func quotaAdmission(
        _ object: KubeObject?,
        old: KubeObject?,
        _ resource: Resource,
        _ context: StrategyContext
    ) async throws {
        guard let object, context.subresource == nil || context.subresource == "resize" else { return }
        try quotas.admit(object, old: old, storage: resource.storage, context)
    }

    /// Writes what is used of each quota into its status.
    func updateQuotaStatus() async {
        guard store.count("resourcequotas") > 0, let resource = table.find(resourceQuotas) else { return }
        for stored in store.list("resourcequotas").objects {
            let quota = stored.object
            let hard: JSON = quota["spec", "hard"] ?? [:]
            let used = QuotaUsage.used(quota, namespace: stored.namespace, store)
            let status: JSON = ["hard": hard, "used": .object(used.mapValues { .string($0.description) })]
            if quota["status"] == status { continue }
            do {
                _ = try await change(
                    resource,
                    stored.namespace,
                    stored.name,
                    "status",
                    WriteOptions(),
                    isHookAsked: false
                ) { live in
                    var live = live
                    live["status"] = status
                    return live
                }
            } catch let error as APIError where error.isNotFound || error.isConflict {
                continue
            } catch {
                configuration.logger.warning("quota status not written", metadata: ["error": "\(error)"])
            }
        }
    }

    private var resourceQuotas: ResourceType {
        ResourceType(group: "", version: "v1", plural: "resourcequotas", kind: "ResourceQuota")
    }
}
