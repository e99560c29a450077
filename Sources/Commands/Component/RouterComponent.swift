internal import ArgumentParser
internal import Extension
internal import Foundation
internal import InferenceRouter
internal import KubeCore
internal import KubeRuntime
internal import Logging
internal import MLTypes
internal import ServiceLifecycle

struct RouterComponent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "azureml-fe-v2",
        abstract: "Routes scoring requests to model servers."
    )

    func run() async throws {
        let host = try ComponentHost("azureml-fe-v2")
        let isInsecureAllowed =
            ComponentHost.variable(ComponentEnvironment.allowInsecureConnections)?.lowercased() == "true"
        var listeners: [RouterConfiguration.Listener] = []
        if isInsecureAllowed {
            listeners.append(.init(port: try ComponentHost.port(ComponentEnvironment.routerHTTPPort), isTLS: false))
        }
        let identity = try RouterTLS.read()
        if identity != nil {
            listeners.append(.init(port: try ComponentHost.port(ComponentEnvironment.routerHTTPSPort), isTLS: true))
        }
        guard !listeners.isEmpty else {
            throw CommandError(
                "the router has neither a certificate nor leave to serve plain HTTP",
                remedy: "set sslSecret, or allowInsecureConnections=True"
            )
        }
        var settings = RouterConfiguration(listeners: listeners, tls: identity, metrics: host.metrics)
        settings.health = host.health
        settings.accessLog = RouterConfiguration.standardOutput
        let keys = ScoringKeys()
        settings.verifyToken = { keys.verify(endpoint: $0, token: $1) }
        let router = try Router(configuration: settings, logger: host.logger)
        let feed = RouteFeed(api: host.api, router: router, keys: keys, logger: host.logger)
        var services: [any Service] = [router, feed]
        if let identity { services.append(RouterTLS.Reload(router: router, present: identity, logger: host.logger)) }
        try await host.run(services)
    }
}

/// Makes the router's table anew whenever an object that it is made from changes.
struct RouteFeed: Service {
    private let manager: ControllerManager

    init(api: any ResourceAPI, router: Router, keys: ScoringKeys, logger: Logger) {
        let endpoints = Informer(api: api, type: MLResources.onlineEndpoints, logger: logger)
        let deployments = Informer(api: api, type: MLResources.onlineDeployments, logger: logger)
        let secrets = Informer(
            api: api,
            type: .secrets,
            labelSelector: MLLabels.managedBy + "=outrigger",
            logger: logger
        )
        let slices = Informer(api: api, type: .endpointSlices, labelSelector: MLLabels.deployment, logger: logger)
        let everything = ObjectKey(name: "table")
        let controller = Controller(name: "routes", workers: 1, logger: logger) { _ in
            let result = RouteTableBuilder(
                endpoints: endpoints.list(),
                deployments: deployments.list(),
                secrets: secrets.list(),
                endpointSlices: slices.list()
            ).build()
            for problem in result.problems { logger.warning("route not usable", metadata: ["problem": "\(problem)"]) }
            keys.update(result.tokenKeys)
            router.update(result.table)
            return .settled
        }
        for informer in [endpoints, deployments, secrets, slices] {
            controller.watch(informer) { _ in [everything] }
        }
        // Without any object there is no event, but the empty table makes the router ready.
        controller.queue.add(everything)
        manager = ControllerManager(
            informers: [endpoints, deployments, secrets, slices],
            controllers: [controller]
        )
    }

    func run() async throws { try await manager.run() }
}

/// The router's certificate, as a mounted Secret.
enum RouterTLS {
    /// nil when no certificate is mounted.
    static func read() throws -> TLSIdentity? {
        let folder = ComponentEnvironment.routerTLSFolder
        for (certificate, key) in [("cert.pem", "key.pem"), ("tls.crt", "tls.key")] {
            guard let chain = FileManager.default.contents(atPath: folder + "/" + certificate) else { continue }
            guard let secret = FileManager.default.contents(atPath: folder + "/" + key) else {
                throw CommandError(
                    "the TLS secret has \(certificate) but no \(key)",
                    remedy: "add the key to the secret"
                )
            }
            return TLSIdentity(certificateChain: Array(chain), privateKey: Array(secret))
        }
        return nil
    }

    /// Picks up a renewed certificate without a restart.
    struct Reload: Service {
        let router: Router
        let present: TLSIdentity
        let logger: Logger

        func run() async throws {
            await cancelWhenGracefulShutdown {
                var present = self.present
                while await sleepUnlessCancelled(.seconds(10)) {
                    do {
                        guard let found = try RouterTLS.read(), found != present else { continue }
                        try self.router.updateTLS(found)
                        present = found
                        self.logger.info("certificate reloaded")
                    } catch {
                        self.logger.warning("certificate not reloaded", metadata: ["error": "\(error)"])
                    }
                }
            }
        }
    }
}
