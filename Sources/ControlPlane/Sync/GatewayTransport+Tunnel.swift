internal import Relay

/// Through the connection that the cluster's relay dialled; the relay knows the gateway's token.
struct TunnelTransport: GatewayTransport {
    let hub: RelayHub
    /// Key of the cluster.
    let key: String
    let cluster: String

    func send(_ call: GatewayCall) async throws -> GatewayReply {
        do {
            let answer = try await hub.send(
                cluster: key,
                method: call.method,
                path: call.path,
                headers: call.headers,
                body: call.body.map { .bytes($0) } ?? .empty,
                limits: call.isEndless ? .watch : RelayLimits()
            )
            return GatewayReply(status: answer.status, body: answer.body)
        } catch let error as RelayError where error.code == .notConnected {
            throw GatewayClient.Missing(cluster: cluster, detail: error.description)
        }
    }

    func reset() async {}
}

/// Through the tunnel while there is one, else directly; for the embedded cluster, which has both ways.
struct PreferredTunnelTransport: GatewayTransport {
    let tunnel: TunnelTransport
    let direct: any GatewayTransport

    func send(_ call: GatewayCall) async throws -> GatewayReply {
        if tunnel.hub.isConnected(tunnel.key) { return try await tunnel.send(call) }
        return try await direct.send(call)
    }

    func reset() async { await direct.reset() }
}
