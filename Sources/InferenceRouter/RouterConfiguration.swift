package import Telemetry

/// Settings of a router that do not change while it runs.
package struct RouterConfiguration: Sendable {
    /// An address to listen on.
    package struct Listener: Sendable, Hashable {
        package var host: String
        /// 0 takes a free port; `Router.boundPorts` tells which.
        package var port: Int
        package var isTLS: Bool

        package init(host: String = "0.0.0.0", port: Int, isTLS: Bool) {
            self.host = host
            self.port = port
            self.isTLS = isTLS
        }
    }

    /// How the status of a model that fails is passed on.
    ///
    /// The original one is in `ms-azureml-model-error-statuscode`.
    package enum StatusMapping: String, Sendable {
        /// 500 of the model becomes 502, as Kubernetes endpoints of the reference system answer.
        case kubernetes
        /// Everything but 2xx becomes 424, as managed endpoints answer.
        case managed
        case unchanged
    }

    /// The judgement on a token.
    package enum TokenVerdict: Sendable, Hashable {
        case denied
        /// Good for this many seconds at most.
        case allowed(seconds: Int)
    }

    package var listeners: [Listener]
    /// Certificate chain and key of the TLS listeners; required when there is one.
    package var tls: TLSIdentity?
    /// nil = one per processor.
    package var eventLoops: Int?
    package var maxBodyBytes = 100 * 1024 * 1024
    /// Time for a client to send a head.
    package var headTimeout: Duration = .seconds(15)
    /// Time that a client may keep an unused connection.
    package var idleTimeout: Duration = .seconds(90)
    /// Time that a response, once begun, or a request body may stand still.
    package var stallTimeout: Duration = .seconds(60)
    package var connectTimeout: Duration = .milliseconds(1000)
    /// Backends tried for one request, the first one included.
    package var maxAttempts = 3
    package var maxIdlePerBackend = 64
    /// After a shutdown is asked for, connections are still accepted for this long, so that load balancers can notice.
    package var drainGrace: Duration = .seconds(5)
    /// Then requests under way get this long to end.
    package var drainTimeout: Duration = .seconds(30)
    package var statusMapping = StatusMapping.kubernetes
    /// Judges tokens of endpoints with `Authentication.token`.
    ///
    /// Runs on an event loop: it must not block.
    package var verifyToken: (@Sendable (_ endpoint: String, _ token: String) -> TokenVerdict)?
    /// Takes finished access-log lines, many at a time; nil writes none.
    package var accessLog: (@Sendable ([UInt8]) -> Void)?
    package var metrics: MetricsRegistry
    package var health: Health?

    package init(listeners: [Listener], tls: TLSIdentity? = nil, metrics: MetricsRegistry = MetricsRegistry()) {
        self.listeners = listeners
        self.tls = tls
        self.metrics = metrics
    }

    /// Access-log lines on standard output, one `write` per batch.
    package static let standardOutput: @Sendable ([UInt8]) -> Void = { StandardOutput.write($0) }
}

/// Certificate and key, both PEM.
package struct TLSIdentity: Sendable, Hashable {
    /// The certificate and then its intermediates.
    package var certificateChain: [UInt8]
    package var privateKey: [UInt8]

    package init(certificateChain: [UInt8], privateKey: [UInt8]) {
        self.certificateChain = certificateChain
        self.privateKey = privateKey
    }
}
