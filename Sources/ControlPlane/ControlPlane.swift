package import ControlPlaneAPI
internal import Foundation
internal import Hummingbird
internal import HummingbirdCore
internal import HummingbirdTLS
internal import KubeCore
package import Logging
internal import NIOCore
internal import NIOSSL
internal import ServiceLifecycle
internal import Synchronization

/// The REST service that stands in for the cloud side: resources, jobs, endpoints, tracking and blobs.
///
/// State is in `controlplane.db` and `blobs/` of the data folder alone.
package final class ControlPlane: Service {
    private let core: Core
    private let syncs: [ClusterSync]
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
        let core = Core(
            configuration: configuration,
            store: store,
            tokens: try await TokenIssuer(
                signingKeyPEM: configuration.signingKeyPEM,
                issuer: configuration.publicURL,
                tenant: configuration.connection.tenant
            ),
            blobs: blobs,
            signatures: SignatureService(secret: secret),
            logger: logger
        )
        self.core = core
        self.logger = logger
        syncs = configuration.clusters.map { ClusterSync(core: core, target: $0) }
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
        tls.applicationProtocols = ["http/1.1"]
        // Idle clients rarely answer the goodbye; the default would hold up every stop for five seconds.
        tls.shutdownTimeout = .milliseconds(300)
        let responder = ControlPlaneResponder(routes: routes(), gate: AccessGate(tokens: core.tokens), logger: logger)
        var services: [any Service] = []
        for address in core.configuration.listen {
            let application = Application(
                responder: responder,
                server: try .tls(.http1(), tlsConfiguration: tls),
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
        services.append(ClusterWork(syncs: syncs, core: core))
        let group = ServiceGroup(configuration: .init(services: services.map { .init(service: $0) }, logger: logger))
        try await group.run()
        do {
            try core.store.close()
        } catch {
            // A reader that ends a moment later holds it open; the write-ahead log needs no goodbye.
            logger.debug("the database was still in use when it was closed", metadata: ["error": "\(error)"])
        }
    }

    private func routes() -> RouteTable {
        var routes = RouteTable()
        let logs = DeploymentLogs(
            gateways: Dictionary(syncs.map { ($0.target.key, $0.gateway) }) { first, _ in first }
        )
        MetadataRoutes(core: core).register(&routes)
        IdentityRoutes(core: core).register(&routes)
        ResourceRoutes(core: core).register(&routes)
        ClusterRoutes(core: core).register(&routes)
        ExtensionRoutes(core: core).register(&routes)
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
