/// How a gateway serves.
package struct GatewayConfiguration: Sendable {
    package var host: String
    /// 0 takes a free one; see `Gateway.boundPort`.
    package var port: Int
    /// Read for every request, so that a renewed token works at once.
    package var token: @Sendable () throws -> String
    /// Certificate chain and key, PEM.
    package var certificate: String
    package var key: String
    /// Version of the product, as `/v1/cluster` says.
    package var version: String
    /// Silence on a watch before a blank line is sent.
    package var heartbeat: Duration
    /// Where it remembers removed objects.
    package var namespace: String

    package init(
        host: String = "0.0.0.0",
        port: Int = 5004,
        token: @escaping @Sendable () throws -> String,
        certificate: String,
        key: String,
        version: String,
        heartbeat: Duration = .seconds(10),
        namespace: String = "azureml"
    ) {
        self.host = host
        self.port = port
        self.token = token
        self.certificate = certificate
        self.key = key
        self.version = version
        self.heartbeat = heartbeat
        self.namespace = namespace
    }
}

/// Logs of a container: namespace, pod, container (nil = the only one), last lines (nil = all), of the container before the last restart.
package typealias PodLogs =
    @Sendable (
        _ namespace: String, _ pod: String, _ container: String?, _ tailLines: Int?, _ previous: Bool
    ) async throws -> String
