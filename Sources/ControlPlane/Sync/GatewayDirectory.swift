internal import Relay
internal import Synchronization

/// The gateways of the clusters, one client for each registration of a cluster.
final class GatewayDirectory: Sendable {
    private let relay: RelayHub
    private let clients = Mutex<[String: GatewayClient]>([:])

    init(relay: RelayHub) { self.relay = relay }

    func client(_ entry: ClusterDirectory.Entry) -> GatewayClient {
        clients.withLock { clients in
            if let known = clients[entry.identity] { return known }
            let made = GatewayClient(entry.target, hub: relay)
            clients[entry.identity] = made
            return made
        }
    }

    /// Closes what leads to a cluster that is not there any more.
    func remove(_ entry: ClusterDirectory.Entry) async {
        let client = clients.withLock { $0.removeValue(forKey: entry.identity) }
        await client?.reset()
    }
}
