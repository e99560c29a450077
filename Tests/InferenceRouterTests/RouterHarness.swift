import Logging
import ServiceLifecycle
import Synchronization
import Telemetry

@testable import InferenceRouter

/// A running router for one test.
struct RouterHarness: Sendable {
    let router: Router
    let port: Int
    let metrics: MetricsRegistry
    let health: Health
    let log: Log
    let stop: @Sendable () async -> Void

    final class Log: Sendable {
        let bytes = Mutex<[UInt8]>([])
        var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
    }

    static let key = "primary-key-of-the-endpoint"

    /// Runs `body` against a router that serves `table`; afterwards the router must stop in order.
    static func run(
        _ table: RouteTable,
        tls: TLSIdentity? = nil,
        configure: (inout RouterConfiguration) -> Void = { _ in },
        _ body: (RouterHarness) async throws -> Void
    ) async throws {
        let log = Log()
        let health = Health()
        var configuration = RouterConfiguration(
            listeners: [.init(host: "127.0.0.1", port: 0, isTLS: tls != nil)],
            tls: tls
        )
        configuration.eventLoops = 2
        configuration.drainGrace = .zero
        configuration.drainTimeout = .seconds(5)
        configuration.health = health
        configuration.accessLog = { bytes in log.bytes.withLock { $0 += bytes } }
        configure(&configuration)
        var quiet = Logger(label: "test")
        quiet.logLevel = .critical
        let router = try Router(configuration: configuration, logger: quiet)
        router.update(table)
        let group = ServiceGroup(configuration: .init(services: [.init(service: router)], logger: quiet))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await eventually("the router listens") { !router.boundPorts.isEmpty }
            let harness = RouterHarness(
                router: router,
                port: router.boundPorts[0],
                metrics: configuration.metrics,
                health: health,
                log: log,
                stop: { await group.triggerGracefulShutdown() }
            )
            do {
                try await body(harness)
            } catch {
                await group.triggerGracefulShutdown()
                throw error
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    func client() async throws -> RawClient { try await RawClient.connect(port) }

    /// One request on a connection of its own.
    func score(_ body: String = "{}", endpoint: String = "iris", headers: [String] = []) async throws -> RawResponse {
        let client = try await client()
        try await client.send(RouterHarness.request(body, endpoint: endpoint, headers: headers))
        let response = try await client.response()
        await client.close()
        return response
    }

    static func request(
        _ body: String = "{}",
        endpoint: String = "iris",
        key: String = RouterHarness.key,
        headers: [String] = []
    ) -> String {
        let extra = headers.map { $0 + "\r\n" }.joined()
        return "POST /api/v1/endpoint/\(endpoint)/score HTTP/1.1\r\nHost: router\r\nAuthorization: Bearer \(key)\r\n"
            + "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\(extra)\r\n\(body)"
    }

    static func table(_ deployments: [RouteTable.Deployment], auth: RouteTable.Authentication? = nil) -> RouteTable {
        RouteTable(endpoints: [
            .init(
                name: "iris",
                auth: auth ?? .keys(primary: KeyDigest(of: key), secondary: KeyDigest(of: "second")),
                deployments: deployments
            )
        ])
    }

    static func deployment(
        _ name: String = "blue",
        weight: Int = 100,
        ports: [Int],
        concurrency: Int = 1,
        timeout: Int = 5000,
        queueWait: Int = 500,
        queueLength: Int = 1000
    ) -> RouteTable.Deployment {
        var settings = RouteTable.Settings()
        settings.maxConcurrentPerInstance = concurrency
        settings.requestTimeoutMilliseconds = timeout
        settings.maxQueueWaitMilliseconds = queueWait
        settings.maxQueueLength = queueLength
        return .init(
            name: name,
            weight: weight,
            settings: settings,
            backends: ports.map { .init(id: "pod-\($0)", address: "127.0.0.1", port: $0) }
        )
    }
}

/// Polls until the condition holds; fails the test after ten seconds.
func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
    let start = ContinuousClock.now
    while try await !condition() {
        guard ContinuousClock.now - start < .seconds(10) else { throw ClientError(description: "not in time: \(what)") }
        try await Task.sleep(for: .milliseconds(5))
    }
}
