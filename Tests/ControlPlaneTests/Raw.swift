import AsyncHTTPClient
import ControlPlaneAPI
import ControlPlaneClient
import KubeCore
import NIOCore
import NIOHTTP1
import Synchronization

@testable import ControlPlaneClient

/// Requests with a token of the test's choosing.
struct Raw: Sendable {
    let client: ControlPlaneClient
    let token: String

    func status(
        _ method: String,
        _ path: String,
        _ body: JSON? = nil,
        text: String? = nil,
        headers: [String: String] = [:]
    ) async throws -> Int {
        var request = HTTPClientRequest(url: client.connection.url + path)
        request.method = .RAW(value: method)
        request.headers.add(name: "Authorization", value: "Bearer " + token)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let body { request.body = .bytes(ByteBuffer(bytes: body.bytes)) }
        if let text { request.body = .bytes(ByteBuffer(string: text)) }
        let response = try await client.http.execute(request, timeout: .seconds(20))
        _ = try await response.body.collect(upTo: 1 << 20)
        return Int(response.status.code)
    }
}

/// Text gathered from a callback.
final class Collected: Sendable {
    private let state = Mutex("")

    var text: String { state.withLock { $0 } }

    /// True for the first piece.
    func add(_ more: String) -> Bool {
        state.withLock { text in
            defer { text += more }
            return text.isEmpty
        }
    }
}
