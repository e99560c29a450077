/// Bytes of a message, in pieces; reading them slowly slows down the sender.
package typealias RelayBytes = AsyncThrowingStream<[UInt8], any Error>

/// One header field; names are lower case.
package typealias RelayHeader = (name: String, value: String)

/// What a request carries.
package enum RelayBody: Sendable {
    case empty
    case bytes([UInt8])
    /// Sent as it comes, and no faster than the other side takes it.
    case stream(RelayBytes)
}

/// A request as the relay hands it to its upstream.
package struct RelayRequest: Sendable {
    package var method: String
    /// Path with query.
    package var path: String
    package var headers: [RelayHeader]
    /// Empty for requests without a body.
    package var body: RelayBytes

    package init(method: String, path: String, headers: [RelayHeader] = [], body: RelayBytes) {
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
    }

    /// First value of a field.
    package func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

/// An answer; `body` must be read to its end or dropped, which resets the stream.
package struct RelayResponse: Sendable {
    package var status: Int
    package var headers: [RelayHeader]
    package var body: RelayBytes

    package init(status: Int, headers: [RelayHeader] = [], body: RelayBytes) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// First value of a field.
    package func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

    /// The whole body.
    ///
    /// - Throws: `RelayError` with code `tooLarge` beyond `limit` bytes.
    package func collect(upTo limit: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await chunk in body {
            bytes += chunk
            guard bytes.count <= limit else {
                throw RelayError(.tooLarge, "the answer is larger than \(limit) bytes", remedy: nil)
            }
        }
        return bytes
    }
}

extension AsyncThrowingStream<[UInt8], any Error> {
    /// A stream of one piece.
    package static func of(_ bytes: [UInt8]) -> RelayBytes {
        RelayBytes { continuation in
            if !bytes.isEmpty { continuation.yield(bytes) }
            continuation.finish()
        }
    }
}

/// Where the relay sends what comes through the tunnel.
package protocol RelayUpstream: Sendable {
    /// Carries out one request; a cancelled task means that nobody waits for the answer any more.
    func send(_ request: RelayRequest) async throws -> RelayResponse
}

/// How long an exchange may take.
package struct RelayLimits: Sendable {
    /// From the first byte sent to the head of the answer.
    package var head: Duration
    /// Between two pieces of the answer's body while its reader waits.
    package var silence: Duration
    /// For the whole exchange; nil for streams without an end.
    package var total: Duration?

    package init(head: Duration = .seconds(30), silence: Duration = .seconds(30), total: Duration? = .seconds(60)) {
        self.head = head
        self.silence = silence
        self.total = total
    }

    /// For a watch, whose sender beats every ten seconds.
    package static let watch = RelayLimits(total: nil)
}
