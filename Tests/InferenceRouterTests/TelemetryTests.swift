import Logging
import ServiceLifecycle
import Synchronization
import Telemetry
import Testing

@Suite(.timeLimit(.minutes(1))) struct TelemetryTests {
    @Test("Metrics are written in Prometheus text, sorted and escaped")
    func text() {
        let registry = MetricsRegistry()
        registry.counter("b_total", help: "Second.", labels: ["code"]).with("4\"\n\\").add(3)
        registry.gauge("a", help: "First.").with().set(-2)
        let histogram = registry.histogram("c_seconds", help: "Third.", labels: ["x"], bounds: [0.001, 0.1]).with("y")
        histogram.record(.milliseconds(1))
        histogram.record(.milliseconds(50))
        histogram.record(.seconds(2))
        #expect(
            registry.text == """
                # HELP a First.
                # TYPE a gauge
                a -2
                # HELP b_total Second.
                # TYPE b_total counter
                b_total{code="4\\"\\n\\\\"} 3
                # HELP c_seconds Third.
                # TYPE c_seconds histogram
                c_seconds_bucket{x="y",le="0.001"} 1
                c_seconds_bucket{x="y",le="0.1"} 2
                c_seconds_bucket{x="y",le="+Inf"} 3
                c_seconds_sum{x="y"} 2.051
                c_seconds_count{x="y"} 3

                """
        )
    }

    @Test("Children of a label prefix can be forgotten; declaring a name again gives the same family")
    func families() {
        let registry = MetricsRegistry()
        let family = registry.counter("a_total", help: "", labels: ["x", "y"])
        family.with("1", "2").add()
        family.with("3", "4").add()
        family.remove(prefix: ["1"])
        #expect(!registry.text.contains("x=\"1\""))
        #expect(registry.counter("a_total", help: "", labels: ["x", "y"]).with("3", "4").value == 1)
    }

    @Test("Log lines keep to one line and name their metadata", arguments: [LogOutput.Format.text, .json])
    func logLines(_ format: LogOutput.Format) {
        let box = Box()
        var logger = LogOutput.logger(label: "t", level: .info, format: format) { line in box.append(line) }
        logger[metadataKey: "name"] = "two words"
        logger.debug("hidden")
        logger.info("a\nb", metadata: ["k": "v"])
        let text = box.text
        #expect(text.split(separator: "\n").count == 1)
        switch format {
        case .text: #expect(text.hasSuffix(" info [t] a\\nb k=v name=\"two words\"\n"))
        case .json:
            #expect(
                text.hasSuffix(
                    "\"level\":\"info\",\"logger\":\"t\",\"message\":\"a\\nb\",\"k\":\"v\",\"name\":\"two words\"}\n"
                )
            )
        }
    }

    final class Box: Sendable {
        private let bytes = Mutex<[UInt8]>([])
        func append(_ line: [UInt8]) { bytes.withLock { $0 += line } }
        var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
    }

    @Test("Times are written in UTC with milliseconds")
    func timestamps() {
        #expect(LogTime.text(seconds: 1_769_847_330, milliseconds: 7) == "2026-01-31T08:15:30.007Z")
    }

    @Test("The health endpoint tells who is not ready, serves metrics, and stops in order")
    func health() async throws {
        let (health, registry) = (Health(), MetricsRegistry())
        registry.counter("x_total", help: "").with().add(5)
        health.require("informers", reason: "syncing")
        let server = HealthServer(host: "127.0.0.1", port: 0, health: health, metrics: registry)
        var quiet = Logger(label: "test")
        quiet.logLevel = .critical
        let group = ServiceGroup(configuration: .init(services: [.init(service: server)], logger: quiet))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await eventually("it listens") { server.boundPort != nil }
            let client = try await RawClient.connect(server.boundPort ?? 0)
            func get(_ path: String) async throws -> RawResponse {
                try await client.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
                return try await client.response()
            }
            let early = try await get("/readyz")
            #expect(early.status == 503 && early.text == "informers: syncing\n")
            #expect(try await get("/healthz").status == 200)
            health.setReady("informers")
            #expect(try await get("/readyz").status == 200)
            #expect(try await get("/metrics").text.contains("x_total 5"))
            #expect(try await get("/x").status == 404)
            health.setFault("disk", reason: "full")
            #expect(try await get("/livez").status == 503)
            await client.close()
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }
}
