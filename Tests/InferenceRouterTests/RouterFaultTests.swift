import KubeCore
import NIOCore
import NIOPosix
import Telemetry
import Testing

@testable import InferenceRouter

/// What goes wrong between router and models.
@Suite(.timeLimit(.minutes(1))) struct RouterFaultTests {
    /// A port on which nobody listens.
    private func deadPort() async throws -> Int {
        let model = try await ModelServer.holding()
        await model.stop()
        return model.port
    }

    @Test("One instance never gets more requests than its limit; the others wait their turn")
    func concurrency() async throws {
        let model = try await ModelServer.holding()
        try await RouterHarness.run(
            RouterHarness.table([RouterHarness.deployment(ports: [model.port], queueWait: 5000)])
        ) { router in
            var clients: [RawClient] = []
            for number in 0..<3 {
                let client = try await router.client()
                try await client.send(RouterHarness.request("\(number)"))
                clients.append(client)
            }
            for served in 1...3 {
                try await eventually("request \(served) arrives") { model.requests.count == served }
                #expect(model.requests.count == served)
                try #require(model.takeWaiting()).reply()
            }
            for client in clients {
                #expect(try await client.response().status == 200)
                await client.close()
            }
        }
        #expect(model.connections <= 2)
        await model.stop()
    }

    @Test("Who waits too long gets 503 with Retry-After")
    func queueWait() async throws {
        let model = try await ModelServer.holding()
        try await RouterHarness.run(
            RouterHarness.table([RouterHarness.deployment(ports: [model.port], queueWait: 100)])
        ) { router in
            let first = try await router.client()
            try await first.send(RouterHarness.request())
            try await eventually("the first request arrives") { model.requests.count == 1 }
            let second = try await router.score()
            #expect(second.status == 503)
            #expect(second.headers["retry-after"] == "1")
            #expect(
                second.text.contains("QueueWaitExceeded") && second.text.contains("blue")
                    && second.text.contains("iris")
            )
            try #require(model.takeWaiting()).reply()
            #expect(try await first.response().status == 200)
            await first.close()
        }
        await model.stop()
    }

    @Test("A full queue and a deployment without instances answer 503")
    func noRoom() async throws {
        try await RouterHarness.run(
            RouterHarness.table([
                RouterHarness.deployment("blue", ports: [], queueWait: 50),
                RouterHarness.deployment("tiny", weight: 0, ports: [], queueLength: 0),
            ])
        ) { router in
            let none = try await router.score()
            #expect(none.status == 503 && none.text.contains("NoReadyInstance"))
            let full = try await router.score(headers: ["azureml-model-deployment: tiny"])
            #expect(full.status == 503 && full.text.contains("QueueFull"))
        }
    }

    @Test("A slow model gets 504, and its slot comes back")
    func timeout() async throws {
        let model = try await ModelServer.holding()
        try await RouterHarness.run(
            RouterHarness.table([RouterHarness.deployment(ports: [model.port], timeout: 100)])
        ) { router in
            let response = try await router.score()
            #expect(response.status == 504)
            #expect(response.text.contains("100 ms"))
            try await eventually("the model's connection is closed") { model.open == 0 }
            let client = try await router.client()
            try await client.send(RouterHarness.request())
            try await eventually("the next request arrives") { model.requests.count == 2 }
            await client.close()
        }
        await model.stop()
    }

    @Test("An instance that refuses connections is passed over: no request fails")
    func refused() async throws {
        let dead = try await deadPort()
        let model = try await ModelServer.start { $1.reply() }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [dead, model.port])])) {
            router in
            let client = try await router.client()
            for _ in 0..<20 {
                try await client.send(RouterHarness.request())
                #expect(try await client.response().status == 200)
            }
            await client.close()
            #expect(
                router.metrics.text.contains("outrigger_router_retries_total{endpoint=\"iris\",deployment=\"blue\"} ")
            )
        }
        await model.stop()
    }

    @Test("When no instance accepts, 502 comes at once")
    func allRefused() async throws {
        let (first, second) = (try await deadPort(), try await deadPort())
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [first, second])])) { router in
            let response = try await router.score()
            #expect(response.status == 502)
            #expect(response.text.contains("ModelConnectFailed"))
        }
    }

    @Test("An instance that closes without an answer is left for another; alone, it gives 502")
    func closes() async throws {
        let bad = try await ModelServer.start { $1.close() }
        let good = try await ModelServer.start { $1.reply(200, $0.text) }
        try await RouterHarness.run(
            RouterHarness.table([
                RouterHarness.deployment("blue", ports: [bad.port, good.port]),
                RouterHarness.deployment("alone", weight: 0, ports: [bad.port]),
            ])
        ) { router in
            for number in 0..<6 {
                let response = try await router.score("body-\(number)")
                #expect(response.status == 200)
                #expect(response.text == "body-\(number)")
            }
            let alone = try await router.score(headers: ["azureml-model-deployment: alone"])
            #expect(alone.status == 502)
            #expect(alone.text.contains("ModelClosedConnection"))
        }
        await bad.stop()
        await good.stop()
    }

    @Test("A kept connection that the model closes as the next request arrives costs nothing")
    func staleConnection() async throws {
        let model = try await ModelServer.start { request, connection in
            if request.number == 1 { connection.reply(200, request.text) } else { connection.close() }
        }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])])) { router in
            let client = try await router.client()
            for number in 0..<5 {
                try await client.send(RouterHarness.request("n\(number)"))
                let response = try await client.response()
                #expect(response.status == 200)
                #expect(response.text == "n\(number)")
            }
            await client.close()
        }
        await model.stop()
    }

    @Test("An answer that breaks off breaks the client's connection, so that half is not taken for all")
    func truncated() async throws {
        let model = try await ModelServer.start { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])])) { router in
            let client = try await router.client()
            try await client.send(RouterHarness.request())
            _ = try await client.receive(through: "half")
            try #require(model.takeWaiting()).close()
            #expect(await client.end() == "")
            try await eventually("the fault is counted") {
                router.metrics.text.contains("reason=\"ModelResponseTruncated\"} 1")
            }
        }
        await model.stop()
    }

    @Test(
        "An answer that is not HTTP gives 502",
        arguments: [
            "hello\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
            "HTTP/1.1 101 Up\r\n\r\n",
        ]
    )
    func invalid(_ answer: String) async throws {
        let model = try await ModelServer.start { $1.send(answer) }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])])) { router in
            let response = try await router.score()
            #expect(response.status == 502)
            #expect(response.text.contains("ModelInvalidResponse"))
        }
        await model.stop()
    }

    @Test("Bytes that nobody asked for are not taken for the next answer")
    func unsolicited() async throws {
        let model = try await ModelServer.start { request, connection in
            connection.reply(200, request.text)
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])])) { router in
            let client = try await router.client()
            for number in 0..<10 {
                try await client.send(RouterHarness.request("n\(number)"))
                #expect(try await client.response().text == "n\(number)")
            }
            await client.close()
        }
        await model.stop()
    }

    @Test("The model's own failure is 502, with its status in the headers; other codes pass")
    func modelStatus() async throws {
        let model = try await ModelServer.start { request, connection in
            connection.reply(Int(request.text) ?? 200, "answer", headers: ["ms-azureml-model-error-reason: forged"])
        }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])])) { router in
            let failed = try await router.score("500")
            #expect(failed.status == 502)
            #expect(failed.text == "answer")
            #expect(failed.headers["ms-azureml-model-error-statuscode"] == "500")
            #expect(failed.headers["ms-azureml-model-error-reason"] == "Word")
            let invalid = try await router.score("422")
            #expect(invalid.status == 422)
            #expect(invalid.headers["ms-azureml-model-error-statuscode"] == "422")
            let good = try await router.score("200")
            #expect(good.headers["ms-azureml-model-error-reason"] == nil)
        }
        await model.stop()
    }

    @Test("A client that goes away frees its instance and its place in the queue")
    func clientGone() async throws {
        let model = try await ModelServer.holding()
        try await RouterHarness.run(
            RouterHarness.table([RouterHarness.deployment(ports: [model.port], queueWait: 5000)])
        ) { router in
            let first = try await router.client()
            try await first.send(RouterHarness.request("first"))
            try await eventually("the first request arrives") { model.requests.count == 1 }
            let second = try await router.client()
            try await second.send(RouterHarness.request("second"))
            let third = try await router.client()
            try await third.send(RouterHarness.request("third"))
            try await eventually("two wait") {
                router.metrics.text.contains("queued_requests{endpoint=\"iris\",deployment=\"blue\"} 2")
            }
            await second.close()
            try await eventually("one waits") {
                router.metrics.text.contains("queued_requests{endpoint=\"iris\",deployment=\"blue\"} 1")
            }
            await first.close()
            try await eventually("the third request arrives") { model.requests.last?.text == "third" }
            _ = model.takeWaiting()
            try #require(model.takeWaiting()).reply()
            #expect(try await third.response().status == 200)
            await third.close()
        }
        await model.stop()
    }

    @Test("A new table serves at once: who waits starts on the new instance, and the old one gets nothing more")
    func update() async throws {
        let old = try await ModelServer.start { $1.reply(200, "old") }
        let new = try await ModelServer.start { $1.reply(200, "new") }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [], queueWait: 5000)])) {
            router in
            let client = try await router.client()
            try await client.send(RouterHarness.request())
            try await eventually("it waits") {
                router.metrics.text.contains("queued_requests{endpoint=\"iris\",deployment=\"blue\"} 1")
            }
            router.router.update(RouterHarness.table([RouterHarness.deployment(ports: [old.port])]))
            #expect(try await client.response().text == "old")
            router.router.update(RouterHarness.table([RouterHarness.deployment(ports: [new.port])]))
            try await eventually("the old connection is closed") { old.open == 0 }
            for _ in 0..<5 {
                try await client.send(RouterHarness.request())
                #expect(try await client.response().text == "new")
            }
            router.router.update(RouteTable())
            try await eventually("the endpoint is gone") {
                try await client.send(RouterHarness.request())
                return try await client.response().status == 404
            }
            await client.close()
        }
        await old.stop()
        await new.stop()
    }

    @Test("A shutdown lets the request under way end and tells the client to go")
    func drain() async throws {
        let model = try await ModelServer.holding()
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])])) { router in
            let idle = try await router.client()
            let busy = try await router.client()
            try await busy.send(RouterHarness.request())
            try await eventually("the request arrives") { model.requests.count == 1 }
            #expect(router.health.isReady)
            await router.stop()
            try await eventually("it is not ready") { !router.health.isReady }
            #expect(await idle.end() == "")
            try #require(model.takeWaiting()).reply(200, "done")
            let response = try await busy.response()
            #expect(response.status == 200 && response.text == "done")
            #expect(response.headers["connection"] == "close")
            #expect(await busy.end() == "")
        }
        await model.stop()
    }

    @Test("Each request is counted and logged")
    func accounts() async throws {
        let model = try await ModelServer.start { $1.reply(200, "abc") }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])])) { router in
            let response = try await router.score("hello", headers: ["x-ms-client-request-id: c-1"])
            _ = try await router.score("hello", endpoint: "nobody")
            try await eventually("two lines are written") { router.log.text.split(separator: "\n").count == 2 }
            let lines = try router.log.text.split(separator: "\n").map { try JSON(parsing: String($0)) }
            let line = try #require(lines.first { $0["status"] == 200 })
            #expect(line["requestId"]?.stringValue == response.headers["x-request-id"])
            #expect(line["clientRequestId"] == "c-1")
            #expect(line["endpoint"] == "iris" && line["deployment"] == "blue")
            #expect(line["instance"]?.stringValue == "pod-\(model.port)")
            #expect(line["bytesIn"] == 5 && line["bytesOut"] == 3)
            #expect((line["durationMs"]?.doubleValue ?? -1) >= (line["modelMs"]?.doubleValue ?? 0))
            #expect(lines.contains { $0["error"] == "EndpointNotFound" && $0["status"] == 404 })
            let text = router.metrics.text
            #expect(
                text.contains("outrigger_router_requests_total{endpoint=\"iris\",deployment=\"blue\",code=\"200\"} 1")
            )
            #expect(text.contains("outrigger_router_requests_total{endpoint=\"\",deployment=\"\",code=\"404\"} 1"))
            #expect(
                text.contains(
                    "outrigger_router_request_duration_seconds_count{endpoint=\"iris\",deployment=\"blue\"} 1"
                )
            )
            #expect(text.contains("outrigger_router_ready_replicas{endpoint=\"iris\",deployment=\"blue\"} 1"))
        }
        await model.stop()
    }

    @Test("Under load with instances that come and go, every request is answered with 200")
    func churn() async throws {
        let first = try await ModelServer.start { $1.reply() }
        let second = try await ModelServer.start { $1.reply() }
        let dead = try await deadPort()
        let both = [first.port, second.port, dead]
        try await RouterHarness.run(
            RouterHarness.table([RouterHarness.deployment(ports: both, concurrency: 4, queueWait: 5000)])
        ) { router in
            try await withThrowingTaskGroup(of: Int.self) { tasks in
                for _ in 0..<8 {
                    tasks.addTask {
                        var failures = 0
                        let client = try await router.client()
                        for _ in 0..<100 {
                            try await client.send(RouterHarness.request())
                            if try await client.response().status != 200 { failures += 1 }
                        }
                        await client.close()
                        return failures
                    }
                }
                tasks.addTask {
                    for round in 0..<40 {
                        let ports = round % 2 == 0 ? [first.port, dead] : both
                        router.router.update(
                            RouterHarness.table([
                                RouterHarness.deployment(ports: ports, concurrency: 4, queueWait: 5000)
                            ])
                        )
                        await Task.yield()
                    }
                    return 0
                }
                for try await failures in tasks { #expect(failures == 0) }
            }
        }
        await first.stop()
        await second.stop()
    }
}
