internal import Extension
internal import Foundation
internal import KubeClient
internal import KubeCore
internal import Logging
internal import ServiceLifecycle
internal import Telemetry
internal import UnixSignals

/// What every long-running component shares: API client, health endpoint, metrics, shutdown.
struct ComponentHost: Sendable {
    let name: String
    let api: HTTPResourceAPI
    let logger: Logger
    let health = Health()
    let metrics = MetricsRegistry()

    init(_ name: String) throws {
        LogOutput.bootstrap(level: .info)
        self.name = name
        logger = Logger(label: name)
        api = try HTTPResourceAPI(
            configuration: try KubeConfig.current(),
            userAgent: "\(name)/\(Product.version)",
            logger: logger
        )
    }

    /// The variable `name` of this process; nil when unset or empty.
    static func variable(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    static func require(_ name: String) throws -> String {
        guard let value = variable(name) else {
            throw CommandError(
                "environment variable \(name) is not set",
                remedy: "run this component in the pod that the extension makes"
            )
        }
        return value
    }

    static func port(_ name: String) throws -> Int {
        let text = try require(name)
        guard let port = Int(text), (1...65535).contains(port) else {
            throw CommandError("environment variable \(name) is \"\(text)\", not a port", exitStatus: 2)
        }
        return port
    }

    /// Runs until SIGTERM.
    ///
    /// The health endpoint starts first.
    func run(_ services: [any Service]) async throws {
        let endpoint = HealthServer(
            port: try Self.port(ComponentEnvironment.healthPort),
            health: health,
            metrics: metrics,
            logger: logger
        )
        let group = ServiceGroup(
            services: [endpoint] + services,
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        do {
            try await group.run()
        } catch {
            try? await api.shutdown()
            throw error
        }
        try await api.shutdown()
    }

    /// The last lines of a container's log.
    func log(
        _ namespace: String,
        _ pod: String,
        _ container: String?,
        _ tailLines: Int?,
        _ previous: Bool
    ) async throws -> String {
        try await api.logText(namespace, pod, container, tailLines, previous)
    }
}
