package import NIOCore
internal import NIOHTTP1
internal import NIOHTTP2
internal import Synchronization

/// One cluster's connection as the control plane sees it; requests go out on it, though the cluster dialled it.
package final class RelayConnection: Sendable {
    private struct State {
        var id = 0
        var cluster: String?
        var openStreams = 0
    }

    let link: RelayLink<Void>
    private let state = Mutex(State())

    init(_ link: RelayLink<Void>) { self.link = link }

    package var channel: any Channel { link.channel }

    var id: Int { state.withLock { $0.id } }
    var cluster: String? { state.withLock { $0.cluster } }

    func register(id: Int, cluster: String) {
        state.withLock {
            $0.id = id
            $0.cluster = cluster
        }
    }

    var candidate: ConnectionChoice.Candidate {
        let (id, openStreams) = state.withLock { ($0.id, $0.openStreams) }
        return .init(
            id: id,
            isDraining: link.watch.isDraining || !link.channel.isActive,
            openStreams: openStreams,
            silence: link.watch.silence
        )
    }

    /// Takes a place among the open streams.
    func reserve() { state.withLock { $0.openStreams += 1 } }

    /// Gives the place back; a connection that said goodbye is closed with its last stream.
    func release() {
        let left = state.withLock { state in
            state.openStreams -= 1
            return state.openStreams
        }
        if left == 0, link.watch.isDraining { link.close() }
    }

    /// Called when the other side takes no new requests.
    func drain() {
        if state.withLock({ $0.openStreams }) == 0 { link.close() }
    }

    /// Sends one request on a place that was reserved, and answers as soon as the head of the answer is there.
    func exchange(
        _ method: String,
        _ path: String,
        headers: [RelayHeader],
        body: RelayBody,
        limits: RelayLimits
    ) async throws -> RelayResponse {
        let lease = try await open()
        if let total = limits.total { lease.end.setDeadline(total) }
        let head = Self.head(method, path, headers, body)
        let first: HTTPPart<HTTPResponseHead, ByteBuffer>?
        switch body {
        case .empty:
            lease.end.post(head, body: [])
            first = try await lease.end.next(within: limits.head)
        case .bytes(let bytes):
            lease.end.post(head, body: bytes)
            first = try await lease.end.next(within: limits.head)
        case .stream(let stream):
            first = try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await Self.send(head, stream, to: lease.end) }
                // An answer before the end of the body, such as a refusal, ends the sending: nobody reads the rest.
                let part = try await lease.end.next(within: limits.head)
                group.cancelAll()
                return part
            }
        }
        guard case .head(let answer) = first else {
            throw RelayError(.invalidPeer, "the cluster's answer has no head", remedy: nil)
        }
        return RelayResponse(
            status: Int(answer.status.code),
            headers: answer.headers.map { ($0.name.lowercased(), $0.value) },
            body: Self.body(lease, silence: limits.silence)
        )
    }

    private static func send(
        _ head: HTTPRequestHead,
        _ body: RelayBytes,
        to end: StreamEnd<HTTPResponseHead, HTTPRequestHead>
    ) async throws {
        try await end.write(.head(head))
        for try await piece in body { try await end.write(body: piece) }
        try await end.write(.end(nil))
    }

    private static func head(
        _ method: String,
        _ path: String,
        _ headers: [RelayHeader],
        _ body: RelayBody
    ) -> HTTPRequestHead {
        // The codec makes `:authority` of it, which HTTP/2 asks for.
        var fields = HTTPHeaders([("host", "relay")])
        for header in headers where !RelayProtocol.hopByHop.contains(header.name.lowercased()) {
            fields.add(name: header.name, value: header.value)
        }
        if case .bytes(let bytes) = body { fields.replaceOrAdd(name: "content-length", value: String(bytes.count)) }
        return HTTPRequestHead(version: .http2, method: HTTPMethod(rawValue: method), uri: path, headers: fields)
    }

    private static func body(_ lease: StreamLease, silence: Duration) -> RelayBytes {
        RelayBytes {
            while let part = try await lease.end.next(within: silence) {
                switch part {
                case .body(let buffer): return Array(buffer.readableBytesView)
                case .end: return nil
                // Informational heads say nothing to our callers.
                case .head: continue
                }
            }
            return nil
        }
    }

    private func open() async throws -> StreamLease {
        do {
            let channel = link.channel
            let end = try await link.streams.openStream { stream in
                stream.eventLoop.makeCompletedFuture { () throws -> StreamEnd<HTTPResponseHead, HTTPRequestHead> in
                    // A stream on a dead connection would never become active, and whoever writes would wait for ever.
                    guard channel.isActive else { throw RelayError.cut("it was closed before the request was sent") }
                    return try .make(stream, codec: HTTP2FramePayloadToHTTP1ClientCodec(httpProtocol: .https))
                }
            }
            return StreamLease(end, self)
        } catch {
            release()
            throw error is RelayError ? error : RelayError.cut("\(error)")
        }
    }
}

/// A stream in use; dropping the last reference resets it and frees its place.
private final class StreamLease: Sendable {
    let end: StreamEnd<HTTPResponseHead, HTTPRequestHead>
    private let connection: RelayConnection

    init(_ end: StreamEnd<HTTPResponseHead, HTTPRequestHead>, _ connection: RelayConnection) {
        self.end = end
        self.connection = connection
    }

    deinit {
        end.close()
        connection.release()
    }
}
