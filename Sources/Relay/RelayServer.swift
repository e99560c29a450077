package import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTP2
internal import ServiceLifecycle
internal import Synchronization

/// The cluster's end of the tunnel: keeps one connection to the control plane and forwards what comes on it.
package final class RelayServer: Service {
    private let configuration: RelayServerConfiguration
    private let upstream: any RelayUpstream
    private let logger: Logger
    private let onChange: @Sendable (_ isConnected: Bool) -> Void
    private let state = Mutex(false)

    /// `onChange`: the control plane accepted the connection, or it is gone.
    package init(
        configuration: RelayServerConfiguration,
        upstream: any RelayUpstream,
        logger: Logger,
        onChange: @escaping @Sendable (_ isConnected: Bool) -> Void = { _ in }
    ) {
        self.configuration = configuration
        self.upstream = upstream
        self.logger = logger
        self.onChange = onChange
    }

    /// Whether the control plane has accepted the present connection.
    package var isConnected: Bool { state.withLock { $0 } }

    /// Keeps connecting until the graceful shutdown, then lets requests under way end.
    package func run() async throws {
        var delay = ReconnectDelay()
        while !Task.isCancelled, !Task.isShuttingDownGracefully {
            do {
                let link = try await RelayDialler(configuration: configuration).dial()
                if await serve(link) { delay.reset() }
                if Task.isCancelled || Task.isShuttingDownGracefully { break }
                logger.warning(
                    "connection to the control plane lost",
                    metadata: ["reason": "\(link.watch.reason ?? "closed by the control plane")"]
                )
            } catch {
                if Task.isCancelled { break }
                logger.warning("control plane not reached", metadata: ["error": "\(error)"])
            }
            await pause(delay.next(chance: .random(in: 0..<1)))
        }
    }

    private func pause(_ duration: Duration) async {
        await cancelWhenGracefulShutdown {
            // Either the time is over or the loop's condition ends it.
            do { try await Task.sleep(for: duration) } catch {}
        }
    }

    /// Serves until the connection is over; true when the control plane had accepted it.
    private func serve(_ link: RelayLink<RelayStream>) async -> Bool {
        let accepted = Acceptance()
        await withTaskCancellationHandler {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.expectAcceptance(link, accepted) }
                group.addTask { await self.drain(link) }
                await self.answerStreams(link, accepted)
                group.cancelAll()
            }
        } onCancel: {
            link.close()
        }
        if accepted.isSet { change(false) }
        return accepted.isSet
    }

    private func change(_ isConnected: Bool) {
        let isNews = state.withLock { state in
            defer { state = isConnected }
            return state != isConnected
        }
        if isNews { onChange(isConnected) }
    }

    private func expectAcceptance(_ link: RelayLink<RelayStream>, _ accepted: Acceptance) async {
        do { try await Task.sleep(for: configuration.handshake) } catch { return }
        guard !accepted.isSet else { return }
        link.watch.note("the control plane did not accept the connection within \(configuration.handshake)")
        link.close()
    }

    private func drain(_ link: RelayLink<RelayStream>) async {
        do {
            try await gracefulShutdown()
            link.goodbye(isFinal: false)
            try await Task.sleep(for: configuration.drain)
        } catch {
            return
        }
        link.close()
    }

    private func answerStreams(_ link: RelayLink<RelayStream>, _ accepted: Acceptance) async {
        await withDiscardingTaskGroup { group in
            do {
                for try await stream in link.streams.inbound {
                    group.addTask { await self.answer(stream, accepted) }
                }
            } catch {
                link.watch.note("\(error)")
            }
            link.close()
            group.cancelAll()
        }
    }

    /// Ends with the stream, also when the control plane loses interest half way.
    private func answer(_ stream: RelayStream, _ accepted: Acceptance) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    try await self.respond(stream, accepted)
                } catch {
                    self.logger.debug("request not carried out", metadata: ["error": "\(error)"])
                }
                stream.close()
            }
            group.addTask { await stream.closed() }
            await group.next()
            group.cancelAll()
        }
    }

    private func respond(_ stream: RelayStream, _ accepted: Acceptance) async throws {
        guard case .head(let head) = try await stream.next(within: configuration.handshake) else { return }
        let path = String(head.uri.prefix { $0 != "?" })
        switch path {
        case RelayProtocol.helloPath: try await hello(stream)
        case RelayProtocol.acceptedPath:
            accepted.set()
            change(true)
            logger.info(
                "connected to the control plane",
                metadata: ["cluster": "\(head.headers.first(name: RelayProtocol.clusterHeader) ?? "")"]
            )
            try await reply(stream, RelayResponse(status: 204, body: .of([])))
        case _ where path.hasPrefix(RelayProtocol.forwardedPrefix): try await forward(stream, head)
        default: try await reply(stream, Self.fault(404, "NotFound", "the relay forwards only /v1/, not \(path)"))
        }
    }

    private func hello(_ stream: RelayStream) async throws {
        do {
            let token = try configuration.token()
            let headers: [RelayHeader] = [
                ("authorization", "Bearer " + token), (RelayProtocol.versionHeader, configuration.version),
            ]
            try await reply(stream, RelayResponse(status: 200, headers: headers, body: .of([])))
        } catch let error where !(error is RelayError || error is CancellationError) {
            logger.warning("relay token not read", metadata: ["error": "\(error)"])
            try await reply(stream, Self.fault(503, "ServiceUnavailable", "the relay has no token: \(error)"))
        }
    }

    private func forward(_ stream: RelayStream, _ head: HTTPRequestHead) async throws {
        let headers = head.headers.map { ($0.name.lowercased(), $0.value) }
            .filter { !RelayProtocol.hopByHop.contains($0.0) && $0.0 != "authorization" }
        let body = RelayBytes {
            while let part = try await stream.next() {
                switch part {
                case .body(let buffer): return Array(buffer.readableBytesView)
                case .end: return nil
                case .head: continue
                }
            }
            return nil
        }
        let request = RelayRequest(method: head.method.rawValue, path: head.uri, headers: headers, body: body)
        let response: RelayResponse
        do {
            response = try await upstream.send(request)
        } catch let error where !(error is CancellationError) {
            logger.warning("gateway not reached", metadata: ["error": "\(error)"])
            response = Self.fault(502, "ServiceUnavailable", "the relay does not reach the gateway: \(error)")
        }
        try await reply(stream, response)
    }

    private func reply(_ stream: RelayStream, _ response: RelayResponse) async throws {
        var fields = HTTPHeaders()
        for header in response.headers where !RelayProtocol.hopByHop.contains(header.name.lowercased()) {
            fields.add(name: header.name, value: header.value)
        }
        let head = HTTPResponseHead(
            version: .http2,
            status: HTTPResponseStatus(statusCode: response.status),
            headers: fields
        )
        try await stream.write(.head(head))
        for try await piece in response.body { try await stream.write(body: piece) }
        try await stream.write(.end(nil))
    }

    private static func fault(_ status: Int, _ reason: String, _ message: String) -> RelayResponse {
        RelayFault(status: status, reason: reason, message: message).response
    }
}

/// Set once the control plane has accepted a connection.
private final class Acceptance: Sendable {
    private let state = Mutex(false)

    var isSet: Bool { state.withLock { $0 } }
    func set() { state.withLock { $0 = true } }
}
