internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import Logging
internal import Synchronization

/// The clusters of the moment: those of the configuration, which stay, and those that were registered.
///
/// What is registered is in the database; this is its newest picture, made again by `reload()` after each change.
final class ClusterDirectory: Sendable {
    /// One cluster with what the control plane itself needs to know of it.
    struct Entry: Sendable {
        var target: ClusterTarget
        /// Changes when the cluster is registered with another key or kubeconfig; the embedded one's is `embedded`.
        var registration: String
        /// Base64 of the agent's public key (DER); nil when no agent signs in from outside.
        var agentKey: String?
        /// ARM id; nil for clusters of the configuration.
        var id: String?

        var isEmbedded: Bool { id == nil }

        /// Differs between two registrations of one cluster.
        var identity: String { target.key + "#" + registration }
    }

    private struct State {
        var entries: [Entry] = []
        var listeners: [UUID: AsyncStream<[Entry]>.Continuation] = [:]
        /// Clients of managed clusters, by registration.
        var clients: [String: any ClusterAPI] = [:]
        /// Number of the newest reading that was begun, and of the one that the entries come from.
        var begun = 0
        var shown = 0
    }

    private let configuration: ControlPlaneConfiguration
    private let secrets: SecretBox
    private let logger: Logger
    private let state: Mutex<State>

    init(configuration: ControlPlaneConfiguration, secrets: SecretBox, logger: Logger) {
        self.configuration = configuration
        self.secrets = secrets
        self.logger = logger
        let fixed = configuration.clusters.map { Entry(target: $0, registration: "embedded") }
        state = Mutex(State(entries: fixed))
    }

    var entries: [Entry] { state.withLock { $0.entries } }
    var targets: [ClusterTarget] { entries.map(\.target) }

    func entry(key: String) -> Entry? { entries.first { $0.target.key == key } }

    /// The cluster behind its ARM id, of either resource type, or behind the id of something on it.
    func entry(resourceID: String) -> Entry? { entries.first { $0.target.holds(resourceID) } }

    /// The present set first, then the newest after each change.
    func changes() -> AsyncStream<[Entry]> {
        let (stream, continuation) = AsyncStream.makeStream(of: [Entry].self, bufferingPolicy: .bufferingNewest(1))
        let id = UUID()
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { state in _ = state.listeners.removeValue(forKey: id) }
        }
        state.withLock { state in
            state.listeners[id] = continuation
            continuation.yield(state.entries)
        }
        return stream
    }

    /// Reads the registered clusters again and tells who listens.
    func reload(_ store: ControlPlaneStore) async throws {
        let number = state.withLock { state in
            state.begun += 1
            return state.begun
        }
        let documents = try await store.read { t in try t.listAll(.cluster) }
        let surplus = state.withLock { state -> [any ClusterAPI] in
            // One that began later has been quicker, and knows all that this one does.
            guard number > state.shown else { return [] }
            state.shown = number
            let fixed = state.entries.filter(\.isEmbedded)
            var clients: [String: any ClusterAPI] = [:]
            let registered = documents.map { document in entry(document, old: state.clients, clients: &clients) }
            let surplus = state.clients.filter { clients[$0.key] == nil }.map(\.value)
            state.clients = clients
            state.entries = fixed + registered
            for listener in state.listeners.values { listener.yield(state.entries) }
            return surplus
        }
        for client in surplus { await client.close() }
    }

    /// Closes the connections of all clusters and forgets those.
    func close() async {
        let clients = state.withLock { state in
            defer { state.clients = [:] }
            return Array(state.clients.values)
        }
        for client in clients { await client.close() }
    }

    private func entry(
        _ document: Document,
        old: [String: any ClusterAPI],
        clients: inout [String: any ClusterAPI]
    ) -> Entry {
        let registration = document.hidden["registration"]?.stringValue ?? ""
        let isManaged = ARMPath.value(of: "managedClusters", in: document.id) != nil
        var access = ClusterTarget.Access.tunnel
        if isManaged {
            if let client = old[registration] ?? open(document) {
                clients[registration] = client
                access = .api(client, gateway: .serviceProxy(client))
            } else {
                let refusal = UnreachableCluster(cluster: document.name)
                access = .api(refusal, gateway: .serviceProxy(refusal))
            }
        }
        let target = ClusterTarget(
            name: document.name,
            resourceGroup: ARMPath.value(of: "resourceGroups", in: document.id) ?? "",
            clusterTypes: [isManaged ? "managedClusters" : "connectedClusters"],
            location: document.body["location"]?.stringValue ?? configuration.location,
            distribution: document[property: "distribution"]?.stringValue ?? (isManaged ? "aks" : "generic"),
            access: access,
            podURL: document[property: "controlPlaneUrl"]?.stringValue ?? configuration.remoteURL
        )
        return Entry(
            target: target,
            registration: registration,
            agentKey: document[property: "agentPublicKeyCertificate"]?.stringValue,
            id: document.id
        )
    }

    private func open(_ document: Document) -> (any ClusterAPI)? {
        do {
            let sealed = document.hidden["kubeconfig"]?.stringValue ?? ""
            return try configuration.openCluster(try secrets.open(sealed, purpose: document.key))
        } catch {
            logger.error("cluster not opened", metadata: ["cluster": "\(document.id)", "error": "\(error)"])
            return nil
        }
    }
}

extension ClusterDirectory.Entry: CustomStringConvertible {
    var description: String { "\(target)" }
}
