internal import ArgumentParser
internal import Extension
internal import Foundation
internal import Logging
internal import Relay
internal import ServiceLifecycle
internal import Telemetry
internal import UnixSignals

/// Without a `ComponentHost`: the relay has no business with the Kubernetes API, and its pod no credential for it.
struct RelayComponent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "relayserver",
        abstract: "Keeps the tunnel from this cluster to the control plane."
    )

    private static let part = "relay"

    func run() async throws {
        LogOutput.bootstrap(level: .info)
        let logger = Logger(label: "relayserver")
        let health = Health()
        health.require(Self.part, reason: "not connected to the control plane yet")
        let endpoint = HealthServer(
            port: try ComponentHost.port(ComponentEnvironment.healthPort),
            health: health,
            metrics: MetricsRegistry(),
            logger: logger
        )
        let upstream = GatewayUpstream(
            .init(
                url: "https://gateway.azureml.svc:5004",
                tokenFile: ComponentEnvironment.gatewayTokenFile,
                authorityFile: ComponentEnvironment.gatewayTLSFolder + "/ca.crt"
            )
        )
        let relay = RelayServer(configuration: try Self.settings(), upstream: upstream, logger: logger) { isConnected in
            if isConnected {
                health.setReady(Self.part)
            } else {
                health.setNotReady(Self.part, reason: "not connected to the control plane")
            }
        }
        // The last starts last and stops first: requests under way still need the upstream.
        let group = ServiceGroup(
            services: [endpoint, upstream, relay],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        try await group.run()
    }

    private static func settings() throws -> RelayServerConfiguration {
        let address = try address(try ComponentHost.require(ComponentEnvironment.controlPlaneURL))
        return RelayServerConfiguration(
            host: address.host,
            port: address.port,
            authorityPEM: try String(contentsOfFile: ComponentEnvironment.controlPlaneCAFile, encoding: .utf8),
            token: {
                try String(contentsOfFile: ComponentEnvironment.relayTokenFile, encoding: .utf8)
                    .trimmingCharacters(in: .whitespacesAndNewlines)
            },
            version: Product.version
        )
    }

    private static func address(_ url: String) throws -> (host: String, port: Int) {
        guard let parts = URL(string: url), parts.scheme == "https", let host = parts.host(percentEncoded: false) else {
            throw CommandError(
                "\(ComponentEnvironment.controlPlaneURL) is \"\(url)\", not an https address",
                exitStatus: 2
            )
        }
        return (host.trimmingCharacters(in: CharacterSet(charactersIn: "[]")), parts.port ?? 443)
    }
}
