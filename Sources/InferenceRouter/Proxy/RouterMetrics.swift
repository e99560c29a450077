internal import Synchronization
internal import Telemetry

/// The metric families of the router.
final class RouterMetrics: Sendable {
    let requests: MetricFamily<Counter>
    let duration: MetricFamily<Histogram>
    let queueDuration: MetricFamily<Histogram>
    let modelDuration: MetricFamily<Histogram>
    let retries: MetricFamily<Counter>
    let faults: MetricFamily<Counter>
    let inFlight: MetricFamily<Gauge>
    let queueLength: MetricFamily<Gauge>
    let replicas: MetricFamily<Gauge>
    let connections: Gauge
    let droppedLogLines: Counter
    /// Requests that reach no deployment.
    let unrouted: DeploymentMetrics

    init(_ registry: MetricsRegistry) {
        let names = ["endpoint", "deployment"]
        requests = registry.counter(
            "outrigger_router_requests_total",
            help: "Requests answered, by status code.",
            labels: names + ["code"]
        )
        duration = registry.histogram(
            "outrigger_router_request_duration_seconds",
            help: "From the request's head to the end of its answer.",
            labels: names
        )
        queueDuration = registry.histogram(
            "outrigger_router_queue_duration_seconds",
            help: "Wait for a free model instance.",
            labels: names
        )
        modelDuration = registry.histogram(
            "outrigger_router_model_duration_seconds",
            help: "From taking an instance to the end of its answer.",
            labels: names
        )
        retries = registry.counter(
            "outrigger_router_retries_total",
            help: "Requests sent again after an instance failed.",
            labels: names
        )
        faults = registry.counter(
            "outrigger_router_faults_total",
            help: "Requests that the router answered or ended itself, by reason.",
            labels: names + ["reason"]
        )
        inFlight = registry.gauge(
            "outrigger_router_in_flight_requests",
            help: "Requests on model instances.",
            labels: names
        )
        queueLength = registry.gauge(
            "outrigger_router_queued_requests",
            help: "Requests that wait for an instance.",
            labels: names
        )
        replicas = registry.gauge(
            "outrigger_router_ready_replicas",
            help: "Model instances that take requests.",
            labels: names
        )
        connections = registry.gauge("outrigger_router_connections", help: "Client connections.").with()
        droppedLogLines = registry.counter(
            "outrigger_router_access_log_dropped_total",
            help: "Access log lines dropped because writing was too slow."
        ).with()
        unrouted = DeploymentMetrics(
            requests: requests,
            duration: duration,
            queueDuration: queueDuration,
            modelDuration: modelDuration,
            retries: retries,
            faults: faults,
            endpoint: "",
            deployment: ""
        )
    }

    func deployment(_ endpoint: String, _ deployment: String) -> DeploymentMetrics {
        DeploymentMetrics(
            requests: requests,
            duration: duration,
            queueDuration: queueDuration,
            modelDuration: modelDuration,
            retries: retries,
            faults: faults,
            endpoint: endpoint,
            deployment: deployment
        )
    }

    func forget(_ endpoint: String, _ deployment: String) {
        let prefix = [endpoint, deployment]
        requests.remove(prefix: prefix)
        duration.remove(prefix: prefix)
        queueDuration.remove(prefix: prefix)
        modelDuration.remove(prefix: prefix)
        retries.remove(prefix: prefix)
        faults.remove(prefix: prefix)
        inFlight.remove(prefix: prefix)
        queueLength.remove(prefix: prefix)
        replicas.remove(prefix: prefix)
    }
}

/// The metrics of one deployment, all made beforehand so that a request only adds.
final class DeploymentMetrics: Sendable {
    private let success: Counter
    private let byCode: Mutex<[Int: Counter]>
    private let requests: MetricFamily<Counter>
    private let faultFamily: MetricFamily<Counter>
    private let endpoint: String
    private let deployment: String
    let duration: Histogram
    let queueDuration: Histogram
    let modelDuration: Histogram
    let retries: Counter

    init(
        requests: MetricFamily<Counter>,
        duration: MetricFamily<Histogram>,
        queueDuration: MetricFamily<Histogram>,
        modelDuration: MetricFamily<Histogram>,
        retries: MetricFamily<Counter>,
        faults: MetricFamily<Counter>,
        endpoint: String,
        deployment: String
    ) {
        self.endpoint = endpoint
        self.deployment = deployment
        self.requests = requests
        faultFamily = faults
        success = requests.with(endpoint, deployment, "200")
        byCode = Mutex([:])
        self.duration = duration.with(endpoint, deployment)
        self.queueDuration = queueDuration.with(endpoint, deployment)
        self.modelDuration = modelDuration.with(endpoint, deployment)
        self.retries = retries.with(endpoint, deployment)
    }

    func countRequest(status: Int) {
        if status == 200 {
            success.add()
            return
        }
        // A model may answer any code; only those that HTTP defines become labels of their own.
        let code = (100...599).contains(status) ? status : 599
        let counter = byCode.withLock { known in
            if let counter = known[code] { return counter }
            let counter = requests.with(endpoint, deployment, String(code))
            known[code] = counter
            return counter
        }
        counter.add()
    }

    func countFault(_ fault: Fault) { faultFamily.with(endpoint, deployment, fault.rawValue).add() }
}
