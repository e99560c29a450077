import KubeCore
import KubeRuntime
import KubeServer
import KubeStore
import Logging
import Scheduling
import ServiceLifecycle
import TestSupport

@testable import KubeControllers

/// A cluster without containers: registry in memory, controllers, schedulers, and an agent that only says that pods run.
struct ControllerHarness: Sendable {
    let api: any ResourceAPI

    /// Runs `body` and ends everything whatever comes.
    static func run(
        nodes: [KubeObject] = [.node("n1")],
        withVolcano: Bool = false,
        volumeFolder: String? = nil,
        _ body: (ControllerHarness) async throws -> Void
    ) async throws {
        let store = try KubeStore.ObjectStore(path: nil)
        let registry = try Registry(store: store)
        for name in ["default", "kube-node-lease"] { try await registry.create(.namespaces, .namespace(name)) }
        var logger = Logger(label: "controllers-test")
        logger.logLevel = .error
        for node in nodes { try await register(node, registry) }
        if withVolcano {
            for definition in VolcanoCRDs.all { try await registry.create(.customResourceDefinitions, definition) }
        }
        let controllers = KubeControllers(
            api: registry,
            logger: logger,
            configuration: .init(rootCAPEM: "PEM", loadBalancerAddresses: ["10.1.0.1"], volumeFolder: volumeFolder),
            kinds: { registry.kinds.filter { $0.verbs.contains("list") && $0.verbs.contains("delete") }.map(\.type) }
        )
        let scheduler = DefaultScheduler(
            api: registry,
            logger: logger,
            pods: controllers.pods,
            nodes: controllers.nodes
        )
        var services: [any Service] = controllers.services + scheduler.services
        if withVolcano {
            services += VolcanoControllers(api: registry, logger: logger).services
            services += VolcanoScheduler(api: registry, logger: logger).services
        }
        services.append(PretendAgent(api: registry, logger: logger).service)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await registry.run() }
            for service in services { group.addTask { try await service.run() } }
            let result = await Result.catching {
                let cluster = ControllerHarness(api: registry)
                // Pods are refused until their account exists.
                try await cluster.wait("the default account is there") {
                    try await registry.find(.serviceAccounts, namespace: "default", name: "default") != nil
                }
                try await body(cluster)
            }
            group.cancelAll()
            try await group.waitForAll()
            try result.get()
        }
    }

    private static func register(_ node: KubeObject, _ api: any ResourceAPI) async throws {
        var created = try await api.create(.nodes, node)
        created["status"] = node["status"]
        try await api.updateStatus(.nodes, created)
    }

    func addNode(_ node: KubeObject) async throws { try await Self.register(node, api) }

    func pods(_ namespace: String = "default") async throws -> [KubeObject] {
        try await api.list(.pods, namespace: namespace).items
    }

    func wait(_ what: String, _ condition: () async throws -> Bool) async throws {
        try await eventuallyTrue(what, timeout: .seconds(40), condition)
    }
}

/// Says that pods of known nodes run (or, with the label `test/ends`, that they ended), and lets deleted ones go.
struct PretendAgent: Sendable {
    let service: any Service

    init(api: any ResourceAPI, logger: Logger) {
        let pods = Informer(api: api, type: .pods, logger: logger)
        let controller = Controller(name: "pretend-agent", workers: 4, logger: logger) { key in
            guard var pod = pods.get(key), PodFacts(pod).nodeName != nil else { return .settled }
            if pod.isTerminating {
                try await api.deleteIfPresent(
                    .pods,
                    key,
                    options: DeleteOptions(gracePeriodSeconds: 0, preconditionUID: pod.uid)
                )
                return .settled
            }
            guard PodFacts(pod).phase == "Pending" else { return .settled }
            let end = pod.labels["test/ends"]
            pod["status", "phase"] = .string(end ?? "Running")
            pod["status", "podIP"] = .string("10.9.0.\(Int.random(in: 2...250))")
            pod["status", "podIPs"] = [["ip": pod["status", "podIP"] ?? ""]]
            var conditions = ConditionList(pod["status", "conditions"])
            for type in ["Ready", "ContainersReady"] {
                conditions.set(
                    type,
                    end == nil ? "True" : "False",
                    reason: "",
                    message: "",
                    now: "2024-05-01T10:00:00Z"
                )
            }
            pod["status", "conditions"] = conditions.json
            try await api.updateStatus(.pods, pod)
            return .settled
        }
        controller.watch(pods)
        service = ControllerManager(informers: [pods], controllers: [controller])
    }
}
