internal import AsyncHTTPClient
internal import ControlPlaneAPI
internal import ControlPlaneClient
internal import Foundation
internal import KubeCore
internal import NIOCore
internal import NIOHTTP1

/// One command's conversation with the control plane: the client, the names that ids start with, and progress on the terminal.
struct ARMSession: Sendable {
    static let workspaceProvider = "/providers/Microsoft.MachineLearningServices/workspaces/"

    let client: ControlPlaneClient
    let connection: ConnectionInfo
    let resourceGroupID: String
    let workspaceID: String
    let ids: WorkspaceIDs
    let progress: Progress

    static func open(
        _ layout: InstanceLayout,
        resourceGroup: String?,
        workspace: String?,
        subscription: String?
    ) async throws -> ARMSession {
        _ = try InstanceRecord.require(layout)
        let client = try ControlPlaneClient(dataDirectory: layout.root)
        let connection = client.connection
        if let subscription, subscription.lowercased() != connection.subscriptionId.lowercased() {
            try await client.shutdown()
            throw CommandError(
                "--subscription \(subscription): this instance has subscription \(connection.subscriptionId)",
                remedy: "leave --subscription out",
                exitStatus: 2
            )
        }
        let group =
            "/subscriptions/\(connection.subscriptionId)/resourceGroups/\(resourceGroup ?? connection.resourceGroup)"
        let ids = WorkspaceIDs(connection, resourceGroup: resourceGroup, workspace: workspace)
        return ARMSession(
            client: client,
            connection: connection,
            resourceGroupID: group,
            workspaceID: ids.workspace,
            ids: ids,
            progress: Progress()
        )
    }

    /// Opens a session, runs `body`, and closes it whatever happens.
    static func with<T>(
        _ layout: InstanceLayout,
        resourceGroup: String? = nil,
        _ body: (ARMSession) async throws -> T
    ) async throws -> T {
        let session = try await open(layout, resourceGroup: resourceGroup, workspace: nil, subscription: nil)
        do {
            let result = try await body(session)
            await session.close()
            return result
        } catch {
            await session.close()
            throw error
        }
    }

    func close() async {
        // Nothing is pending when a command ends; a connection that does not close cleanly matters to nobody.
        try? await client.shutdown()
    }

    func clusterID(type: String, resourceGroup: String, name: String) -> String {
        connection.clusterID(clusterType: type, resourceGroup: resourceGroup, clusterName: name)
    }

    /// The cluster of this instance under its connected type.
    func clusterID(named name: String) -> String {
        clusterID(type: "connectedClusters", resourceGroup: connection.resourceGroup, name: name)
    }

    // MARK: Resources

    func get(_ path: String) async throws -> JSON { try await client.get(path) }

    /// nil when there is no such resource.
    func find(_ path: String) async throws -> JSON? { try await client.find(path) }

    func list(_ path: String, query: [String: String] = [:]) async throws -> [JSON] {
        try await client.list(path, query: query)
    }

    /// Stores a resource; with `waits`, as it is when the operation has ended.
    func put(_ path: String, _ body: JSON, waits: Bool = true) async throws -> JSON {
        try await finish(try await client.put(path, body), path: path, waits: waits)
    }

    func patch(_ path: String, _ body: JSON, waits: Bool = true) async throws -> JSON {
        try await finish(try await client.patch(path, body), path: path, waits: waits)
    }

    func post(_ path: String, _ body: JSON = .object([:])) async throws -> JSON {
        try await client.post(path, body).body
    }

    func delete(_ path: String, query: [String: String] = [:], waits: Bool = true) async throws {
        let answer = try await client.delete(path, query: query)
        if waits, answer.status == 202 { _ = try await finish(answer, path: path, waits: true) }
    }

    private func finish(_ answer: ControlPlaneClient.Answer, path: String, waits: Bool) async throws -> JSON {
        guard waits else { return answer.body }
        let state = answer.body["properties"]?["provisioningState"]?.stringValue
        if answer.operation == nil, state == nil || state == "Succeeded" { return answer.body }
        let name = path.split(separator: "/").last.map(String.init) ?? path
        let result = try await client.wait(for: answer, resource: path, poll: .milliseconds(100)) { step in
            progress.say(Self.line(name, step))
        }
        return result ?? answer.body
    }

    /// `digits: Creating: waiting for 1 of 1 instances`.
    private static func line(_ name: String, _ step: OperationProgress) -> String {
        let properties = step.resource?["properties"]
        let state = properties?["provisioningState"]?.stringValue ?? step.status
        let message =
            properties?["statusMessage"]?.stringValue
            ?? properties?["statuses"]?.arrayValue?.last?["message"]?.stringValue
        return [name, state, message].compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: ": ")
    }

    // MARK: Files

    /// Uploads a file or folder to the default datastore; its `azureml://` URI.
    func upload(_ path: String) async throws -> String {
        let plan = try UploadPlan.read(path)
        progress.say("uploading \(path) (\(plan.files.count) files, \(plan.totalBytes) bytes)")
        return try await client.uploadData(plan, ids: ids)
    }

    /// Uploads a code folder; the ARM id of its version.
    func uploadCode(_ path: String) async throws -> String {
        let plan = try UploadPlan.read(path)
        progress.say("uploading code \(path) (\(plan.files.count) files, \(plan.totalBytes) bytes)")
        return try await client.uploadCode(plan, ids: ids)
    }

    func contentHash(_ path: String) throws -> String { try UploadPlan.read(path).hash }

    /// Logs and `outputs/` of a run.
    func downloadArtifacts(run: String, to folder: String) async throws {
        let count = try await client.downloadFolder(
            container: "azureml",
            prefix: "ExperimentRun/dcid.\(run)/",
            to: folder
        )
        progress.say("\(count) files written to \(folder)")
    }

    /// One named output, from where the run recorded it.
    func downloadOutput(job: JSON, name: String, to folder: String) async throws {
        let run = job["name"]?.stringValue ?? ""
        let uri = job["properties"]?["outputs"]?[name]?["uri"]?.stringValue
        let place = uri.flatMap(Self.place) ?? ("azureml-blobstore", "azureml/\(run)/\(name)/")
        let count = try await client.downloadFolder(container: place.0, prefix: place.1, to: folder)
        guard count > 0 else {
            throw CommandError("output \(name) of job \(run) holds no files", cause: uri, exitStatus: 3)
        }
        progress.say("\(count) files written to \(folder)")
    }

    /// Container and folder of `azureml://datastores/NAME/paths/PATH`, also in its long form.
    static func place(_ uri: String) -> (container: String, prefix: String)? {
        guard let range = uri.firstRange(of: "/paths/") ?? uri.firstRange(of: "://paths/") else { return nil }
        let path = String(uri[range.upperBound...])
        let prefix = path.hasSuffix("/") ? path : path + "/"
        let isArtifacts = uri.contains("datastores/workspaceartifactstore/")
        return (isArtifacts ? "azureml" : "azureml-blobstore", prefix)
    }

    /// Posts a scoring request with an endpoint's key.
    ///
    /// - Throws: `CommandError` with the router's answer when it is no 2xx.
    func score(uri: String, key: String, body: Data, deployment: String?) async throws -> Data {
        let http = HTTPClient(eventLoopGroupProvider: .singleton)
        var request = HTTPClientRequest(url: uri)
        request.method = .POST
        request.headers.add(name: "Authorization", value: "Bearer " + key)
        request.headers.add(name: "Content-Type", value: "application/json")
        if let deployment { request.headers.add(name: "azureml-model-deployment", value: deployment) }
        request.body = .bytes(ByteBuffer(bytes: body))
        do {
            let response = try await http.execute(request, timeout: .minutes(10))
            let bytes = try await response.body.collect(upTo: 100 << 20)
            try await http.shutdown()
            guard (200..<300).contains(response.status.code) else {
                throw CommandError(
                    "the endpoint answered \(response.status.code)",
                    cause: String(buffer: bytes),
                    remedy: "see 'outrigger ml online-deployment get-logs'"
                )
            }
            return Data(bytes.readableBytesView)
        } catch {
            try? await http.shutdown()
            throw error
        }
    }
}

/// Whether the control plane of an instance answers.
enum ControlPlaneProbe {
    static func answers(_ record: InstanceRecord, _ layout: InstanceLayout) async throws -> Bool {
        let client = try ControlPlaneClient(dataDirectory: layout.root)
        do {
            _ = try await client.get("/subscriptions")
            try await client.shutdown()
            return true
        } catch {
            try? await client.shutdown()
            throw error
        }
    }
}
