import KubeCore
import Synchronization
import Testing

@testable import InferenceRouter

/// The router on real sockets: what arrives at the model and what at the client.
@Suite(.timeLimit(.minutes(1))) struct RouterTests {
    @Test("A request reaches the model with its body, under the model's own path, without the key")
    func forwards() async throws {
        let model = try await ModelServer.start {
            $1.reply(200, "[1]", headers: ["Content-Type: application/json", "X-Request-ID: inner"])
        }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])])) { router in
            let client = try await router.client()
            try await client.send(
                "POST /api/v1/endpoint/iris/score?verbose=1 HTTP/1.1\r\nHost: example\r\nAuthorization: Bearer second\r\n"
                    + "Connection: keep-alive, X-Private\r\nX-Private: 1\r\nX-Request-ID: mine\r\nX-Ms-Client-Request-Id: call_1-a\r\n"
                    + "X-Other: kept\r\nContent-Length: 7\r\nTE: trailers\r\n\r\n{\"a\":1}"
            )
            let response = try await client.response()
            #expect(response.status == 200)
            #expect(response.text == "[1]")
            #expect(response.headers["azureml-model-deployment"] == "blue")
            #expect(response.headers["x-ms-client-request-id"] == "call_1-a")
            #expect(response.headers["content-type"] == "application/json")
            let id = try #require(response.headers["x-request-id"])
            #expect(id.utf8.count == 36 && id != "inner" && id != "mine")
            let request = try #require(model.requests.first)
            #expect(request.line == "POST /score?verbose=1 HTTP/1.1")
            #expect(request.text == "{\"a\":1}")
            #expect(request.headers["x-request-id"] == id)
            #expect(request.headers["x-other"] == "kept")
            #expect(request.headers["x-ms-client-request-id"] == "call_1-a")
            for absent in ["authorization", "x-private", "te", "connection"] { #expect(request.headers[absent] == nil) }
            await client.close()
        }
        await model.stop()
    }

    @Test("The other paths: health, v1 service, swagger, unknown")
    func paths() async throws {
        let model = try await ModelServer.start { $1.reply(200, $0.line) }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])])) { router in
            let client = try await router.client()
            func get(_ path: String, method: String = "GET") async throws -> RawResponse {
                try await client.send("\(method) \(path) HTTP/1.1\r\nHost: a\r\nAuthorization: bearer second\r\n\r\n")
                return try await client.response()
            }
            let health = try await get("/")
            #expect(health.status == 200 && health.text == "Healthy")
            #expect(try await get("/api/v1/service/iris/score").text == "GET /score HTTP/1.1")
            #expect(
                try await get("/api/v1/endpoint/iris/swagger.json?version=3").text
                    == "GET /swagger.json?version=3 HTTP/1.1"
            )
            #expect(try await get("/nope").status == 404)
            let unknown = try await get("/api/v1/endpoint/none/score")
            #expect(unknown.status == 404)
            let error = try JSON(parsing: unknown.body)
            #expect(error["error"]?["code"] == "EndpointNotFound")
            #expect(error["error"]?["message"]?.stringValue?.contains("\"none\"") == true)
            #expect(try await get("/api/v1/endpoint/iris/score", method: "DELETE").status == 405)
            await client.close()
        }
        await model.stop()
    }

    @Test("A wrong key is answered before the body is read")
    func unauthorized() async throws {
        let model = try await ModelServer.start { $1.reply() }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])])) { router in
            for value in ["Bearer wrong", "Bearer ", "Basic \(RouterHarness.key)", "Bearer \(RouterHarness.key)x"] {
                let client = try await router.client()
                try await client.send(
                    "POST /api/v1/endpoint/iris/score HTTP/1.1\r\nHost: a\r\nAuthorization: \(value)\r\nContent-Length: 100000\r\n\r\n"
                )
                let response = try await client.response()
                #expect(response.status == 401)
                #expect(response.headers["connection"] == "close")
                await client.close()
            }
            let client = try await router.client()
            try await client.send("GET /api/v1/endpoint/iris/score HTTP/1.1\r\nHost: a\r\n\r\n")
            let response = try await client.response()
            #expect(response.status == 401)
            #expect(response.headers["www-authenticate"] == "Bearer")
            // Nothing was left unread, so the connection goes on.
            try await client.send(RouterHarness.request())
            #expect(try await client.response().status == 200)
            await client.close()
        }
        #expect(model.requests.count == 1)
        await model.stop()
    }

    @Test("Tokens are judged by the hook")
    func tokens() async throws {
        let model = try await ModelServer.start { $1.reply() }
        try await RouterHarness.run(
            RouterHarness.table([RouterHarness.deployment(ports: [model.port])], auth: .token),
            configure: { $0.verifyToken = { $1 == "good-for-\($0)" ? .allowed(seconds: 60) : .denied } }
        ) { router in
            let client = try await router.client()
            try await client.send(RouterHarness.request(key: "good-for-iris"))
            #expect(try await client.response().status == 200)
            try await client.send(RouterHarness.request(key: "bad"))
            #expect(try await client.response().status == 401)
            await client.close()
        }
        await model.stop()
    }

    @Test("Traffic is divided exactly, and a header goes straight to its deployment")
    func traffic() async throws {
        let blue = try await ModelServer.start { $1.reply(200, "blue") }
        let green = try await ModelServer.start { $1.reply(200, "green") }
        let none = try await ModelServer.start { $1.reply(200, "none") }
        let table = RouterHarness.table([
            RouterHarness.deployment("blue", weight: 80, ports: [blue.port]),
            RouterHarness.deployment("green", weight: 20, ports: [green.port]),
            RouterHarness.deployment("none", weight: 0, ports: [none.port]),
        ])
        try await RouterHarness.run(table) { router in
            let client = try await router.client()
            var counts: [String: Int] = [:]
            for _ in 0..<20 {
                try await client.send(RouterHarness.request())
                let response = try await client.response()
                counts[response.text, default: 0] += 1
                #expect(response.headers["azureml-model-deployment"] == response.text)
            }
            #expect(counts == ["blue": 16, "green": 4])
            try await client.send(RouterHarness.request(headers: ["azureml-model-deployment: none"]))
            #expect(try await client.response().text == "none")
            try await client.send(RouterHarness.request(headers: ["azureml-model-deployment: red"]))
            let unknown = try await client.response()
            #expect(unknown.status == 404)
            #expect(unknown.text.contains("DeploymentNotFound"))
            await client.close()
        }
        for model in [blue, green, none] { await model.stop() }
    }

    @Test("An endpoint without traffic says so")
    func noTraffic() async throws {
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(weight: 0, ports: [])])) { router in
            let response = try await router.score()
            #expect(response.status == 404)
            #expect(response.text.contains("NoValidDeployments"))
        }
    }

    @Test("Both sides keep their connections")
    func keepAlive() async throws {
        let model = try await ModelServer.start { $1.reply(200, "\($0.number)") }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])])) { router in
            let client = try await router.client()
            for number in 1...10 {
                try await client.send(RouterHarness.request())
                #expect(try await client.response().text == "\(number)")
            }
            await client.close()
        }
        #expect(model.connections == 1)
        await model.stop()
    }

    @Test("Requests sent ahead are answered in order, one after the other")
    func pipelining() async throws {
        let model = try await ModelServer.start { $1.reply(200, $0.text) }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])])) { router in
            let client = try await router.client()
            let all = (0..<20).map { RouterHarness.request("body-\($0)", key: $0 % 5 == 4 ? "bad" : "second") }.joined()
            try await client.send(all)
            for number in 0..<20 {
                let response = try await client.response()
                #expect(response.status == (number % 5 == 4 ? 401 : 200))
                if response.status == 200 { #expect(response.text == "body-\(number)") }
            }
            await client.close()
        }
        await model.stop()
    }

    @Test("A head that comes byte by byte is understood")
    func trickle() async throws {
        let model = try await ModelServer.start { $1.reply(200, $0.text) }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])])) { router in
            let client = try await router.client()
            for byte in Array(RouterHarness.request("hello").utf8) { try await client.send([byte]) }
            #expect(try await client.response().text == "hello")
            await client.close()
        }
        await model.stop()
    }

    @Test("Chunks pass both ways as they come")
    func streaming() async throws {
        let model = try await ModelServer.start { request, connection in
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n")
            connection.send("5\r\nfirst\r\n")
        }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])])) { router in
            let client = try await router.client()
            try await client.send(
                "POST /api/v1/endpoint/iris/score HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer second\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
            )
            try await client.send("4\r\ndefg\r\n0\r\n\r\n")
            _ = try await client.receive(through: "first\r\n")
            #expect(model.requests.first?.text == "abcdefg")
            let connection = try #require(model.takeWaiting())
            connection.send("6\r\nsecond\r\n0\r\n\r\n")
            _ = try await client.receive(through: "second\r\n0\r\n\r\n")
            // The same connections serve the next request.
            try await client.send(RouterHarness.request())
            _ = try await client.receive(through: "first\r\n")
            await client.close()
        }
        #expect(model.connections == 1)
        await model.stop()
    }

    @Test("Large bodies pass unchanged, without being held in memory", arguments: [false, true])
    func large(chunked: Bool) async throws {
        let model = try await ModelServer.start { request, connection in
            let length = chunked ? "Transfer-Encoding: chunked" : "Content-Length: \(request.body.count)"
            connection.send("HTTP/1.1 200 OK\r\n\(length)\r\n\r\n")
            if chunked { connection.send(String(request.body.count, radix: 16) + "\r\n") }
            connection.send(request.body)
            if chunked { connection.send("\r\n0\r\n\r\n") }
        }
        try await RouterHarness.run(
            RouterHarness.table([RouterHarness.deployment(ports: [model.port], timeout: 30_000)])
        ) { router in
            var generator = SplitMix(state: 3)
            let body = (0..<3_000_000).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            let client = try await router.client()
            let framing = chunked ? "Transfer-Encoding: chunked" : "Content-Length: \(body.count)"
            client.begin(
                Array(
                    "POST /api/v1/endpoint/iris/score HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer second\r\n\(framing)\r\n\r\n"
                        .utf8
                )
            )
            if chunked { client.begin(Array((String(body.count, radix: 16) + "\r\n").utf8)) }
            client.begin(body)
            if chunked { client.begin(Array("\r\n0\r\n\r\n".utf8)) }
            let response = try await client.response()
            #expect(response.status == 200)
            #expect(response.body == body)
            #expect(model.requests.first?.body == body)
            await client.close()
        }
        await model.stop()
    }

    @Test("100 Continue is sent once a model has been found, and not for a refused request")
    func expectContinue() async throws {
        let model = try await ModelServer.start { $1.reply(200, $0.text) }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])])) { router in
            func head(_ key: String) -> String {
                "POST /api/v1/endpoint/iris/score HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(key)\r\n"
                    + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
            }
            let client = try await router.client()
            try await client.send(head("second"))
            #expect(try await client.receive(through: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
            try await client.send("hello")
            #expect(try await client.response().text == "hello")
            #expect(model.requests.first?.headers["expect"] == nil)
            try await client.send(head("bad"))
            let refused = try await client.response()
            #expect(refused.status == 401)
            #expect(refused.headers["connection"] == "close")
            await client.close()
        }
        await model.stop()
    }

    @Test(
        "Requests that two parsers could read differently are refused and the connection closed",
        arguments: [
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "X: a\nContent-Length: 0\r\n\r\n",
            "Content-Length : 5\r\n\r\nhello", "X: a\r\n folded\r\n\r\n",
        ]
    )
    func smuggling(_ rest: String) async throws {
        let model = try await ModelServer.start { $1.reply() }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])])) { router in
            let client = try await router.client()
            try await client.send(
                "POST /api/v1/endpoint/iris/score HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer second\r\n" + rest
            )
            let response = try await client.response()
            #expect(response.status == 400)
            #expect(response.headers["connection"] == "close")
            await client.close()
        }
        #expect(model.requests.isEmpty)
        await model.stop()
    }

    @Test("Bodies over the limit get 413, counted or chunked")
    func tooLarge() async throws {
        let model = try await ModelServer.start { $1.reply() }
        try await RouterHarness.run(
            RouterHarness.table([RouterHarness.deployment(ports: [model.port])]),
            configure: { $0.maxBodyBytes = 10 }
        ) { router in
            #expect(try await router.score("12345678901").status == 413)
            #expect(try await router.score("1234567890").status == 200)
            let client = try await router.client()
            try await client.send(
                "POST /api/v1/endpoint/iris/score HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer second\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n"
            )
            #expect(try await client.response().status == 413)
            await client.close()
        }
        await model.stop()
    }

    @Test("A head that never ends gets 408")
    func slowHead() async throws {
        try await RouterHarness.run(RouterHarness.table([]), configure: { $0.headTimeout = .seconds(2) }) { router in
            let client = try await router.client()
            try await client.send("GET / HTTP/1.1\r\n")
            #expect(try await client.response().status == 408)
            _ = await client.end()
        }
    }

    @Test("A client of HTTP/1.0 gets a plain body and a closed connection")
    func oldClient() async throws {
        let model = try await ModelServer.start { _, connection in
            connection.send(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
            )
        }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])])) { router in
            let client = try await router.client()
            try await client.send("GET /api/v1/endpoint/iris/score HTTP/1.0\r\nAuthorization: Bearer second\r\n\r\n")
            let answer = await client.end()
            #expect(answer.hasSuffix("\r\n\r\nhello world"))
            #expect(!answer.lowercased().contains("transfer-encoding"))
            #expect(model.requests.first?.headers["host"] == "model")
        }
        await model.stop()
    }
}
