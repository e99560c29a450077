internal import ControlPlaneAPI
internal import KubeCore
internal import Logging
internal import Relay

/// What all services and routes share.
struct Core: Sendable {
    let configuration: ControlPlaneConfiguration
    let store: ControlPlaneStore
    let tokens: TokenIssuer
    let blobs: BlobService
    let signatures: SignatureService
    let clusters: ClusterDirectory
    let secrets: SecretBox
    /// Tunnels of connected clusters.
    let relay: RelayHub
    let gateways: GatewayDirectory
    let logger: Logger

    var publicURL: String { configuration.publicURL }
    var connection: ConnectionInfo { configuration.connection }

    /// `127.0.0.1:7443` of the public URL.
    var authority: String {
        String(publicURL.split(separator: "/", omittingEmptySubsequences: true).dropFirst().first ?? "")
    }

    func cluster(key: String) -> ClusterTarget? { clusters.entry(key: key)?.target }

    /// The cluster behind an ARM id of either resource type, or of an extension on it.
    func cluster(resourceID: String) -> ClusterTarget? { clusters.entry(resourceID: resourceID)?.target }

    /// Base URL of the control plane for pods of a cluster.
    func podURL(cluster key: String) -> String { cluster(key: key)?.podURL ?? configuration.podURL }

    /// Seconds since 1970.
    var now: Double { configuration.now() }
}

extension Core: CustomStringConvertible, CustomDebugStringConvertible {
    var description: String { "Core(\(publicURL))" }
    var debugDescription: String { description }
}

/// The workspace that a request is about.
struct Scope: Sendable {
    /// ARM id in its stored case.
    let id: String
    let subscription: String
    let resourceGroup: String
    let name: String
    let workspaceID: String
    let artifactContainer: String
    let blobContainer: String

    var key: String { id.lowercased() }

    init(_ workspace: Document) {
        id = workspace.id
        subscription = ARMPath.value(of: "subscriptions", in: workspace.id) ?? ""
        resourceGroup = ARMPath.value(of: "resourceGroups", in: workspace.id) ?? ""
        name = workspace.name
        workspaceID = workspace[property: "workspaceId"]?.stringValue ?? ""
        artifactContainer = workspace.hidden["artifactContainer"]?.stringValue ?? "azureml"
        blobContainer = workspace.hidden["blobContainer"]?.stringValue ?? "azureml-blobstore"
    }

    /// Folder of a run's logs and artifacts in the artifact container, ending in a slash.
    static func runFolder(_ run: String) -> String { "ExperimentRun/dcid.\(run)/" }
}

extension Core {
    /// The workspace in a call's path.
    func scope(_ call: Call) async throws -> Scope {
        let id =
            "/subscriptions/\(call["s"])/resourceGroups/\(call["g"])"
            + "/providers/Microsoft.MachineLearningServices/workspaces/\(call["w"])"
        let scope = try await store.read { t in try Core.scope(id, t) }
        if let run = call.caller.run, run.workspace != scope.key {
            throw ARMError(
                403,
                "AuthorizationFailed",
                "The token of run '\(run.name)' does not open workspace '\(scope.name)'."
            )
        }
        return scope
    }

    static func scope(_ id: String, _ t: Transaction) throws -> Scope {
        Scope(try t.require(id, "Workspace", remedy: "List the workspaces of the resource group and check the name."))
    }

    /// The workspace of routes that name none.
    func defaultScope(_ caller: Caller) async throws -> Scope {
        let id = caller.run?.workspace ?? connection.workspaceID
        return try await store.read { t in try Core.scope(id, t) }
    }
}

/// Registers the same handlers below each spelling of a workspace's address.
struct WorkspaceRoutes {
    static let path =
        "/subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.MachineLearningServices/workspaces/{w}"
    static let prefixes = ["", "/mferp/managementfrontend"]

    typealias Handler = @Sendable (Call, Scope) async throws -> Reply

    let core: Core

    func add(
        _ routes: inout RouteTable,
        _ method: String,
        _ pattern: String,
        access: RouteAccess = .user,
        _ handler: @escaping Handler
    ) {
        let core = core
        for prefix in WorkspaceRoutes.prefixes {
            routes.add(method, prefix + WorkspaceRoutes.path + pattern, access: access) { call in
                try await handler(call, try await core.scope(call))
            }
        }
    }
}

/// Pages of ARM lists.
enum Paging {
    /// The page of `$top` items after `$skip`, with the address of the next one.
    static func reply(_ call: Call, _ documents: [Document], publicURL: String) -> Reply {
        let skip = max(0, Int(call.query["$skip"] ?? "") ?? 0)
        let top = min(max(1, call.count("$top") ?? 500), 1000)
        let page = documents.dropFirst(skip).prefix(top)
        let rest = documents.count - skip - page.count
        guard rest > 0, call.query["$top"] == nil || call.query["$skip"] != nil else {
            return .list(page.map(\.resource))
        }
        let kept = call.query.raw.split(separator: "&").filter {
            !$0.lowercased().hasPrefix("$skip=") && !$0.lowercased().hasPrefix("%24skip=")
        }
        let next = publicURL + call.path + "?" + (kept + ["%24skip=\(skip + page.count)"]).joined(separator: "&")
        return .list(page.map(\.resource), next: next)
    }

    /// Applies `listViewType`; archived resources are left out unless asked for.
    static func visible(_ documents: [Document], _ call: Call) -> [Document] {
        switch call.query["listViewType"]?.lowercased() {
        case "all": documents
        case "archivedonly": documents.filter { $0[property: "isArchived"]?.boolValue == true }
        default: documents.filter { $0[property: "isArchived"]?.boolValue != true }
        }
    }
}
