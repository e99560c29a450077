internal import AsyncHTTPClient
internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import NIOCore
internal import NIOHTTP1

/// Tokens of a cluster's agent, asked for with a signed statement and renewed before they end.
actor AgentTokens {
    private let configuration: RemoteExtensionLink.Configuration
    private let http: HTTPClient
    private var known: (text: String, end: ContinuousClock.Instant)?
    /// Several callers that need a new token wait for one exchange.
    private var exchange: Task<String, any Error>?
    /// Seconds by which the control plane's clock is ahead of ours.
    private var skew = 0

    init(configuration: RemoteExtensionLink.Configuration, http: HTTPClient) {
        self.configuration = configuration
        self.http = http
    }

    /// A token that is good for at least five more minutes.
    func token() async throws -> String {
        if let known, known.end - .now > .seconds(300) { return known.text }
        if let exchange { return try await exchange.value }
        // Ends by itself: one request with a time limit.
        let task = Task { try await self.renew() }
        exchange = task
        defer { exchange = nil }
        return try await task.value
    }

    /// The control plane does not take this token any more.
    func forget(_ token: String) {
        if known?.text == token { known = nil }
    }

    private func renew() async throws -> String {
        do {
            return try await ask()
        } catch let error as ARMError where error.error.code == "AssertionOutOfTime" {
            // Clusters' clocks are wrong now and then; the control plane says what time it is there.
            guard let time = error.error.additionalInfo?.first?["serverTime"]?.intValue else { throw error }
            skew = time - Int(Date().timeIntervalSince1970)
            return try await ask()
        }
    }

    private func ask() async throws -> String {
        let now = Int(Date().timeIntervalSince1970) + skew
        let assertion = try configuration.key.assertion(cluster: configuration.cluster, now: now)
        let url = configuration.url + encodedPath(configuration.cluster) + "/agent/token"
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        let body: JSON = ["client_assertion": .string(assertion)]
        request.body = .bytes(ByteBuffer(bytes: body.bytes))
        let asked = ContinuousClock.now
        let response = try await http.execute(request, timeout: .seconds(20))
        let bytes = try await response.body.collect(upTo: 1 << 20)
        guard response.status.code < 400 else { throw ControlPlaneClient.error(bytes, Int(response.status.code)) }
        let answer = try JSON(parsing: bytes.readableBytesView)
        guard let text = answer["access_token"]?.stringValue else {
            throw ARMError(502, "UnexpectedAnswer", "The control plane answered no token.")
        }
        known = (text, asked + .seconds(answer["expires_in"]?.intValue ?? 3600))
        return text
    }
}
