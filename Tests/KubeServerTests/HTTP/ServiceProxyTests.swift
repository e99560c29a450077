import AsyncHTTPClient
import KubeClient
import KubeCore
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization
import TestSupport
import Testing

@testable import KubeServer

@Suite(.timeLimit(.minutes(1))) struct ServiceProxyTests {
    private func tls(_ cluster: TestCluster, _ pair: PKI.Pair? = nil) throws -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        let pair = pair ?? cluster.admin
        tls.trustRoots = .certificates(
            try NIOSSLCertificate.fromPEMBytes(Array(cluster.authority.certificatePEM.utf8))
        )
        tls.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(pair.certificatePEM.utf8))
            .map { .certificate($0) }
        tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(pair.keyPEM.utf8), format: .pem))
        return tls
    }

    private func withCluster(
        isTLS: Bool = false,
        portName: String? = nil,
        _ body: (TestCluster, EchoServer, HTTPClient) async throws -> Void
    ) async throws {
        try await EchoServer.run(isTLS: isTLS) { server in
            try await TestCluster.run { cluster in
                try await server.serve(in: cluster.api, portName: portName)
                let client = HTTPClient(
                    configuration: .init(tlsConfiguration: try tls(cluster), redirectConfiguration: .disallow)
                )
                let result = await Result<Void, any Error>.catching { try await body(cluster, server, client) }
                try await client.shutdown()
                try result.get()
            }
        }
    }

    private func send(
        _ client: HTTPClient,
        _ cluster: TestCluster,
        _ path: String,
        method: HTTPMethod = .GET,
        body: HTTPClientRequest.Body? = nil
    ) async throws -> (status: Int, text: String, headers: HTTPHeaders) {
        var request = HTTPClientRequest(url: cluster.address + "/api/v1/namespaces/default/" + path)
        request.method = method
        request.headers.add(name: "X-Mine", value: "1")
        request.headers.add(name: "Keep-Alive", value: "timeout=5")
        request.body = body
        let response = try await client.execute(request, timeout: .seconds(20))
        let buffer = try await response.body.collect(upTo: 16 << 20)
        return (Int(response.status.code), String(buffer: buffer), response.headers)
    }

    @Test func `A request reaches a Service's pod with path, query, headers and method`() async throws {
        try await withCluster { cluster, _, client in
            let got = try await send(client, cluster, "services/web/proxy/a%20b/c?x=1&y=%2F", method: .PUT)
            #expect(got.status == 203)
            #expect(got.headers.first(name: "X-Own") == "yes")
            #expect(got.text.hasPrefix("PUT /a%20b/c?x=1&y=%2F HTTP/1.1\r\n"))
            #expect(got.text.contains("X-Mine: 1"))
            #expect(got.text.contains("X-Forwarded-For: 127.0.0.1"))
            #expect(!got.text.lowercased().contains("keep-alive"))
            for form in ["services/web:80/proxy/", "services/http:web:80/proxy/", "services/web:/proxy/"] {
                #expect(try await send(client, cluster, form).text.hasPrefix("GET / HTTP/1.1\r\n"), "\(form)")
            }
            let pod = try await send(client, cluster, "pods/web:\(try await port(cluster))/proxy/p")
            #expect(pod.text.hasPrefix("GET /p HTTP/1.1\r\n"))
        }
    }

    private func port(_ cluster: TestCluster) async throws -> Int {
        let slice = try await cluster.api.get(.endpointSlices, namespace: "default", name: "web")
        return slice["ports"]?[0]?["port"]?.intValue ?? 0
    }

    @Test func `A token stays with the API server`() async throws {
        try await withCluster { cluster, _, _ in
            try await cluster.api.create(.serviceAccounts, .serviceAccount("robot"))
            let body: [String: JSON] = [
                "roleRef": ["apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"],
                "subjects": [["kind": "ServiceAccount", "name": "robot", "namespace": "default"]],
            ]
            try await cluster.api.create(
                .clusterRoleBindings,
                KubeObject(.clusterRoleBindings, name: "robot", body: body)
            )
            let answer = try await cluster.api.create(
                .serviceAccounts,
                namespace: "default",
                name: "robot",
                subresource: "token",
                object: KubeObject(["apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": [:]]),
                options: WriteOptions()
            )
            let token = answer["status", "token"]?.stringValue ?? ""
            try await cluster.withClient(cluster.configuration(token: token)) { api in
                let text = try await eventually { () async throws -> String? in
                    let bytes = try await api.raw("/api/v1/namespaces/default/services/web/proxy/x")
                    return String(decoding: bytes, as: UTF8.self)
                }
                #expect(text.hasPrefix("GET /x HTTP/1.1"))
                #expect(!text.lowercased().contains("authorization"))
            }
        }
    }

    @Test func `https speaks TLS to whoever is there`() async throws {
        try await withCluster(isTLS: true, portName: "api") { cluster, _, client in
            for form in ["services/https:web:api/proxy/z", "services/https:web:80/proxy/z"] {
                let text = try await send(client, cluster, form).text
                #expect(text.hasPrefix("GET /z HTTP/1.1\r\n"), "\(form)")
            }
        }
    }

    @Test func `What cannot be reached says why`() async throws {
        try await withCluster(portName: "api") { cluster, _, client in
            func message(_ path: String) async throws -> (Int, String) {
                let answer = try await send(client, cluster, path)
                return (answer.status, try JSON(parsing: answer.text)["message"]?.stringValue ?? answer.text)
            }
            #expect(try await message("services/web/proxy/") == (503, "no endpoints available for service \"web\""))
            #expect(
                try await message("services/web:90/proxy/") == (503, "no service port 90 found for service \"web\"")
            )
            #expect(try await message("services/a:b:c:d/proxy/") == (400, "invalid service request \"a:b:c:d\""))
            #expect(try await message("services/ftp:web:80/proxy/") == (400, "invalid service request \"ftp:web:80\""))
            #expect(try await message("services/none/proxy/") == (404, "services \"none\" not found"))
            let closed = try await message("pods/web:1/proxy/")
            #expect(closed.0 == 503)
            #expect(
                closed.1 == "error trying to reach service: dial tcp 127.0.0.1:1: connect: connection refused"
            )
            let slash = try await send(client, cluster, "services/web:api/proxy")
            #expect(slash.status == 301)
            #expect(slash.headers.first(name: "Location")?.hasSuffix("/proxy/") == true)
            // An address that no pod has is not an endpoint of the proxy's.
            try await cluster.api.delete(
                .pods,
                namespace: "default",
                name: "web",
                options: DeleteOptions(gracePeriodSeconds: 0)
            )
            #expect(try await message("services/web:api/proxy/").0 == 503)
        }
    }

    @Test func `Bodies are passed on as they come, however large`() async throws {
        try await withCluster { cluster, server, client in
            let chunk = ByteBuffer(repeating: 120, count: 1 << 20)
            let chunks = AsyncStream<ByteBuffer> { continuation in
                for _ in 0..<8 { continuation.yield(chunk) }
                continuation.finish()
            }
            let unknown = try await send(
                client,
                cluster,
                "services/web/proxy/up",
                method: .POST,
                body: .stream(chunks, length: .unknown)
            )
            #expect(unknown.status == 203)
            #expect(server.received.withLock { $0 } > 8 << 20)
            let known = try await send(
                client,
                cluster,
                "services/web/proxy/up",
                method: .POST,
                body: .bytes(ByteBuffer(repeating: 120, count: 5 << 20))
            )
            #expect(known.text.hasSuffix("body: \(5 << 20)"))
            // The connection goes on with ordinary requests.
            let list = try await send(client, cluster, "pods")
            #expect(list.status == 200)
        }
    }

    @Test func `Roles on services/proxy decide, by method`() async throws {
        try await withCluster { cluster, _, _ in
            let rule: JSON = [
                "apiGroups": [""], "resources": ["services/proxy"], "verbs": ["get"],
                "resourceNames": ["web:80"],
            ]
            let role = KubeObject(.roles, namespace: "default", name: "proxy", body: ["rules": [rule]])
            try await cluster.api.create(.roles, role)
            let binding: [String: JSON] = [
                "roleRef": ["apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "proxy"],
                "subjects": [["kind": "User", "name": "jane"]],
            ]
            try await cluster.api.create(
                .roleBindings,
                KubeObject(.roleBindings, namespace: "default", name: "proxy", body: binding)
            )
            let pair = try cluster.certificate(user: "jane")
            let client = HTTPClient(configuration: .init(tlsConfiguration: try tls(cluster, pair)))
            let result = await Result<Void, any Error>.catching {
                try await eventuallyTrue {
                    try await send(client, cluster, "services/web:80/proxy/").status == 203
                }
                #expect(try await send(client, cluster, "services/web:80/proxy/", method: .POST).status == 403)
                #expect(try await send(client, cluster, "services/web/proxy/").status == 403)
            }
            try await client.shutdown()
            try result.get()
        }
    }

    @Test(arguments: [false, true]) func `Upgrades and streams pass`(isTLS: Bool) async throws {
        try await withCluster(isTLS: isTLS) { cluster, _, _ in
            let context = try NIOSSLContext(configuration: try tls(cluster))
            func connect() async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
                try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .connect(host: "127.0.0.1", port: cluster.port) { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(
                                NIOSSLClientHandler(context: context, serverHostname: nil)
                            )
                            return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                        }
                    }
            }
            let name = isTLS ? "https:web:" : "web"
            let start = "GET /api/v1/namespaces/default/services/\(name)/proxy/ws HTTP/1.1\r\nHost: x\r\n"
            let text = try await connect().executeThenClose { inbound, outbound -> String in
                try await outbound.write(
                    ByteBuffer(string: start + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\nping")
                )
                var text = ""
                for try await buffer in inbound {
                    text += String(buffer: buffer)
                    if text.hasSuffix("ping") { break }
                }
                return text
            }
            #expect(text.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
            // The first part of the answer comes while the request's body is still open.
            let stream = try await connect().executeThenClose { inbound, outbound -> String in
                let post = start.replacing("GET", with: "POST").replacing("/ws", with: "/stream")
                try await outbound.write(ByteBuffer(string: post + "Transfer-Encoding: chunked\r\n\r\n"))
                var text = ""
                var didSend = false
                for try await buffer in inbound {
                    text += String(buffer: buffer)
                    if text.contains("first"), !didSend {
                        didSend = true
                        try await outbound.write(ByteBuffer(string: "2\r\nhi\r\n0\r\n\r\n"))
                    }
                    if text.contains("second") { break }
                }
                return text
            }
            #expect(stream.contains("first\n"))
        }
    }
}
