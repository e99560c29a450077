internal import KubeCore
package import Logging
package import NIOCore
internal import NIOHTTP2
internal import ServiceLifecycle
internal import Synchronization

/// What a relay's token is good for.
package struct RelayGrant: Sendable, Hashable {
    /// Key of the cluster.
    package var cluster: String
    /// Until the token ends.
    package var lifetime: Duration

    package init(cluster: String, lifetime: Duration) {
        self.cluster = cluster
        self.lifetime = lifetime
    }
}

/// The clusters whose relays are connected, and the way to send them requests.
///
/// Whoever listens hands in channels after TLS (`prepare` on the event loop, then `serve`, which returns when the connection
/// is over). Any number of relays of one cluster may be connected; each request takes the connection with the fewest streams.
package final class RelayHub: Sendable {
    /// The cluster behind a token; nil when it is wrong or over.
    package typealias Authorize = @Sendable (_ token: String) async -> RelayGrant?

    /// More connections of one cluster than this push out the oldest.
    static let maximumConnections = 8
    private static let helloLimit = RelayLimits(head: .seconds(10), silence: .seconds(10), total: .seconds(15))

    private struct State {
        var connections: [String: [RelayConnection]] = [:]
        var nextID = 0
    }

    private let authorize: Authorize
    private let version: String
    private let keepalive: RelayKeepalive
    private let logger: Logger
    private let state = Mutex(State())
    private let choice: ConnectionChoice

    package init(
        authorize: @escaping Authorize,
        version: String = "",
        keepalive: RelayKeepalive = RelayKeepalive(),
        maximumStreams: Int = 100,
        logger: Logger
    ) {
        self.authorize = authorize
        self.version = version
        self.keepalive = keepalive
        self.logger = logger
        choice = ConnectionChoice(maximumStreams: maximumStreams, doubtful: keepalive.interval * 2)
    }

    // MARK: Sending

    /// Whether a relay of the cluster is connected, accepted and not saying goodbye.
    package func isConnected(_ cluster: String) -> Bool {
        state.withLock { $0.connections[cluster] ?? [] }.contains { !$0.candidate.isDraining }
    }

    /// Sends one request to the cluster.
    ///
    /// Answers when the head of the answer is there. A request that may have reached the cluster is never sent twice: repeating
    /// is the caller's business.
    /// - Throws: `RelayError`.
    package func send(
        cluster: String,
        method: String,
        path: String,
        headers: [RelayHeader] = [],
        body: RelayBody = .empty,
        limits: RelayLimits = RelayLimits()
    ) async throws -> RelayResponse {
        let connection = try choose(cluster)
        return try await connection.exchange(method, path, headers: headers, body: body, limits: limits)
    }

    private func choose(_ cluster: String) throws(RelayError) -> RelayConnection {
        let outcome: Result<RelayConnection, RelayError> = state.withLock { state in
            let connections = state.connections[cluster] ?? []
            switch choice.pick(connections.map(\.candidate)) {
            case .use(let id):
                guard let connection = connections.first(where: { $0.id == id }) else {
                    return .failure(.notConnected(cluster))
                }
                connection.reserve()
                return .success(connection)
            case .overloaded:
                return .failure(
                    RelayError(
                        .overloaded,
                        "cluster '\(cluster)' has \(choice.maximumStreams) requests under way on each connection",
                        remedy: "try again when some have ended"
                    )
                )
            case .notConnected: return .failure(.notConnected(cluster))
            }
        }
        return try outcome.get()
    }

    /// Ends all connections of a cluster, such as one that was deleted.
    package func disconnect(_ cluster: String) {
        for connection in state.withLock({ $0.connections[cluster] ?? [] }) {
            connection.link.goodbye(reason: "the cluster is no longer connected to this control plane", isFinal: true)
        }
    }

    // MARK: Serving

    /// Sets up a channel on which TLS with the relay's ALPN name is done; on its event loop.
    package func prepare(_ channel: any Channel) throws -> RelayConnection {
        let draining = DrainSignal()
        let link = try RelayLink<Void>.make(
            channel,
            mode: .client,
            keepalive: keepalive,
            onDraining: { draining.fire() },
            accept: { stream in
                // A server may not open streams; HTTP/2 refuses them before this.
                throw RelayError(.invalidPeer, "the relay opened stream \(stream)", remedy: nil)
            }
        )
        let connection = RelayConnection(link)
        draining.target.withLock { $0 = { [weak connection] in connection?.drain() } }
        return connection
    }

    /// Asks who it is, then keeps it among the cluster's connections until it is over.
    package func serve(_ connection: RelayConnection) async {
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                await converse(connection)
            } onGracefulShutdown: {
                connection.link.goodbye(isFinal: true)
            }
        } onCancel: {
            connection.link.close()
        }
        await connection.link.closed()
        remove(connection)
        logger.info(
            "relay disconnected",
            metadata: [
                "cluster": "\(connection.cluster ?? "unknown")", "connection": "\(connection.id)",
                "reason": "\(connection.link.watch.reason ?? "closed by the other side")",
            ]
        )
    }

    private func converse(_ connection: RelayConnection) async {
        do {
            let (grant, token) = try await hello(connection)
            add(connection, grant.cluster)
            // A cluster that was deleted or registered anew meanwhile had nothing to disconnect yet.
            guard await authorize(token)?.cluster == grant.cluster else { throw Self.badToken(status: 200) }
            try await accept(connection, grant.cluster)
            logger.info(
                "relay connected",
                metadata: ["cluster": "\(grant.cluster)", "connection": "\(connection.id)"]
            )
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.renew(connection, grant) }
                group.addTask { await connection.link.closed() }
                await group.next()
                connection.link.close()
                group.cancelAll()
            }
        } catch {
            connection.link.watch.note("\(error)")
            let isRefused = (error as? RelayError)?.code == .refused
            connection.link.goodbye(reason: isRefused ? "\(error)" : "the hello failed", isFinal: true)
        }
    }

    /// Returns when the token was not renewed, after which the connection is to be closed.
    private func renew(_ connection: RelayConnection, _ grant: RelayGrant) async {
        var end = ContinuousClock.now + grant.lifetime
        while case .ask(let pause) = TokenRenewal.step(remaining: ContinuousClock.now.duration(to: end)) {
            do { try await Task.sleep(for: pause) } catch { return }
            do {
                let (fresh, _) = try await hello(connection)
                guard fresh.cluster == grant.cluster else {
                    return refuse(connection, "the new token is for cluster '\(fresh.cluster)'")
                }
                end = ContinuousClock.now + fresh.lifetime
            } catch {
                // A relay that cannot read its file for a moment has until the old token's end.
                logger.debug(
                    "a relay's token was not renewed",
                    metadata: ["cluster": "\(grant.cluster)", "error": "\(error)"]
                )
                guard (error as? RelayError)?.code != .cut else { return }
            }
        }
        refuse(connection, "the relay's token ended and was not renewed")
    }

    private func refuse(_ connection: RelayConnection, _ reason: String) {
        connection.link.watch.note(reason)
        connection.link.goodbye(reason: reason, isFinal: true)
    }

    private func hello(_ connection: RelayConnection) async throws -> (grant: RelayGrant, token: String) {
        connection.reserve()
        let answer = try await connection.exchange(
            "GET",
            RelayProtocol.helloPath,
            headers: [(RelayProtocol.versionHeader, version)],
            body: .empty,
            limits: Self.helloLimit
        )
        _ = try await answer.collect(upTo: 64 << 10)
        let prefix = "Bearer "
        guard answer.status == 200, let field = answer.header("authorization"), field.hasPrefix(prefix) else {
            throw Self.badToken(status: answer.status)
        }
        let token = String(field.dropFirst(prefix.count))
        guard let grant = await authorize(token), grant.lifetime > .zero else {
            throw Self.badToken(status: answer.status)
        }
        return (grant, token)
    }

    private static func badToken(status: Int) -> RelayError {
        RelayError(
            .refused,
            "the relay's token is missing, wrong or over (its hello answered \(status))",
            remedy:
                "see whether the extension agent of the cluster runs; it writes Secret relay-token of namespace azureml"
        )
    }

    private func accept(_ connection: RelayConnection, _ cluster: String) async throws {
        connection.reserve()
        let answer = try await connection.exchange(
            "POST",
            RelayProtocol.acceptedPath,
            headers: [(RelayProtocol.clusterHeader, cluster)],
            body: .empty,
            limits: Self.helloLimit
        )
        _ = try await answer.collect(upTo: 64 << 10)
    }

    private func add(_ connection: RelayConnection, _ cluster: String) {
        let pushedOut = state.withLock { state in
            state.nextID += 1
            connection.register(id: state.nextID, cluster: cluster)
            state.connections[cluster, default: []].append(connection)
            let excess = (state.connections[cluster]?.count ?? 0) - Self.maximumConnections
            return Array((state.connections[cluster] ?? []).prefix(max(0, excess)))
        }
        for old in pushedOut {
            old.link.goodbye(reason: "newer connections of the cluster took its place", isFinal: true)
        }
    }

    private func remove(_ connection: RelayConnection) {
        guard let cluster = connection.cluster else { return }
        state.withLock { state in
            state.connections[cluster]?.removeAll { $0 === connection }
            if state.connections[cluster]?.isEmpty == true { state.connections[cluster] = nil }
        }
    }
}

/// Leads from the handler, which is made first, to the connection that holds it.
private final class DrainSignal: Sendable {
    let target = Mutex<(@Sendable () -> Void)?>(nil)

    func fire() { target.withLock { $0 }?() }
}
