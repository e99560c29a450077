import AsyncHTTPClient
import KubeCore
import KubeServer
import NIOCore
import NIOHTTP1
import NIOSSL
import TestSupport
import Testing

/// What goes over the wire, as other clients than ours see it.
@Suite(.timeLimit(.minutes(1))) struct ProtocolTests {
    private struct Answer {
        var status: Int
        var headers: HTTPHeaders
        var text: String
        var json: JSON { (try? JSON(parsing: text)) ?? .null }
    }

    private func withHTTP(_ cluster: TestCluster, _ body: (HTTPClient) async throws -> Void) async throws {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(cluster.authority.certificatePEM.utf8)))
        tls.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(cluster.admin.certificatePEM.utf8))
            .map { .certificate($0) }
        tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(cluster.admin.keyPEM.utf8), format: .pem))
        let client = HTTPClient(configuration: .init(tlsConfiguration: tls))
        let result = await Result<Void, any Error>.catching { try await body(client) }
        try await client.shutdown()
        try result.get()
    }

    private func send(
        _ client: HTTPClient,
        _ cluster: TestCluster,
        _ method: HTTPMethod,
        _ path: String,
        body: [UInt8]? = nil,
        headers: [(String, String)] = []
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: cluster.address + path)
        request.method = method
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
        let response = try await client.execute(request, timeout: .seconds(20))
        let buffer = try await response.body.collect(upTo: 16 << 20)
        return Answer(status: Int(response.status.code), headers: response.headers, text: String(buffer: buffer))
    }

    @Test func `Bodies come in several forms and answers in JSON or YAML`() async throws {
        try await TestCluster.run { cluster in
            try await withHTTP(cluster) { client in
                let maps = "/api/v1/namespaces/default/configmaps"
                let bare = try await send(client, cluster, .POST, maps, body: Array(#"{"metadata":{"name":"a"}}"#.utf8))
                #expect(bare.status == 201)
                #expect(bare.json["kind"] == "ConfigMap")
                let yaml = try await send(
                    client,
                    cluster,
                    .POST,
                    maps,
                    body: Array("metadata: {name: b}\ndata: {k: 'on'}\n".utf8),
                    headers: [("Content-Type", "application/yaml"), ("Accept", "application/yaml")]
                )
                #expect(yaml.status == 201)
                #expect(yaml.text.contains("\n  k: \"on\"\n"))
                #expect(yaml.headers.first(name: "Content-Type") == "application/yaml")
                let xml = try await send(
                    client,
                    cluster,
                    .POST,
                    maps,
                    body: Array("<a/>".utf8),
                    headers: [("Content-Type", "text/xml")]
                )
                #expect(xml.status == 415)
                #expect(xml.json["reason"] == "UnsupportedMediaType")
                let html = try await send(client, cluster, .GET, maps, headers: [("Accept", "text/html")])
                #expect(html.status == 406)
                let broken = try await send(client, cluster, .POST, maps, body: Array("{".utf8))
                #expect(broken.status == 400)
                let patch = try await send(
                    client,
                    cluster,
                    .PATCH,
                    maps + "/a",
                    body: Array("{}".utf8),
                    headers: [("Content-Type", "application/json")]
                )
                #expect(patch.status == 415)
                #expect(patch.text == "415: Unsupported Media Type")
            }
        }
    }

    @Test func `Too large a body is a 413 and the server goes on`() async throws {
        try await TestCluster.run { cluster in
            try await withHTTP(cluster) { client in
                let body = Array(repeating: UInt8(ascii: " "), count: 3 * 1024 * 1024 + 1)
                let answer = try await send(client, cluster, .POST, "/api/v1/namespaces/default/configmaps", body: body)
                #expect(answer.status == 413)
                #expect(answer.json["reason"] == "RequestEntityTooLarge")
                let status = try await send(client, cluster, .GET, "/livez").status
                #expect(status == 200)
            }
        }
    }

    @Test func `Methods and addresses that do not exist are refused`() async throws {
        try await TestCluster.run { cluster in
            try await withHTTP(cluster) { client in
                let wanted: [(HTTPMethod, String, Int)] = [
                    (.PUT, "/api/v1/namespaces/default/configmaps", 405),
                    (.POST, "/api/v1/namespaces/default/configmaps/a", 405),
                    (.GET, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405),
                    (.GET, "/apis/none/v1/things", 404), (.GET, "/nowhere", 404), (.GET, "/apis/none", 404),
                    (.GET, "/api/v1/namespaces/default/configmaps/none", 404),
                    (.GET, "/api/v1/namespaces/default/configmaps?limit=x", 400),
                    (.GET, "/api/v1/namespaces/default/configmaps?labelSelector=a%3D%3D%3Db", 400),
                ]
                for (method, path, status) in wanted {
                    let body: [UInt8]? = method == .GET ? nil : Array("{}".utf8)
                    let answer = try await send(client, cluster, method, path, body: body)
                    #expect(answer.status == status, "\(method) \(path)")
                }
                let dry = try await send(
                    client,
                    cluster,
                    .POST,
                    "/api/v1/namespaces/default/configmaps?dryRun=Some",
                    body: Array(#"{"metadata":{"name":"a"}}"#.utf8)
                )
                #expect(dry.status == 422)
            }
        }
    }

    @Test func `Lists come as Tables and as metadata alone`() async throws {
        try await TestCluster.run { cluster in
            try await cluster.api.create(.configMaps, .configMap("a", data: ["k": "v"]))
            try await withHTTP(cluster) { client in
                let maps = "/api/v1/namespaces/default/configmaps"
                let table = try await send(
                    client,
                    cluster,
                    .GET,
                    maps,
                    headers: [("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")]
                )
                #expect(table.json["kind"] == "Table")
                #expect(table.json["rows"]?[0]?["cells"]?[0] == "a")
                #expect(table.json["rows"]?[0]?["object"]?["kind"] == "PartialObjectMetadata")
                let partial = try await send(
                    client,
                    cluster,
                    .GET,
                    maps,
                    headers: [("Accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")]
                )
                #expect(partial.json["kind"] == "PartialObjectMetadataList")
                #expect(partial.json["items"]?[0]?["data"] == nil)
                let watch = try await send(
                    client,
                    cluster,
                    .GET,
                    maps + "?watch=1&timeoutSeconds=1",
                    headers: [("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")]
                )
                let first = watch.text.split(separator: "\n").first.flatMap { try? JSON(parsing: $0.utf8) }
                #expect(first?["type"] == "ADDED")
                #expect(first?["object"]?["columnDefinitions"]?.arrayValue?.isEmpty == false)
            }
        }
    }

    @Test func `Discovery comes aggregated with an entity tag`() async throws {
        try await TestCluster.run { cluster in
            try await withHTTP(cluster) { client in
                let accept = (
                    "Accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
                )
                let first = try await send(client, cluster, .GET, "/apis", headers: [accept])
                #expect(first.json["kind"] == "APIGroupDiscoveryList")
                let tag = try #require(first.headers.first(name: "ETag"))
                let second = try await send(client, cluster, .GET, "/apis", headers: [accept, ("If-None-Match", tag)])
                #expect(second.status == 304)
                let plain = try await send(client, cluster, .GET, "/apis")
                #expect(plain.json["kind"] == "APIGroupList")
            }
        }
    }

    @Test func `OpenAPI documents have the hash of their index`() async throws {
        try await TestCluster.run { cluster in
            try await withHTTP(cluster) { client in
                let index = try await send(client, cluster, .GET, "/openapi/v3")
                let address = index.json[path: "paths", "apis/apps/v1", "serverRelativeURL"]?.stringValue ?? ""
                let document = try await send(client, cluster, .GET, address)
                #expect(document.status == 200)
                #expect(document.headers.first(name: "Cache-Control") == "public, immutable")
                #expect(
                    document.json[path: "paths", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}", "patch"]
                        != nil
                )
            }
        }
    }

    @Test func `Unknown fields warn, or are refused when validation is strict`() async throws {
        try await TestCluster.run { cluster in
            try await withHTTP(cluster) { client in
                let maps = "/api/v1/namespaces/default/configmaps"
                let body = Array(#"{"metadata":{"name":"a"},"bogus":1,"data":{"k":"1","k":"2"}}"#.utf8)
                let strict = try await send(client, cluster, .POST, maps + "?fieldValidation=Strict", body: body)
                #expect(strict.status == 400)
                #expect(strict.json["message"]?.stringValue?.contains("unknown field \"bogus\"") == true)
                let warned = try await send(client, cluster, .POST, maps + "?fieldValidation=Warn", body: body)
                #expect(warned.status == 201)
                #expect(warned.headers["Warning"].contains("299 - \"unknown field \\\"bogus\\\"\""))
                #expect(warned.headers["Warning"].contains("299 - \"duplicate field \\\"data.k\\\"\""))
            }
        }
    }

    @Test func `A watch is cut when the server stops, and the server waits for it`() async throws {
        let seen = try await TestCluster.run { cluster -> Int in
            var chunks = 0
            try await withHTTP(cluster) { client in
                let request = HTTPClientRequest(url: cluster.address + "/api/v1/namespaces?watch=1")
                let response = try await client.execute(request, timeout: .seconds(20))
                for try await _ in response.body {
                    chunks += 1
                    break
                }
            }
            return chunks
        }
        #expect(seen == 1)
    }
}
