/// One request to a gateway.
struct GatewayCall: Sendable {
    var method: String
    /// Path with query, from `/v1/` on.
    var path: String
    var body: [UInt8]? = nil
    /// Number of the command in the outbox, by which the gateway knows repetitions and late arrivals.
    var command: Int? = nil
    /// The answer has no end and beats every ten seconds.
    var isEndless = false

    static let commandHeader = "Outrigger-Command-Id"

    /// Header fields other than the credential.
    var headers: [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        if body != nil { headers.append(("Content-Type", "application/json")) }
        if let command { headers.append((Self.commandHeader, String(command))) }
        return headers
    }
}

/// The answer of a gateway, or of something on the way to it.
struct GatewayReply: Sendable {
    var status: Int
    var body: AsyncThrowingStream<[UInt8], any Error>
}

/// A way to the gateway of one cluster.
protocol GatewayTransport: Sendable {
    /// Sends a request once.
    ///
    /// - Throws: `GatewayClient.Missing` when there is no gateway yet, anything else for a transport that failed.
    func send(_ call: GatewayCall) async throws -> GatewayReply
    /// Forgets connections and credentials, because the last answer made them doubtful.
    func reset() async
}
