import ControlPlaneAPI
import Foundation
import KubeCore
import Logging
import Synchronization

@testable import ControlPlane

/// A control plane that serves nothing, with a clock and a list of versions in the test's hands; the test is the agent.
final class ExtensionBench: Sendable {
    let instance: TestInstance
    let clock = Mutex(nowSeconds())
    let versions = Mutex([ExtensionVersion(version: "1.0.0", releaseTrain: "Stable", image: "image:1.0.0")])
    private let plane: Mutex<ControlPlane>

    init() async throws {
        let instance = try TestInstance()
        self.instance = instance
        let first = try await ControlPlane(
            configuration: Self.configuration(instance),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        plane = Mutex(first)
        try await restart()
    }

    private static func configuration(_ instance: TestInstance) -> ControlPlaneConfiguration {
        let api = FixedResourceAPI(objects: [:])
        let other = ClusterTarget(
            name: "edge",
            resourceGroup: "local",
            clusterTypes: ["connectedClusters"],
            access: .tunnel
        )
        return ControlPlaneConfiguration(
            dataDirectory: instance.folder,
            listen: [],
            certificateChainPEM: instance.pki.certificatePEM,
            privateKeyPEM: instance.pki.keyPEM,
            caPEM: instance.pki.caPEM,
            publicURL: instance.connection.url,
            podURL: instance.connection.url,
            connection: instance.connection,
            signingKeyPEM: instance.pki.signingKeyPEM,
            version: "1.0.0",
            clusters: [
                ClusterTarget(name: "local", resourceGroup: "local", access: .api(api, gateway: .direct)), other,
            ],
            validateExtension: { wanted in
                guard wanted.settings["enableTraining"] == "maybe" else { return [] }
                return [
                    ErrorDetail(code: "InvalidArgumentValue", message: "enableTraining is 'maybe'; use true or false.")
                ]
            }
        )
    }

    /// What a crash and a new start leave: the database.
    func restart() async throws {
        var configuration = Self.configuration(instance)
        configuration.now = { [self] in clock.withLock { $0 } }
        configuration.versions = { [self] in versions.withLock { $0 } }
        let next = try await ControlPlane(
            configuration: configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        plane.withLock { $0 = next }
    }

    func remove() { instance.remove() }

    var core: Core { plane.withLock { $0.core } }
    var service: ExtensionService { ExtensionService(core: core) }
    var cluster: String { instance.clusterID }
    var id: String { ExtensionService.id(cluster: cluster, name: "ext") }

    func question(_ operation: String? = nil, body: JSON = .object([:])) -> ExtensionQuestion {
        ExtensionQuestion(cluster: cluster, type: "connectedClusters", name: "ext", operation: operation, body: body)
    }

    func advance(_ seconds: Double) { clock.withLock { $0 += seconds } }

    func link(_ cluster: String = "local", type: String = "connectedClusters") -> StoredExtensionLink {
        StoredExtensionLink(core: core, clusterType: type, resourceGroup: "local", clusterName: cluster)
    }

    // MARK: Users

    @discardableResult
    func put(
        _ settings: JSON = ["enableTraining": "True"],
        name: String = "ext",
        cluster clusterName: String = "local",
        type: String = "connectedClusters",
        more: [String: JSON] = [:],
        body extra: [String: JSON] = [:],
        flags: ExtensionFlags = ExtensionFlags()
    ) async throws -> ExtensionService.Outcome {
        var properties: [String: JSON] = [
            "extensionType": "microsoft.azureml.kubernetes", "configurationSettings": settings,
        ]
        properties.merge(more) { $1 }
        var body = extra
        body["properties"] = .object(properties)
        let id = instance.connection.clusterID(clusterType: type, resourceGroup: "local", clusterName: clusterName)
        guard let target = core.cluster(resourceID: id) else { throw TestProblem(text: "no cluster \(id)") }
        return try await service.put(
            cluster: id,
            type: type,
            target: target,
            name: name,
            body: .object(body),
            flags: flags
        )
    }

    @discardableResult
    func patch(_ properties: JSON, flags: ExtensionFlags = ExtensionFlags()) async throws -> ExtensionService.Outcome {
        try await service.patch(id: id, body: ["properties": properties], flags: flags)
    }

    func delete(_ flags: ExtensionFlags = ExtensionFlags()) async throws -> ExtensionService.Deletion {
        try await service.delete(id: id, flags: flags)
    }

    /// nil when the document is gone.
    func record() async throws -> ExtensionRecord? {
        let id = id
        return try await core.store.read { t in try ExtensionRecord.find(t, id) }
    }

    func resource() async throws -> JSON {
        guard let record = try await record() else { throw TestProblem(text: "the extension is gone") }
        return ExtensionAnswer.resource(record, tenant: "tenant")
    }

    func state() async throws -> String? { try await record()?.state }

    func operation(_ id: String?) async throws -> JSON {
        guard let id else { throw TestProblem(text: "there is no operation") }
        return try await core.store.read { t in Operations.body(try t.require(Operations.key(id), "Operation"), id: id)
        }
    }

    func status(_ id: String?) async throws -> String? { try await operation(id)["status"]?.stringValue }

    func upkeep() async throws { try await ExtensionUpkeep(core: core).pass() }

    // MARK: The agent

    /// The first thing that is wanted; `state` is reported for it.
    @discardableResult
    func report(
        _ state: String,
        isGone: Bool = false,
        version: String? = nil,
        error: ErrorDetail? = nil,
        type: String = "connectedClusters"
    ) async throws -> DesiredExtension {
        let link = link(type: type)
        guard let wanted = try await link.present().extensions.first else {
            throw TestProblem(text: "nothing is wanted")
        }
        try await send(wanted, state, isGone: isGone, version: version, error: error, link: link)
        return wanted
    }

    func send(
        _ wanted: DesiredExtension,
        _ state: String,
        isGone: Bool = false,
        version: String? = nil,
        error: ErrorDetail? = nil,
        link: StoredExtensionLink? = nil
    ) async throws {
        let report = ExtensionReport(
            clusterType: wanted.clusterType,
            resourceGroup: wanted.resourceGroup,
            clusterName: wanted.clusterName,
            name: wanted.name,
            generation: wanted.generation,
            provisioningState: state,
            errorInfo: error,
            currentVersion: version ?? wanted.targetVersion,
            isGone: isGone
        )
        try await (link ?? self.link()).report(report)
    }

    func heartbeat() async throws {
        try await link().heartbeat(
            ClusterHeartbeat(
                kubernetesVersion: "v1.36.0",
                distribution: "outrigger",
                nodeCount: 1,
                agentVersion: "1.0.0"
            )
        )
    }
}
