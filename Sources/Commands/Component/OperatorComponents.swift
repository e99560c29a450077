internal import ArgumentParser
internal import Extension
internal import Foundation
internal import Gateway
internal import InferenceOperator
internal import KubeCore
internal import KubeRuntime
internal import MLTypes
internal import Scheduling
internal import ServiceLifecycle
internal import TrainingOperator

/// Settings that the operators read from their environment.
enum OperatorSettings {
    static func cluster() throws -> DeliveryPlan.Cluster {
        let text = try ComponentHost.require(ComponentEnvironment.environmentCache)
        guard let cache = EnvironmentCache(text) else {
            throw CommandError(
                "environment variable \(ComponentEnvironment.environmentCache) is \"\(text)\", no place for environments",
                remedy: "write emptyDir, hostPath:/folder or pvc:NAME",
                exitStatus: 2
            )
        }
        return DeliveryPlan.Cluster(
            image: try ComponentHost.require(ComponentEnvironment.image),
            environmentCache: cache,
            imagePullSecret: ComponentHost.variable(ComponentEnvironment.imagePullSecret)
        )
    }

    /// Only the pod that holds the Lease acts.
    static func leading(_ host: ComponentHost, _ services: [any Service]) -> LeaderElector {
        let name = host.name
        return LeaderElector(
            api: host.api,
            namespace: ComponentHost.variable(ComponentEnvironment.podNamespace) ?? "azureml",
            name: name,
            identity: ComponentHost.variable(ComponentEnvironment.podName) ?? name,
            logger: host.logger
        ) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for service in services { group.addTask { try await service.run() } }
                try await group.waitForAll()
            }
        }
    }

    /// Labels of nodes that the extension's settings keep user workloads to.
    ///
    /// The first container of each is this very program, which runs on nodes like this one only.
    static func nodeSelector() throws -> [String: String] {
        let settings = try json(ComponentEnvironment.workloadNodeSelector)?.stringMap ?? [:]
        return ["kubernetes.io/os": "linux", "kubernetes.io/arch": architecture].merging(settings) { $1 }
    }

    private static var architecture: String {
        #if arch(arm64)
        "arm64"
        #else
        "amd64"
        #endif
    }

    /// Taints that the extension's settings let user workloads pass.
    static func tolerations() throws -> [JSON] {
        try json(ComponentEnvironment.workloadTolerations)?.arrayValue ?? []
    }

    private static func json(_ name: String) throws -> JSON? {
        try ComponentHost.variable(name).map { try JSON(parsing: $0) }
    }
}

struct AmlOperatorComponent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "aml-operator", abstract: "Turns AmlJobs into pods.")

    func run() async throws {
        let host = try ComponentHost("aml-operator")
        let work = TrainingOperator(
            api: host.api,
            cluster: try OperatorSettings.cluster(),
            placement: WorkloadPlacement(
                nodeSelector: try OperatorSettings.nodeSelector(),
                tolerations: try OperatorSettings.tolerations()
            ),
            logger: host.logger
        )
        try await host.run([OperatorSettings.leading(host, work.services)])
    }
}

struct InferenceOperatorComponent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inference-operator-controller-manager",
        abstract: "Turns online deployments into pods."
    )

    func run() async throws {
        let host = try ComponentHost("inference-operator-controller-manager")
        var settings = InferenceOperatorConfiguration(
            cluster: try OperatorSettings.cluster(),
            scoringScheme: ComponentHost.variable(ComponentEnvironment.scoringScheme),
            scoringHost: ComponentHost.variable(ComponentEnvironment.scoringHost),
            nodeSelector: try OperatorSettings.nodeSelector(),
            tolerations: try OperatorSettings.tolerations(),
            readLog: { pod, container, previous in
                try await host.log(pod.namespace ?? "default", pod.name, container, 80, previous)
            }
        )
        if let service = ComponentHost.variable(ComponentEnvironment.routerService) {
            let parts = service.split(separator: "/").map(String.init)
            if parts.count == 2 { settings.routerService = ObjectKey(namespace: parts[0], name: parts[1]) }
        }
        let work = InferenceOperator(api: host.api, configuration: settings, logger: host.logger)
        try await host.run([OperatorSettings.leading(host, work.services)])
    }
}

struct VolcanoControllersComponent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volcano-controllers",
        abstract: "Runs Volcano jobs and queues."
    )

    func run() async throws {
        let host = try ComponentHost("volcano-controllers")
        let work = VolcanoControllers(api: host.api, logger: host.logger)
        try await host.run([OperatorSettings.leading(host, work.services)])
    }
}

struct VolcanoSchedulerComponent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volcano-scheduler",
        abstract: "Places gangs of pods, all or none."
    )

    func run() async throws {
        let host = try ComponentHost("volcano-scheduler")
        let work = VolcanoScheduler(api: host.api, logger: host.logger)
        try await host.run([OperatorSettings.leading(host, work.services)])
    }
}

struct GatewayComponent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gateway",
        abstract: "Answers the control plane for this cluster."
    )

    func run() async throws {
        let host = try ComponentHost("gateway")
        let folder = ComponentEnvironment.gatewayTLSFolder
        let settings = GatewayConfiguration(
            port: try ComponentHost.port(ComponentEnvironment.gatewayPort),
            token: {
                try String(contentsOfFile: ComponentEnvironment.gatewayTokenFile, encoding: .utf8)
                    .trimmingCharacters(in: .whitespacesAndNewlines)
            },
            certificate: try String(contentsOfFile: folder + "/tls.crt", encoding: .utf8),
            key: try String(contentsOfFile: folder + "/tls.key", encoding: .utf8),
            version: Product.version
        )
        let gateway = Gateway(
            configuration: settings,
            api: host.api,
            podLogs: { try await host.log($0, $1, $2, $3, $4) },
            health: host.health,
            logger: host.logger
        )
        try await host.run([gateway])
    }
}
