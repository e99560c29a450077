import AsyncHTTPClient
import Crypto
import Foundation
import KubeCore
import KubeRuntime
import Logging
import MLTypes
import NIOCore
import NIOHTTP1
import NIOSSL
import SwiftASN1
import Telemetry
import TestSupport
import Testing
import X509

@testable import Gateway

@Suite(.timeLimit(.minutes(1))) struct GatewayServerTests {
    @Test func `Requests are carried out, with the token only`() async throws {
        try await withGateway { client, api in
            let job: JSON = [
                "apiVersion": "amlarc.azureml.com/v1alpha1", "kind": "AmlJob",
                "metadata": ["name": "j1", "namespace": "default"],
                "spec": ["jobId": "j1", "command": "true", "environment": [:], "compute": "c"],
            ]
            #expect(try await client.send("GET", "/v1/cluster", token: "wrong").status == 401)
            #expect(try await client.send("GET", "/v1/cluster", token: nil).status == 401)
            let path = "/v1/namespaces/default/amljobs/j1"
            #expect(try await client.send("GET", path).status == 404)
            #expect(try await client.send("PUT", path, body: job).status == 200)
            var second = job
            second[path: "spec", "command"] = "false"
            #expect(try await client.send("PUT", path, body: second).status == 200)
            #expect(try await client.send("GET", path).json[path: "spec", "command"]?.stringValue == "false")
            #expect(try await client.send("PUT", "/v1/namespaces/default/amljobs/other", body: job).status == 400)
            #expect(try await client.send("PUT", path, body: ["metadata": ["name": "j1"]]).status == 422)
            let cluster = try await client.send("GET", "/v1/cluster").json
            #expect(cluster["nodes"]?[0]?["name"]?.stringValue == "node-0")
            #expect(cluster["version"]?.stringValue == "1.2.3")
            #expect(try await client.send("DELETE", path).status == 200)
            #expect(try await api.find(MLResources.amlJobs, namespace: "default", name: "j1") == nil)
            let log = try await client.send("GET", "/v1/namespaces/default/pods/p/log?tailLines=3")
            #expect(log.text == "log of default/p 3")
        }
    }

    @Test func `Only secrets of our own are touched, and none comes out`() async throws {
        try await withGateway { client, api in
            let path = "/v1/namespaces/default/secrets/s"
            func secret(_ labels: JSON) -> JSON {
                [
                    "apiVersion": "v1", "kind": "Secret", "metadata": ["name": "s", "labels": labels],
                    "stringData": ["a": "hidden"],
                ]
            }
            #expect(try await client.send("PUT", path, body: secret([:])).status == 400)
            let ours: JSON = ["ml.azure.com/managed-by": "outrigger"]
            let answer = try await client.send("PUT", path, body: secret(ours))
            #expect(answer.status == 200 && answer.json["data"] == nil && !answer.text.contains("hidden"))
            #expect(
                try await api.get(.secrets, namespace: "default", name: "s")["data", "a"]?.stringValue == "aGlkZGVu"
            )
            #expect(try await client.send("GET", path).status == 405)
            #expect(try await client.send("DELETE", path).status == 200)
            try await api.create(.secrets, .secret("s", strings: ["a": "b"]))
            #expect(try await client.send("PUT", path, body: secret(ours)).status == 403)
            #expect(try await client.send("DELETE", path).status == 403)
        }
    }

    @Test func `A watch tells what is there, then what changes, and beats`() async throws {
        try await withGateway { client, api in
            func endpoint(_ name: String) -> KubeObject {
                KubeObject(
                    MLResources.onlineEndpoints,
                    namespace: "default",
                    name: name,
                    body: ["spec": ["authMode": "key", "keysSecret": "k"]]
                )
            }
            try await api.create(MLResources.onlineEndpoints, endpoint("first"))
            var lines: [String] = []
            var blanks = 0
            try await client.watch { line in
                guard let json = try? JSON(parsing: line), let type = json["type"]?.stringValue else {
                    blanks += 1
                    return lines.count < 4 || blanks < 2
                }
                let name = json[path: "object", "metadata", "name"]?.stringValue ?? ""
                lines.append("\(type) \(name)")
                if type == "SYNCED" {
                    try await api.create(MLResources.onlineEndpoints, endpoint("second"))
                    try await api.deleteIfPresent(
                        MLResources.onlineEndpoints,
                        ObjectKey(namespace: "default", name: "first")
                    )
                }
                return lines.count < 4 || blanks < 2
            }
            #expect(lines == ["ADDED first", "SYNCED ", "ADDED second", "DELETED first"])
            #expect(blanks >= 2)
        }
    }
}

struct TestPair {
    var certificate: String
    var key: String

    static func make() throws -> TestPair {
        let key = P256.Signing.PrivateKey()
        let name = try DistinguishedName { CommonName("gateway.azureml.svc") }
        let certificate = try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: .init(key.publicKey),
            notValidBefore: .now.addingTimeInterval(-60),
            notValidAfter: .now.addingTimeInterval(3600),
            issuer: name,
            subject: name,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                SubjectAlternativeNames([.dnsName("gateway.azureml.svc"), .dnsName("localhost")])
            },
            issuerPrivateKey: .init(key)
        )
        return TestPair(certificate: try certificate.serializeAsPEM().pemString, key: key.pemRepresentation)
    }
}

/// As the control plane connects: by address, verifying `gateway.azureml.svc`.
struct GatewayTestClient {
    struct Answer {
        var status: Int
        var text: String
        var json: JSON { (try? JSON(parsing: text)) ?? .null }
    }

    private let client: HTTPClient
    private let base: String

    init(port: Int, authority: String) throws {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(authority.utf8)))
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
        configuration.dnsOverride = ["gateway.azureml.svc": "127.0.0.1"]
        configuration.httpVersion = .http1Only
        client = HTTPClient(configuration: configuration)
        base = "https://gateway.azureml.svc:\(port)"
    }

    func shutDown() async throws { try await client.shutdown() }

    func send(
        _ method: String,
        _ path: String,
        body: JSON? = nil,
        token: String? = "the-token",
        command: Int? = nil,
        headers: [(String, String)] = []
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: base + path)
        request.method = HTTPMethod(rawValue: method)
        if let token { request.headers.add(name: "authorization", value: "Bearer " + token) }
        if let command { request.headers.add(name: "Outrigger-Command-Id", value: String(command)) }
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let body { request.body = .bytes(ByteBuffer(bytes: body.bytes)) }
        let response = try await client.execute(request, timeout: .seconds(20))
        let bytes = try await response.body.collect(upTo: 1 << 20)
        return Answer(status: Int(response.status.code), text: String(buffer: bytes))
    }

    /// Calls `each` per line until it answers false.
    func watch(_ each: (String) async throws -> Bool) async throws {
        var request = HTTPClientRequest(url: base + "/v1/watch")
        request.headers.add(name: "authorization", value: "Bearer the-token")
        let response = try await client.execute(request, timeout: .seconds(20))
        var rest = ""
        for try await chunk in response.body {
            rest += String(buffer: chunk)
            while let end = rest.firstIndex(of: "\n") {
                let line = String(rest[..<end])
                rest.removeSubrange(...end)
                guard try await each(line) else { return }
            }
        }
    }
}
