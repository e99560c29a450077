package import ControlPlaneAPI
internal import Foundation
internal import Hummingbird
internal import HummingbirdCore
internal import HummingbirdTLS
internal import KubeCore
package import Logging
internal import NIOCore
internal import NIOSSL
internal import Relay
internal import ServiceLifecycle
internal import Synchronization

/// The REST service that stands in for the cloud side: resources, jobs, endpoints, tracking and blobs.
///
/// State is in `controlplane.db` and `blobs/` of the data folder alone.
package final class ControlPlane: Service {
    let core: Core
    private let logger: Logger
    private let ports = Mutex<[Int]>([])

    /// Opens the database, making it when there is none.
    package init(configuration: ControlPlaneConfiguration, logger: Logger) async throws {
        let data = configuration.dataDirectory
        let store = try ControlPlaneStore(path: data + "/controlplane.db")
        let blobs = BlobService(store: store, files: try BlobFiles(folder: data + "/blobs"))
        let secret = try await store.write { t in
            if let known = try t.setting("signature") { return known }
            let made = RandomText.hex(32)
            try t.set("signature", made)
            return made
        }
        let secrets = SecretBox(path: data + "/pki/secrets.key")
        let clusters = ClusterDirectory(configuration: configuration, secrets: secrets, logger: logger)
        let tokens = try await TokenIssuer(
            signingKeyPEM: configuration.signingKeyPEM,
            issuer: configuration.publicURL,
            tenant: configuration.connection.tenant
        )
        let relay = RelayHub(
            authorize: { token in
                await RelayCredentials.grant(token, tokens: tokens, clusters: clusters).map {
                    RelayGrant(cluster: $0.cluster, lifetime: .seconds($0.seconds))
                }
            },
            version: configuration.version,
            logger: logger
        )
        let core = Core(
            configuration: configuration,
            store: store,
            tokens: tokens,
            blobs: blobs,
            signatures: SignatureService(secret: secret),
            clusters: clusters,
            secrets: secrets,
            relay: relay,
            gateways: GatewayDirectory(relay: relay),
            logger: logger
        )
        self.core = core
        self.logger = logger
        try await clusters.reload(store)
        try await WorkspaceService(core: core).ensureDefault()
        try await blobs.sweep(logger: logger)
    }

    /// The control plane's end of the way to one cluster's extension agent.
    package func link(clusterType: String, resourceGroup: String, clusterName: String) -> any ExtensionLink {
        StoredExtensionLink(
            core: core,
            clusterType: clusterType,
            resourceGroup: resourceGroup,
            clusterName: clusterName
        )
    }

    /// The clusters that were registered with a kubeconfig, the present set first and the newest after each change.
    ///
    /// Whoever reads it runs one extension agent for each; an agent is to be replaced when its cluster's `registration` changes.
    package func clusterLinks() -> AsyncStream<[ManagedCluster]> {
        let core = core
        let (stream, continuation) = AsyncStream.makeStream(
            of: [ManagedCluster].self,
            bufferingPolicy: .bufferingNewest(1)
        )
        // Ends with the stream: its consumer going away cancels it.
        let task = Task {
            for await entries in core.clusters.changes() {
                continuation.yield(entries.compactMap { ManagedCluster($0, core: core) })
            }
            continuation.finish()
        }
        continuation.onTermination = { _ in task.cancel() }
        return stream
    }

    /// Ports that are bound, in the order of the configuration's addresses; empty until the servers run.
    package var boundPorts: [Int] { ports.withLock { $0 } }

    /// Serves until the graceful shutdown, then closes the database.
    package func run() async throws {
        let certificates = try NIOSSLCertificate.fromPEMBytes(Array(core.configuration.certificateChainPEM.utf8))
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: certificates.map { .certificate($0) },
            privateKey: .privateKey(
                try NIOSSLPrivateKey(bytes: Array(core.configuration.privateKeyPEM.utf8), format: .pem)
            )
        )
        tls.minimumTLSVersion = .tlsv12
        // Idle clients rarely answer the goodbye; the default would hold up every stop for five seconds.
        tls.shutdownTimeout = .milliseconds(300)
        let responder = ControlPlaneResponder(routes: routes(), gate: AccessGate(tokens: core.tokens), logger: logger)
        var services: [any Service] = []
        for address in core.configuration.listen {
            let application = Application(
                responder: responder,
                server: try RelayListener.server(hub: core.relay, tls: tls),
                configuration: ApplicationConfiguration(
                    address: .hostname(address.host, port: address.port),
                    backlog: 512
                ),
                onServerRunning: { [self] channel in
                    if let port = channel.localAddress?.port { ports.withLock { $0.append(port) } }
                },
                logger: logger
            )
            services.append(application)
        }
        services.append(ClusterWork(core: core))
        services.append(ExtensionUpkeep(core: core))
        let group = ServiceGroup(configuration: .init(services: services.map { .init(service: $0) }, logger: logger))
        try await group.run()
        await core.clusters.close()
        do {
            try core.store.close()
        } catch {
            // A reader that ends a moment later holds it open; the write-ahead log needs no goodbye.
            logger.debug("the database was still in use when it was closed", metadata: ["error": "\(error)"])
        }
    }

    private func routes() -> RouteTable {
        var routes = RouteTable()
        let logs = DeploymentLogs(core: core)
        MetadataRoutes(core: core).register(&routes)
        IdentityRoutes(core: core).register(&routes)
        ResourceRoutes(core: core).register(&routes)
        ClusterRoutes(core: core).register(&routes)
        AgentRoutes(core: core).register(&routes)
        ExtensionRoutes(core: core).register(&routes)
        ExtensionTypeRoutes(core: core).register(&routes)
        WorkspaceResourceRoutes(core: core).register(&routes)
        DatastoreRoutes(core: core).register(&routes)
        ComputeRoutes(core: core).register(&routes)
        AssetRoutes(core: core).register(&routes)
        JobRoutes(core: core).register(&routes)
        EndpointRoutes(core: core) { deployment, tail, container in
            try await logs.text(deployment, tail: tail, container: container)
        }.register(&routes)
        HistoryRoutes(core: core).register(&routes)
        MLflowRoutes(core: core).register(&routes)
        BlobRoutes(core: core).register(&routes)
        return routes
    }
}
