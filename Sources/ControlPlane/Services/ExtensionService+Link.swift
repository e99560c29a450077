internal import ControlPlaneAPI
internal import KubeCore
internal import Logging

/// The control plane's end of the way to one cluster's agent, whether it runs in this process or dials in.
///
/// Reports and answers about anything else than this cluster change nothing.
struct StoredExtensionLink: ExtensionLink, CustomStringConvertible, CustomDebugStringConvertible {
    let core: Core
    let clusterType: String
    let resourceGroup: String
    let clusterName: String

    var description: String { "StoredExtensionLink(\(clusterType)/\(clusterName))" }
    var debugDescription: String { description }

    /// ARM id of the cluster, as documents name it.
    private var cluster: String {
        core.connection.clusterID(
            clusterType: clusterType,
            resourceGroup: resourceGroup,
            clusterName: clusterName
        ).lowercased()
    }

    private static let topics: Set<String> = [
        DocumentKind.extension.rawValue, DocumentKind.extensionTombstone.rawValue, DocumentKind.agentRequest.rawValue,
    ]

    func work() async -> AsyncStream<AgentWork> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: AgentWork.self,
            bufferingPolicy: .bufferingNewest(1)
        )
        // Ends with the stream: its consumer going away cancels it.
        let task = Task {
            var last: AgentWork?
            for await _ in core.store.changes.signals(Self.topics) {
                do {
                    let work = try await present()
                    if work != last { continuation.yield(work) }
                    last = work
                } catch is CancellationError {
                    break
                } catch {
                    core.logger.error("reading the work of an agent failed", metadata: ["error": "\(error)"])
                }
            }
            continuation.finish()
        }
        continuation.onTermination = { _ in task.cancel() }
        return stream
    }

    /// Everything that is wanted of the agent now.
    func present() async throws -> AgentWork {
        let cluster = cluster
        return try await core.store.read { t in
            var extensions = try t.list(.extension, parent: cluster).map { ExtensionRecord($0).desired }
            extensions += try t.list(.extensionTombstone, parent: cluster).compactMap {
                ExtensionTombstone(document: $0).desired
            }
            return AgentWork(extensions: extensions, requests: try AgentRequests.pending(t, cluster: cluster))
        }
    }

    func report(_ report: ExtensionReport) async throws {
        let (cluster, now) = (cluster, core.now)
        try await core.store.write { t in
            try ExtensionReports.take(t, report, cluster: cluster, now: now)
        }
    }

    func answer(_ answer: AgentAnswer) async throws {
        let cluster = cluster
        try await core.store.write { t in try AgentRequests.answer(t, answer, cluster: cluster) }
    }

    func heartbeat(_ heartbeat: ClusterHeartbeat) async throws {
        let (cluster, now) = (cluster, core.now)
        try await core.store.write { t in
            try ClusterHeartbeats.store(t, cluster: cluster, heartbeat, now: now)
        }
    }

    func relayCredential() async throws -> AgentCredential {
        try await RelayCredentials.issue(core: core, cluster: cluster)
    }

    func bundle(_ component: String, version: String) async throws -> [JSON]? {
        try await core.configuration.bundle(component, version)
    }
}
