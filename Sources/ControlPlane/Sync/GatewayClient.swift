internal import KubeCore
internal import Relay
internal import Synchronization

/// Speaks with the gateway of one cluster, whatever the way to it.
struct GatewayClient: Sendable {
    /// The cluster has no gateway: the extension is not installed or not ready.
    struct Missing: Error, CustomStringConvertible {
        var cluster: String
        var detail: String
        var description: String { "cluster '\(cluster)' has no gateway yet: \(detail)" }
    }

    /// The gateway did not answer in time; whether it carried out the request is not known.
    struct TimedOut: Error, CustomStringConvertible {
        var what: String
        var description: String { "the gateway did not answer in time: \(what)" }
    }

    private static let maximumAnswer = 32 << 20

    let cluster: String
    let transport: any GatewayTransport
    private let exchangeLimit: Duration
    private let silenceLimit: Duration

    init(_ target: ClusterTarget, hub: RelayHub) {
        self.init(cluster: target.name, transport: Self.transport(target, hub))
    }

    init(
        cluster: String,
        transport: any GatewayTransport,
        exchangeLimit: Duration = .seconds(35),
        silenceLimit: Duration = .seconds(30)
    ) {
        self.cluster = cluster
        self.transport = transport
        self.exchangeLimit = exchangeLimit
        self.silenceLimit = silenceLimit
    }

    private static func transport(_ target: ClusterTarget, _ hub: RelayHub) -> any GatewayTransport {
        let tunnel = TunnelTransport(hub: hub, key: target.key, cluster: target.name)
        switch target.access {
        case .tunnel: return tunnel
        case .api(let api, .serviceProxy(let proxy)):
            return ServiceProxyTransport(proxy: proxy, api: api, cluster: target.name)
        case .api(let api, .direct):
            let direct = DirectTransport(api: api, cluster: target.name)
            // Only connected clusters have a relay.
            guard target.clusterTypes.contains(where: { $0.lowercased() == "connectedclusters" }) else { return direct }
            return PreferredTunnelTransport(tunnel: tunnel, direct: direct)
        }
    }

    /// Sends one request; answers the parsed body.
    ///
    /// - Throws: `APIError` for an answer of the gateway, anything else for a transport that failed.
    @discardableResult
    func send(_ method: String, _ path: String, body: JSON? = nil, command: Int? = nil) async throws -> JSON {
        let bytes = try await exchange(
            GatewayCall(method: method, path: path, body: body?.bytes, command: command)
        )
        guard !bytes.isEmpty else { return .null }
        return (try? JSON(parsing: bytes)) ?? .string(String(decoding: bytes, as: UTF8.self))
    }

    /// Text of an answer, such as a log.
    func text(_ path: String) async throws -> String {
        String(decoding: try await exchange(GatewayCall(method: "GET", path: path)), as: UTF8.self)
    }

    func reset() async { await transport.reset() }

    private func exchange(_ call: GatewayCall) async throws -> [UInt8] {
        do {
            let (status, bytes) = try await Self.within(exchangeLimit, "\(call.method) \(call.path)") { [transport] in
                let reply = try await transport.send(call)
                return (reply.status, try await Self.collect(reply))
            }
            guard status < 400 else {
                if status == 401 || status == 403 || status >= 500 { await transport.reset() }
                throw try error(bytes, status)
            }
            return bytes
        } catch let error as APIError {
            throw error
        } catch {
            await transport.reset()
            throw error
        }
    }

    private static func collect(_ reply: GatewayReply) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await piece in reply.body {
            bytes += piece
            guard bytes.count <= maximumAnswer else {
                throw APIError.badRequest("the gateway's answer is longer than \(maximumAnswer) bytes")
            }
        }
        return bytes
    }

    // MARK: Watching

    /// Calls `each` with every line of the watch until it ends; a long silence ends it too.
    func watch(_ each: @escaping @Sendable (JSON) async throws -> Void) async throws {
        let heard = LastHeard()
        let limit = silenceLimit
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await follow(heard, each) }
                // Intermediaries may keep a connection open whose other end is long gone.
                group.addTask { try await heard.waitForSilence(of: limit) }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch {
            await transport.reset()
            throw error
        }
    }

    private func follow(
        _ heard: LastHeard,
        _ each: @escaping @Sendable (JSON) async throws -> Void
    ) async throws {
        let reply = try await transport.send(GatewayCall(method: "GET", path: "/v1/watch", isEndless: true))
        guard reply.status < 400 else { throw try error(try await Self.collect(reply), reply.status) }
        var lines = LineSplitter()
        for try await piece in reply.body {
            heard.note()
            for line in try lines.add(piece) { try await each(try JSON(parsing: line)) }
            heard.note()
        }
    }

    /// - Throws: `Missing` when something on the way says that there is no gateway.
    private func error(_ bytes: [UInt8], _ code: Int) throws -> APIError {
        guard let status = try? JSON(parsing: bytes), status["message"] != nil else {
            return APIError(
                code: code,
                reason: .unknown,
                message: "the gateway answered \(code): \(String(decoding: bytes.prefix(300), as: UTF8.self))"
            )
        }
        let error = APIError(status: status, code: code)
        // The API server's own "not found" is about the gateway's Service, not about what was asked of the gateway.
        if error.isNotFound, error.kind == "services" { throw Missing(cluster: cluster, detail: error.message) }
        return error
    }

    private static func within<Value: Sendable>(
        _ limit: Duration,
        _ what: String,
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(for: limit)
                throw TimedOut(what: what)
            }
            defer { group.cancelAll() }
            guard let value = try await group.next() else { throw TimedOut(what: what) }
            return value
        }
    }
}

/// When something came last.
private final class LastHeard: Sendable {
    private let time = Mutex(ContinuousClock.now)

    func note() { time.withLock { $0 = .now } }

    /// Never returns.
    ///
    /// - Throws: `TimedOut` once nothing came for `limit`.
    func waitForSilence(of limit: Duration) async throws {
        while true {
            let left = ContinuousClock.now.duration(to: time.withLock { $0 } + limit)
            guard left > .zero else { throw GatewayClient.TimedOut(what: "the watch was silent for \(limit)") }
            try await Task.sleep(for: left)
        }
    }
}

/// Cuts a stream of bytes into lines; blank ones, which are heartbeats, are left out.
struct LineSplitter {
    static let maximum = 32 << 20
    private var rest: [UInt8] = []

    /// Lines that `piece` completes.
    mutating func add(_ piece: [UInt8]) throws -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var start = piece.startIndex
        while let end = piece[start...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = rest + piece[start..<end]
            rest = []
            start = end + 1
            if !line.allSatisfy({ $0 == 13 || $0 == 32 }) { lines.append(line) }
        }
        rest += piece[start...]
        guard rest.count < Self.maximum else {
            throw APIError.badRequest("a line of the watch is longer than \(Self.maximum) bytes")
        }
        return lines
    }
}
