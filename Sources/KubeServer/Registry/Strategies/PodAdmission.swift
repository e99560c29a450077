internal import Dispatch
internal import KubeCore
internal import KubeStore

/// Gives pods their service account and its token volume.
enum ServiceAccountAdmission {
    static let mountPath = "/var/run/secrets/kubernetes.io/serviceaccount"

    static func admit(_ pod: inout KubeObject, _ context: StrategyContext) async throws {
        if pod.annotations["kubernetes.io/config.mirror"] != nil { return }
        let namespace = pod.namespace ?? ""
        var name = pod["spec", "serviceAccountName"]?.stringValue ?? ""
        if name.isEmpty { name = pod["spec", "serviceAccount"]?.stringValue ?? "" }
        if name.isEmpty { name = "default" }
        pod["spec", "serviceAccountName"] = .string(name)
        pod["spec", "serviceAccount"] = .string(name)
        guard let account = await find(namespace, name, context.registry.store) else {
            throw APIError.forbidden(
                .pods,
                pod.name,
                "error looking up service account \(namespace)/\(name): serviceaccount \"\(name)\" not found"
            )
        }
        if (pod["spec", "imagePullSecrets"]?.arrayValue ?? []).isEmpty, let secrets = account["imagePullSecrets"] {
            pod["spec", "imagePullSecrets"] = secrets
        }
        let wantsToken =
            pod["spec", "automountServiceAccountToken"]?.boolValue
            ?? account["automountServiceAccountToken"]?.boolValue ?? true
        if wantsToken { mount(&pod) }
    }

    /// A new namespace's default account is made by a controller a moment later: wait for it a little.
    private static func find(_ namespace: String, _ name: String, _ store: ObjectStore) async -> KubeObject? {
        let cursor = store.cursor("serviceaccounts", namespace: namespace, after: store.revision)
        if let found = store.find("serviceaccounts", namespace: namespace, name: name) { return found.object }
        guard name == "default" else { return nil }
        let deadline = DispatchTime.now().uptimeNanoseconds + 1_500_000_000
        while DispatchTime.now().uptimeNanoseconds < deadline {
            guard let batch = try? await cursor.next(deadline: deadline), case .changes = batch else { return nil }
            if let found = store.find("serviceaccounts", namespace: namespace, name: name) { return found.object }
        }
        return nil
    }

    private static func mount(_ pod: inout KubeObject) {
        let volumes = pod["spec", "volumes"]?.arrayValue ?? []
        let existing = volumes.compactMap { $0["name"]?.stringValue }.first { $0.hasPrefix("kube-api-access-") }
        let name = existing ?? Registry.generatedName("kube-api-access-")
        var isNeeded = false
        for field in ["initContainers", "containers"] {
            guard let containers = pod["spec", field]?.arrayValue else { continue }
            pod["spec", field] = .array(
                containers.map { container in
                    var container = container
                    let mounts = container["volumeMounts"]?.arrayValue ?? []
                    if mounts.contains(where: { $0["mountPath"]?.stringValue == mountPath }) { return container }
                    isNeeded = true
                    container["volumeMounts"] = .array(
                        mounts + [["name": .string(name), "mountPath": .string(mountPath), "readOnly": true]]
                    )
                    return container
                }
            )
        }
        if isNeeded, existing == nil { pod["spec", "volumes"] = .array(volumes + [volume(name)]) }
    }

    private static func volume(_ name: String) -> JSON {
        let token: JSON = ["serviceAccountToken": ["path": "token", "expirationSeconds": 3607]]
        let authority: JSON = [
            "configMap": ["name": "kube-root-ca.crt", "items": [["key": "ca.crt", "path": "ca.crt"]]]
        ]
        let namespace: JSON = [
            "downwardAPI": [
                "items": [
                    ["path": "namespace", "fieldRef": ["apiVersion": "v1", "fieldPath": "metadata.namespace"]]
                ]
            ]
        ]
        return ["name": .string(name), "projected": ["defaultMode": 420, "sources": [token, authority, namespace]]]
    }
}

/// Pods stay five minutes on a node that is lost, unless they say otherwise.
enum TolerationAdmission {
    static func admit(_ pod: inout KubeObject) {
        var tolerations = pod["spec", "tolerations"]?.arrayValue ?? []
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let isCovered = tolerations.contains { toleration in
                let given = toleration["key"]?.stringValue ?? ""
                let effect = toleration["effect"]?.stringValue ?? ""
                return (given == key || given.isEmpty) && (effect == "NoExecute" || effect.isEmpty)
            }
            if isCovered { continue }
            tolerations.append([
                "key": .string(key), "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300,
            ])
        }
        pod["spec", "tolerations"] = .array(tolerations)
    }
}

/// Resolves a pod's priority class.
enum PriorityAdmission {
    static func admit(_ pod: inout KubeObject, _ context: StrategyContext) throws {
        let store = context.registry.store
        var name = pod["spec", "priorityClassName"]?.stringValue ?? ""
        var found: KubeObject?
        if name.isEmpty {
            found = store.list("priorityclasses.scheduling.k8s.io").objects.map(\.object)
                .filter { $0["globalDefault"]?.boolValue == true }
                .min { ($0["value"]?.intValue ?? 0) < ($1["value"]?.intValue ?? 0) }
            name = found?.name ?? ""
        } else {
            found = store.find("priorityclasses.scheduling.k8s.io", namespace: "", name: name)?.object
            if found == nil {
                throw APIError.forbidden(.pods, pod.name, "no PriorityClass with name \(name) was found")
            }
        }
        let value = found?["value"]?.intValue ?? 0
        if let given = pod["spec", "priority"]?.intValue, given != value {
            throw APIError.forbidden(
                .pods,
                pod.name,
                "the integer value of priority (\(given)) must not be provided in pod spec; priority admission controller "
                    + "computed \(value) from the given PriorityClass name"
            )
        }
        let policy = found?["preemptionPolicy"]?.stringValue ?? "PreemptLowerPriority"
        if let given = pod["spec", "preemptionPolicy"]?.stringValue, given != policy {
            throw APIError.forbidden(
                .pods,
                pod.name,
                "the string value of PreemptionPolicy (\(given)) must not be provided in pod spec; priority admission "
                    + "controller computed \(policy) from the given PriorityClass name"
            )
        }
        if !name.isEmpty { pod["spec", "priorityClassName"] = .string(name) }
        pod["spec", "priority"] = JSON(value)
        pod["spec", "preemptionPolicy"] = .string(policy)
    }
}
