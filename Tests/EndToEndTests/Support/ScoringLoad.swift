internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1

/// Requests one after another until stopped.
struct ScoringLoad: Sendable {
    struct Tally: Sendable {
        var answered = 0
        /// Other answers than 200, and requests without an answer.
        var failures: [String] = []
    }

    let endpoint: Digits.Endpoint
    let body: String

    /// Sends requests as long as `isWanted`, each after the answer to the last.
    func run(while isWanted: @Sendable () async -> Bool) async throws -> Tally {
        var configuration = HTTPClient.Configuration()
        configuration.timeout = .init(connect: .seconds(2), read: .seconds(10))
        let client = HTTPClient(configuration: configuration)
        var tally = Tally()
        while await isWanted(), !Task.isCancelled {
            do {
                let code = try await score(client)
                if code == 200 { tally.answered += 1 } else { tally.failures.append("status \(code)") }
            } catch {
                tally.failures.append("\(error)")
            }
        }
        try await client.shutdown()
        return tally
    }

    private func score(_ client: HTTPClient) async throws -> Int {
        var request = HTTPClientRequest(url: endpoint.scoringURI)
        request.method = .POST
        request.headers.add(name: "Authorization", value: "Bearer " + endpoint.key)
        request.headers.add(name: "Content-Type", value: "application/json")
        request.body = .bytes(ByteBuffer(string: body))
        let response = try await client.execute(request, timeout: .seconds(10))
        _ = try await response.body.collect(upTo: 1 << 20)
        return Int(response.status.code)
    }
}

/// Something that goes on until it is told to stop.
actor Switch {
    private(set) var isOn = true
    func turnOff() { isOn = false }
}
