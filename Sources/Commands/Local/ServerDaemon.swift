internal import ArgumentParser
internal import ControlPlane
internal import ControlPlaneAPI
internal import Extension
internal import Foundation
internal import KubeClient
internal import KubeControllers
internal import KubeCore
internal import KubeServer
internal import Logging
internal import MLTypes
internal import NodeAgent
internal import Packaging
internal import Scheduling
internal import ServiceLifecycle
internal import Telemetry
internal import UnixSignals

struct Daemon: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "daemon",
        abstract: "Runs a part of an instance; 'outrigger up' starts them.",
        shouldDisplay: false,
        subcommands: [ServerDaemon.self, NodeDaemon.self]
    )
}

/// Kubernetes API, controllers, scheduler, service network, control plane and extension agents of one instance.
struct ServerDaemon: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "server", abstract: "Runs the server of an instance.")

    @OptionGroup var instance: InstanceOptions

    func run() async throws {
        // Pods' folders get exact modes; the caller's mask must take nothing from them.
        umask(0o022)
        LogOutput.bootstrap(level: .info)
        let logger = Logger(label: "server")
        let layout = instance.layout
        // The caller's folder may be on a file system that is to be unmounted.
        _ = chdir("/")
        let record = try InstanceRecord.require(layout)
        // The servers listen on the bridge's address too, so the bridge comes first.
        try await record.network.ensure()

        let kubernetes = try await KubeServer(
            configuration: try kubernetesConfiguration(layout, record),
            logger: Logger(label: "kubernetes")
        )
        let api = kubernetes.api
        let registry = kubernetes.registry
        let controllers = KubeControllers(
            api: api,
            logger: Logger(label: "controllers"),
            configuration: .init(
                rootCAPEM: try String(contentsOfFile: layout.certificateAuthority, encoding: .utf8),
                volumeFolder: layout.root + "/volumes"
            ),
            kinds: {
                registry.kinds.filter { $0.verbs.contains("list") && $0.verbs.contains("delete") }.map(\.type)
            }
        )
        let scheduler = DefaultScheduler(
            api: api,
            logger: Logger(label: "scheduler"),
            pods: controllers.pods,
            nodes: controllers.nodes
        )
        let network = ServiceNetwork(api: api, network: record.network, logger: Logger(label: "network"))
        let controlPlane = try await ControlPlane(
            configuration: try controlPlaneConfiguration(layout, record, api),
            logger: Logger(label: "control-plane")
        )
        let profile = try clusterProfile(layout, record)
        let supervisor = AgentSupervisor(
            controlPlane: controlPlane,
            makeAgent: { Self.agent($0, profile) },
            logger: logger
        )
        let client = try HTTPResourceAPI(
            configuration: try KubeConfig(yaml: try String(contentsOfFile: layout.kubeconfig, encoding: .utf8)),
            logger: Logger(label: "extension-agent")
        )
        let agents = ["connectedClusters", "managedClusters"].map { type in
            ExtensionAgent(
                link: controlPlane.link(
                    clusterType: type,
                    resourceGroup: InstanceRecord.resourceGroup,
                    clusterName: InstanceRecord.clusterName
                ),
                api: api,
                profile: profile,
                podLogs: { try await client.logText($0, $1, $2, $3, $4) },
                serverVersion: { try await client.serverVersion().gitVersion },
                logger: Logger(label: "extension-agent")
            )
        }
        var services: [any Service] = [kubernetes]
        services += controllers.services
        services += scheduler.services
        services.append(network)
        services.append(controlPlane)
        services += agents
        services.append(supervisor)
        let group = ServiceGroup(
            services: services,
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        do {
            try await group.run()
        } catch {
            try? await client.shutdown()
            throw error
        }
        try await client.shutdown()
    }

    /// The agent of a cluster that was registered with a kubeconfig.
    private static func agent(_ cluster: ManagedCluster, _ embedded: ClusterProfile) -> ExtensionAgent {
        var profile = embedded
        profile.controlPlaneURL = cluster.controlPlaneURL
        profile.environmentCache = .emptyDir
        var podLogs: PodLogReading?
        var serverVersion: ClusterFactsReading?
        if let client = cluster.api as? HTTPResourceAPI {
            podLogs = { try await client.logText($0, $1, $2, $3, $4) }
            serverVersion = { try await client.serverVersion().gitVersion }
        }
        return ExtensionAgent(
            link: cluster.link,
            api: cluster.api,
            profile: profile,
            podLogs: podLogs,
            serverVersion: serverVersion,
            logger: Logger(label: "extension-agent")
        )
    }

    private func kubernetesConfiguration(
        _ layout: InstanceLayout,
        _ record: InstanceRecord
    ) throws -> KubeServerConfiguration {
        let setup = InstanceSetup(layout: layout)
        let pair = try setup.requirePair("kube-apiserver")
        let gateway = "\(record.network.gateway)"
        var configuration = KubeServerConfiguration(
            addresses: [
                .init(host: "127.0.0.1", port: record.kubernetesPort),
                .init(host: gateway, port: record.kubernetesPort),
            ],
            certificatePEM: pair.certificatePEM,
            keyPEM: pair.keyPEM,
            clientAuthorityPEM: try String(contentsOfFile: layout.certificateAuthority, encoding: .utf8),
            serviceAccountKeyPEM: try String(contentsOfFile: layout.pki + "/service-account.key", encoding: .utf8),
            databasePath: layout.database,
            agentSocketPath: { layout.nodeSocket($0) }
        )
        configuration.serviceRange = "\(record.network.serviceCIDR)"
        configuration.advertised = .init(host: gateway, port: record.kubernetesPort)
        return configuration
    }

    private func controlPlaneConfiguration(
        _ layout: InstanceLayout,
        _ record: InstanceRecord,
        _ api: any ResourceAPI
    ) throws -> ControlPlaneConfiguration {
        let pair = try InstanceSetup(layout: layout).requirePair("control-plane")
        let connection = try JSONDecoder().decode(
            ConnectionInfo.self,
            from: try Data(contentsOf: URL(fileURLWithPath: layout.connection))
        )
        return ControlPlaneConfiguration(
            dataDirectory: layout.root,
            listen: record.listenHosts.map { .init(host: $0, port: record.port) },
            certificateChainPEM: pair.certificatePEM,
            privateKeyPEM: pair.keyPEM,
            caPEM: try String(contentsOfFile: layout.certificateAuthority, encoding: .utf8),
            publicURL: record.publicURL,
            podURL: record.podURL,
            remoteURL: record.remoteURL,
            connection: connection,
            signingKeyPEM: try String(contentsOfFile: layout.pki + "/tokens.key", encoding: .utf8),
            version: Product.version,
            clusters: [
                ClusterTarget(
                    name: InstanceRecord.clusterName,
                    resourceGroup: InstanceRecord.resourceGroup,
                    access: .api(api, gateway: .direct)
                )
            ],
            validateExtension: Self.problems,
            openCluster: ClusterOpening.open,
            requiredRights: ClusterOpening.rights,
            bundle: { component, version in
                try BundleStore(folder: layout.bundles).objects(component, version)
            },
            versions: { ProductVersions.installed(layout) }
        )
    }

    /// What is wrong with an extension's settings, before anything is stored.
    private static func problems(_ wanted: DesiredExtension) -> [ErrorDetail] {
        do {
            _ = try ExtensionSettings.make(
                settings: wanted.settings,
                protectedSettings: wanted.protectedSettings,
                allowsUnknown: wanted.allowsUnknownSettings
            )
            return []
        } catch {
            return error.problems.map(\.detail)
        }
    }

    private func clusterProfile(_ layout: InstanceLayout, _ record: InstanceRecord) throws -> ClusterProfile {
        ClusterProfile(
            image: Product.image,
            version: Product.version,
            environmentCache: .hostPath(layout.environments),
            controlPlaneURL: record.podURL,
            controlPlaneCA: try String(contentsOfFile: layout.certificateAuthority, encoding: .utf8),
            extraCRDs: VolcanoCRDs.all
        )
    }
}
