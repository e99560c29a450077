import ControlPlaneAPI
import ControlPlaneClient
import Crypto
import Foundation
import KubeCore
import Logging
import ServiceLifecycle
import SwiftASN1
import Synchronization
import X509

import protocol TestSupport.ForwardingAPI
import struct TestSupport.RefusingAPI

@testable import ControlPlane

/// A CA and a server certificate that live as long as one test.
struct TestPKI: Sendable {
    let caPEM: String
    let certificatePEM: String
    let keyPEM: String
    let signingKeyPEM: String

    init() throws {
        let caKey = P256.Signing.PrivateKey()
        let caName = try DistinguishedName { CommonName("test CA") }
        let now = Date()
        let ca = try Certificate(
            version: .v3,
            serialNumber: .init(),
            publicKey: .init(caKey.publicKey),
            notValidBefore: now - 3600,
            notValidAfter: now + 86400,
            issuer: caName,
            subject: caName,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                Critical(KeyUsage(keyCertSign: true))
            },
            issuerPrivateKey: .init(caKey)
        )
        let key = P256.Signing.PrivateKey()
        let leaf = try Certificate(
            version: .v3,
            serialNumber: .init(),
            publicKey: .init(key.publicKey),
            notValidBefore: now - 3600,
            notValidAfter: now + 86400,
            issuer: caName,
            subject: try DistinguishedName { CommonName("server") },
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                SubjectAlternativeNames([
                    .ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1])), .dnsName("gateway.azureml.svc"),
                ])
            },
            issuerPrivateKey: .init(caKey)
        )
        caPEM = try ca.serializeAsPEM().pemString
        certificatePEM = try leaf.serializeAsPEM().pemString
        keyPEM = key.pemRepresentation
        signingKeyPEM = P256.Signing.PrivateKey().pemRepresentation
    }
}

/// The few objects of a cluster that the control plane reads itself.
struct FixedResourceAPI: ForwardingAPI {
    let base: any ResourceAPI = RefusingAPI()
    /// By `plural/name`.
    var objects: [String: JSON]

    func get(_ type: ResourceType, namespace: String?, name: String, subresource: String?) async throws -> KubeObject {
        guard let object = objects["\(type.plural)/\(name)"] else { throw APIError.notFound(type, name) }
        return KubeObject(object)
    }
    func list(_ type: ResourceType, namespace: String?, options: ListOptions) async throws -> KubeList {
        KubeList(
            items: objects.filter { $0.key.hasPrefix(type.plural + "/") }.map { KubeObject($0.value) },
            resourceVersion: "1"
        )
    }
}

/// One instance's data folder, which outlives the control planes started on it.
struct TestInstance: Sendable {
    let folder: String
    let pki: TestPKI
    let port: Int
    let gatewayPort: Int
    /// The control plane's clock, which tests may put forward.
    let clock = TestClock()
    /// The cluster behind every kubeconfig.
    var remote: FakeCluster?

    init() throws {
        folder = NSTemporaryDirectory() + "controlplane-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        pki = try TestPKI()
        port = try freePort()
        gatewayPort = try freePort()
    }

    func remove() { try? FileManager.default.removeItem(atPath: folder) }

    var connection: ConnectionInfo {
        ConnectionInfo(
            url: "https://127.0.0.1:\(port)",
            tenant: "adfs",
            clientId: "client",
            clientSecret: "secret",
            subscriptionId: "00000000-0000-0000-0000-000000000001",
            resourceGroup: "local",
            workspace: "main",
            cluster: "local"
        )
    }

    var ids: WorkspaceIDs { WorkspaceIDs(connection) }

    var clusterID: String {
        connection.clusterID(clusterType: "connectedClusters", resourceGroup: "local", clusterName: "local")
    }

    func controlPlane() async throws -> ControlPlane {
        let token = Data("gateway-token".utf8).base64EncodedString()
        let ca = Data(pki.caPEM.utf8).base64EncodedString()
        let api = FixedResourceAPI(objects: [
            "namespaces/default": ["metadata": ["name": "default"]], "nodes/n1": ["metadata": ["name": "n1"]],
            "secrets/gateway-token": ["data": ["token": .string(token)]],
            "secrets/gateway-tls": ["data": ["ca.crt": .string(ca)]],
            "services/gateway": ["spec": ["clusterIP": "127.0.0.1", "ports": [["port": JSON(gatewayPort)]]]],
        ])
        var logger = Logger(label: "test")
        logger.logLevel = .error
        return try await ControlPlane(
            configuration: ControlPlaneConfiguration(
                dataDirectory: folder,
                listen: [.init(host: "127.0.0.1", port: port)],
                certificateChainPEM: pki.certificatePEM,
                privateKeyPEM: pki.keyPEM,
                caPEM: pki.caPEM,
                publicURL: connection.url,
                podURL: connection.url,
                remoteURL: "https://advertised:7443",
                connection: connection,
                signingKeyPEM: pki.signingKeyPEM,
                version: "test",
                clusters: [ClusterTarget(name: "local", resourceGroup: "local", access: .api(api, gateway: .direct))],
                validateExtension: { wanted in
                    wanted.settings["enableTraining"] == "maybe"
                        ? [
                            ErrorDetail(
                                code: "InvalidSetting",
                                message: "enableTraining is 'maybe'; use true or false.",
                                target: "enableTraining"
                            )
                        ]
                        : []
                },
                openCluster: { [remote] text in
                    guard let remote else { throw ClustersNotOpened() }
                    return try remote.open(text)
                },
                bundle: { component, version in
                    component == "volcano" && version == "v1" ? [["kind": "Namespace"]] : nil
                },
                now: { [clock] in clock.now }
            ),
            logger: logger
        )
    }

    /// Runs `body` against a control plane that serves this folder; `gateway` runs beside it when given.
    func run<T: Sendable>(
        gateway: FakeGateway? = nil,
        _ body: @escaping @Sendable (ControlPlane, ControlPlaneClient) async throws -> T
    ) async throws -> T {
        let plane = try await controlPlane()
        let client = try ControlPlaneClient(connection: connection, caPEM: pki.caPEM)
        var services: [any Service] = [plane]
        if let gateway { services.append(gateway) }
        let group = ServiceGroup(
            configuration: .init(
                services: services.map { .init(service: $0) },
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            )
        )
        return try await withThrowingTaskGroup(of: T?.self) { tasks in
            tasks.addTask {
                try await group.run()
                return nil
            }
            tasks.addTask {
                do {
                    try await eventually { !plane.boundPorts.isEmpty }
                    let value = try await body(plane, client)
                    try await client.shutdown()
                    await group.triggerGracefulShutdown()
                    return value
                } catch {
                    try? await client.shutdown()
                    await group.triggerGracefulShutdown()
                    throw error
                }
            }
            var result: T?
            for try await value in tasks { result = value ?? result }
            guard let result else { throw TestProblem(text: "the test ended without a value") }
            return result
        }
    }

    /// Installs the extension and attaches the compute `k8s`.
    func prepare(_ plane: ControlPlane, _ client: ControlPlaneClient) async throws {
        let link = plane.link(clusterType: "connectedClusters", resourceGroup: "local", clusterName: "local")
        let path = clusterID + "/providers/Microsoft.KubernetesConfiguration/extensions/amlext"
        let answer = try await client.put(
            path,
            ["properties": ["extensionType": "microsoft.azureml.kubernetes", "configurationSettings": [:]]]
        )
        for await wanted in await link.work() {
            guard let first = wanted.extensions.first else { continue }
            try await link.report(
                ExtensionReport(
                    clusterType: first.clusterType,
                    resourceGroup: first.resourceGroup,
                    clusterName: first.clusterName,
                    name: first.name,
                    generation: first.generation,
                    provisioningState: "Succeeded"
                )
            )
            break
        }
        try await client.wait(for: answer, poll: .milliseconds(20))
        _ = try await client.put(
            ids.compute("k8s"),
            [
                "properties": [
                    "computeType": "Kubernetes", "resourceId": .string(clusterID),
                    "properties": ["namespace": "default"],
                ]
            ]
        )
        _ = try await client.put(
            ids.version("environments", "e", "1"),
            ["properties": ["image": "python:3.11"]]
        )
    }

    func submit(_ client: ControlPlaneClient, _ name: String, command: String = "echo hi") async throws {
        _ = try await client.put(
            ids.job(name),
            [
                "properties": [
                    "jobType": "Command", "command": .string(command), "computeId": .string(ids.compute("k8s")),
                    "environmentId": .string(ids.version("environments", "e", "1")), "experimentName": "exp",
                ]
            ]
        )
    }
}

/// Seconds since 1970, ahead of the real ones by what a test says.
final class TestClock: Sendable {
    private let ahead = Mutex(0.0)

    var now: Double { ahead.withLock { Date().timeIntervalSince1970 + $0 } }

    func advance(_ seconds: Double) { ahead.withLock { $0 += seconds } }
}

struct TestProblem: Error { var text: String }

/// Waits until `condition` holds, looking often; gives up after half a minute.
func eventually(within limit: Duration = .seconds(30), _ condition: @Sendable () async throws -> Bool) async throws {
    let start = ContinuousClock.now
    while try await !condition() {
        guard ContinuousClock.now - start < limit else { throw TestProblem(text: "the condition never held") }
        try await Task.sleep(for: .milliseconds(20))
    }
}

/// Next candidate of `freePort`.
private let nextPort = Mutex(Int.random(in: 12_000..<30_000))

/// A port that nobody listens on, each only once, below the range that the kernel hands out for outgoing connections.
func freePort() throws -> Int {
    for _ in 0..<1000 {
        let port = nextPort.withLock { next in
            next = next >= 32_000 ? 12_000 : next + 1
            return next
        }
        if isFree(port) { return port }
    }
    throw TestProblem(text: "no free port")
}

private func isFree(_ port: Int) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var reuse: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}
