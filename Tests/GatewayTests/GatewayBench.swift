import KubeCore
import KubeRuntime
import Logging
import MLTypes
import Telemetry
import TestSupport

@testable import Gateway

/// One gateway with the API behind it.
struct GatewayBench {
    var gateway: Gateway
    var client: GatewayTestClient
    var api: any ResourceAPI
    var pair: TestPair
}

func withGateway(_ body: (GatewayTestClient, any ResourceAPI) async throws -> Void) async throws {
    try await withGatewayBench { try await body($0.client, $0.api) }
}

/// A cluster with a gateway before it; `decorate` may put something between the two.
func withGatewayBench(
    decorate: (any ResourceAPI) -> any ResourceAPI = { $0 },
    _ body: (GatewayBench) async throws -> Void
) async throws {
    try await TestCluster.run { cluster in
        let api = cluster.api
        try await api.create(.nodes, .node("node-0"))
        try await api.create(.namespaces, KubeObject(.namespaces, name: "azureml"))
        for definition in MLCRDs.all { try await api.create(.customResourceDefinitions, definition) }
        try await eventuallyTrue("kinds") {
            try await api.list(.customResourceDefinitions).items.allSatisfy { $0.isConditionTrue("Established") }
        }
        let pair = try TestPair.make()
        let health = Health()
        let gateway = makeGateway(decorate(api), pair, health)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await gateway.run() }
            let port = try await eventually("listening") { gateway.boundPort }
            try await eventuallyTrue("ready") { health.isReady }
            let client = try GatewayTestClient(port: port, authority: pair.certificate)
            let bench = GatewayBench(gateway: gateway, client: client, api: api, pair: pair)
            let result: Result<Void, any Error>
            do {
                try await body(bench)
                result = .success(())
            } catch {
                result = .failure(error)
            }
            try await client.shutDown()
            group.cancelAll()
            while let ended = await group.nextResult() { _ = ended }
            try result.get()
        }
    }
}

/// A gateway that has not started yet.
func makeGateway(_ api: any ResourceAPI, _ pair: TestPair, _ health: Health) -> Gateway {
    var logger = Logger(label: "test")
    logger.logLevel = .error
    return Gateway(
        configuration: GatewayConfiguration(
            host: "127.0.0.1",
            port: 0,
            token: { "the-token" },
            certificate: pair.certificate,
            key: pair.key,
            version: "1.2.3",
            heartbeat: .milliseconds(50)
        ),
        api: api,
        podLogs: { namespace, pod, _, tail, _ in "log of \(namespace)/\(pod) \(tail ?? -1)" },
        health: health,
        logger: logger
    )
}
