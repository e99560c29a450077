internal import KubeCore
internal import KubeRuntime
internal import Logging

/// What the agent sees of its cluster without asking: the objects in its namespace and the nodes.
final class ClusterWatch: Sendable {
    let pods: Informer
    let nodes: Informer
    /// What went wrong, in the cluster's own words.
    private let events: Informer
    /// Kinds that hold pods.
    private let workloads: [Informer]
    /// Other kinds that the extension makes.
    private let parts: [Informer]

    /// Kinds whose pods are waited for.
    static let workloadTypes: [ResourceType] = [.deployments, .daemonSets, .statefulSets]

    init(api: any ResourceAPI, logger: Logger) {
        let namespace = ExtensionRenderer.namespace
        let ours = "\(ExtensionRenderer.managedByLabel)=\(ExtensionRenderer.fieldManager)"
        pods = Informer(api: api, type: .pods, namespace: namespace, logger: logger)
        nodes = Informer(api: api, type: .nodes, logger: logger)
        events = Informer(api: api, type: .events, namespace: namespace, logger: logger)
        events.addIndex("subject") { [$0["involvedObject", "name"]?.stringValue ?? ""] }
        // An operator's workloads do not bear our label.
        workloads = Self.workloadTypes.map { Informer(api: api, type: $0, namespace: namespace, logger: logger) }
        parts = [ResourceType.services, .configMaps, .secrets, .serviceAccounts, .roles, .roleBindings].map {
            Informer(api: api, type: $0, namespace: namespace, labelSelector: ours, logger: logger)
        }
    }

    var informers: [Informer] { needed + [events] }

    /// Events only tell more.
    private var needed: [Informer] { workloads + parts + [pods, nodes] }

    var hasSynced: Bool { needed.allSatisfy(\.hasSynced) }

    /// Kinds of which the first list has not come, because the cluster does not answer or a permission is missing.
    var unsynced: [ResourceType] { needed.filter { !$0.hasSynced }.map(\.type) }

    /// Adds handlers; call before the informers run.
    ///
    /// `changed`: an object differs from before, or is gone and has no version. `woken`: look again.
    func onChange(
        changed: @escaping @Sendable (ObjectReference, ObjectVersion?) -> Void,
        woken: @escaping @Sendable () -> Void
    ) {
        for informer in workloads + parts {
            let type = informer.type
            informer.onEvent { event in
                let reference = ObjectReference(type: type, key: event.object.key)
                switch event {
                case .deleted: changed(reference, nil)
                case .updated(let old, let new) where ObjectVersion(old) != ObjectVersion(new):
                    changed(reference, ObjectVersion(new))
                default: break
                }
                woken()
            }
        }
        pods.onEvent { _ in woken() }
        nodes.onEvent { event in
            // Heartbeats of nodes change nothing here.
            if case .updated(let old, let new) = event, old["spec"] == new["spec"], old.labels == new.labels { return }
            woken()
        }
    }

    func find(_ type: ResourceType, _ name: String) -> KubeObject? {
        let key = ObjectKey(namespace: ExtensionRenderer.namespace, name: name)
        return (workloads + parts).first { $0.type == type }?.get(key)
    }

    /// Pods that a workload's selector picks.
    func pods(of workload: KubeObject) -> [KubeObject] {
        guard let wanted = workload["spec", "selector", "matchLabels"]?.stringMap, !wanted.isEmpty else { return [] }
        return pods.list(namespace: ExtensionRenderer.namespace).filter { pod in
            let labels = pod.labels
            return wanted.allSatisfy { labels[$0.key] == $0.value }
        }
    }

    private static let telling: Set<String> = [
        "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedCreate", "FailedScheduling", "Evicted",
        "NetworkNotReady", "FailedPreStopHook", "FailedPostStartHook",
    ]

    /// The newest event that says why the subjects are held up, where their status does not.
    private func warning(_ subjects: [String]) -> String? {
        let found = subjects.flatMap { events.list(index: "subject", value: $0) }.filter {
            $0["type"]?.stringValue == "Warning" && Self.telling.contains($0["reason"]?.stringValue ?? "")
        }
        func time(_ event: KubeObject) -> String {
            event["lastTimestamp"]?.stringValue ?? event.creationTimestamp ?? ""
        }
        guard let last = found.max(by: { time($0) < time($1) }) else { return nil }
        return "\(last["reason"]?.stringValue ?? ""): \((last["message"]?.stringValue ?? "").prefix(300))"
    }

    /// State of everything with pods among `workloads`, and of the router's load balancer.
    func readiness(_ workloads: [ObjectReference], input: RenderInput) -> [ComponentReadiness] {
        let router =
            input.extensionName.isEmpty ? "" : ComponentCatalogue.router.name(extensionName: input.extensionName)
        var states = workloads.map { reference in
            let object = find(reference.type, reference.key.name)
            let own = object.map { pods(of: $0) } ?? []
            var state = ComponentReadiness.evaluate(
                name: reference.key.name,
                type: reference.type,
                workload: object,
                pods: own
            )
            if !state.isReady, let warning = warning(own.map(\.name) + [reference.key.name]) {
                state.message += " (\(warning))"
            }
            if reference.key.name == router { state.code = RouterTrouble.code(object) }
            return state
        }
        if let service = LoadBalancerTrouble.state(find(.services, LoadBalancerTrouble.service), input.settings) {
            states.append(service)
        }
        return states
    }
}

/// Changes whenever somebody writes what an object is to be; not when its status is written, where the server tells the two apart.
struct ObjectVersion: Sendable, Hashable {
    private let text: String

    init(_ object: KubeObject) {
        text = object.generation > 0 ? "g\(object.generation)" : object.resourceVersion ?? ""
    }
}

/// Which of the health check's codes fits a router that does not become ready.
enum RouterTrouble {
    static func code(_ deployment: KubeObject?) -> String {
        guard let deployment else { return "E40004" }
        let isStuck = deployment.condition("Progressing").map { $0["status"]?.stringValue == "False" } ?? false
        if isStuck || deployment.isConditionTrue("ReplicaFailure") { return "E40006" }
        let updated = deployment["status", "updatedReplicas"]?.intValue ?? 0
        let total = deployment["status", "replicas"]?.intValue ?? 0
        return total > updated ? "E40006" : "E40005"
    }
}

/// Whether the router's Service got the address that it asked a load balancer for.
enum LoadBalancerTrouble {
    static let service = "azureml-fe"

    /// nil unless the settings ask for a load balancer.
    static func state(_ service: KubeObject?, _ settings: ExtensionSettings) -> ComponentReadiness? {
        guard settings.enableInference, settings.inferenceRouterServiceType == .loadBalancer else { return nil }
        let ingress = service?["status", "loadBalancer", "ingress"]?.arrayValue ?? []
        let addresses = ingress.compactMap { $0["ip"]?.stringValue ?? $0["hostname"]?.stringValue }
        guard addresses.isEmpty else {
            return ComponentReadiness(
                name: "service/" + self.service,
                isReady: true,
                message: "load balancer address " + addresses.joined(separator: ", ")
            )
        }
        return ComponentReadiness(
            name: "service/" + self.service,
            isReady: false,
            message:
                "no load balancer has given it an address; install one (a cloud provider's, MetalLB, k3s servicelb) or set inferenceRouterServiceType=nodePort or clusterIP",
            code: "E40001"
        )
    }
}
