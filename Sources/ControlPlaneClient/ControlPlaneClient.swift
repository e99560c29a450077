internal import AsyncHTTPClient
package import ControlPlaneAPI
internal import Foundation
package import KubeCore
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL
internal import Synchronization

/// The control plane could not be reached at all.
package struct ControlPlaneUnreachable: Error, Sendable, CustomStringConvertible {
    package var url: String
    package var cause: String
    package var remedy: String

    package var description: String { "the control plane at \(url) does not answer: \(cause)" }
}

/// A client of the control plane's REST interface, with no private routes.
///
/// An answer of 400 or more is thrown as `ARMError`; a server that cannot be reached as `ControlPlaneUnreachable`. Call
/// `shutdown()` when done.
package final class ControlPlaneClient: Sendable {
    /// One answer that is no error.
    package struct Answer: Sendable {
        package var status: Int
        package var body: JSON
        /// Where to ask how a long-running operation goes; nil when the answer is final.
        package var operation: String?
        /// Address that was asked; polled when the body's provisioningState says it is not done.
        package var url: String
    }

    package let connection: ConnectionInfo
    let http: HTTPClient
    private let token = Mutex<(text: String, end: Double)?>(nil)

    /// A client that trusts only servers whose certificate `caPEM`'s CA has signed.
    package init(connection: ConnectionInfo, caPEM: String) throws {
        self.connection = connection
        var configuration = HTTPClient.Configuration()
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(caPEM.utf8)))
        // A command that has its answer must not wait for the server's goodbye.
        tls.shutdownTimeout = .milliseconds(300)
        configuration.tlsConfiguration = tls
        configuration.httpVersion = .http1Only
        configuration.timeout = .init(connect: .seconds(10), read: .seconds(120))
        configuration.redirectConfiguration = .disallow
        http = HTTPClient(configuration: configuration)
    }

    /// Reads `connection.json` and `ca.pem` of an instance's data folder.
    package convenience init(dataDirectory: String) throws {
        let connection = try JSONDecoder().decode(
            ConnectionInfo.self,
            from: Data(contentsOf: URL(filePath: dataDirectory + "/connection.json"))
        )
        let ca = try String(contentsOfFile: dataDirectory + "/ca.pem", encoding: .utf8)
        try self.init(connection: connection, caPEM: ca)
    }

    package func shutdown() async throws { try await http.shutdown() }

    // MARK: Requests

    /// `path` is an ARM id or any path of the control plane; `query` is encoded here.
    package func get(_ path: String, query: [String: String] = [:]) async throws -> JSON {
        try await send("GET", path, query: query).body
    }

    /// nil when there is no such resource.
    package func find(_ path: String, query: [String: String] = [:]) async throws -> JSON? {
        do {
            return try await get(path, query: query)
        } catch let error as ARMError where error.status == 404 {
            return nil
        }
    }

    /// All items of a list, over all pages.
    package func list(_ path: String, query: [String: String] = [:]) async throws -> [JSON] {
        var items: [JSON] = []
        var page = try await get(path, query: query)
        while true {
            items += page["value"]?.arrayValue ?? []
            guard let next = page["nextLink"]?.stringValue, !next.isEmpty else { return items }
            page = try await get(next)
        }
    }

    package func put(_ path: String, _ body: JSON, query: [String: String] = [:]) async throws -> Answer {
        try await send("PUT", path, query: query, body: body)
    }

    package func patch(_ path: String, _ body: JSON, query: [String: String] = [:]) async throws -> Answer {
        try await send("PATCH", path, query: query, body: body)
    }

    package func post(_ path: String, _ body: JSON = .object([:]), query: [String: String] = [:]) async throws -> Answer
    {
        try await send("POST", path, query: query, body: body)
    }

    package func delete(_ path: String, query: [String: String] = [:]) async throws -> Answer {
        try await send("DELETE", path, query: query)
    }

    func send(_ method: String, _ path: String, query: [String: String] = [:], body: JSON? = nil) async throws -> Answer
    {
        let url = address(path, query)
        var request = HTTPClientRequest(url: url)
        request.method = .RAW(value: method)
        request.headers.add(name: "Authorization", value: "Bearer " + (try await accessToken()))
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body.bytes))
        }
        let (response, bytes) = try await execute(request)
        let text =
            bytes.readableBytes == 0
            ? JSON.null : (try? JSON(parsing: bytes.readableBytesView)) ?? .string(String(buffer: bytes))
        return Answer(
            status: Int(response.status.code),
            body: text,
            operation: response.headers.first(name: "Azure-AsyncOperation"),
            url: url
        )
    }

    /// Sends a request and reads the whole answer.
    func execute(_ request: HTTPClientRequest) async throws -> (HTTPClientResponse, ByteBuffer) {
        let response: HTTPClientResponse
        let bytes: ByteBuffer
        do {
            response = try await http.execute(request, timeout: .seconds(600))
            bytes = try await response.body.collect(upTo: 256 << 20)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw ControlPlaneUnreachable(
                url: connection.url,
                cause: "\(error)",
                remedy: "Start the instance with 'outrigger up', or name its folder with --data-dir."
            )
        }
        guard response.status.code < 400 else { throw ControlPlaneClient.error(bytes, Int(response.status.code)) }
        return (response, bytes)
    }

    func address(_ path: String, _ query: [String: String] = [:]) -> String {
        var url = path.hasPrefix("https://") || path.hasPrefix("http://") ? path : connection.url + encodedPath(path)
        for (name, value) in query.sorted(by: { $0.key < $1.key }) {
            url += (url.contains("?") ? "&" : "?") + encoded(name) + "=" + encoded(value)
        }
        return url
    }

    static func error(_ bytes: ByteBuffer, _ status: Int) -> ARMError {
        if let json = try? JSON(parsing: bytes.readableBytesView), let detail = ErrorDetail(json) {
            return ARMError(status: status, error: detail)
        }
        return ARMError(
            status,
            "HTTP\(status)",
            "The control plane answered \(status): \(String(buffer: bytes).prefix(500))"
        )
    }

    // MARK: Sign-in

    /// A bearer token that is good for at least five more minutes.
    package func accessToken() async throws -> String {
        let now = Date().timeIntervalSince1970
        if let known = token.withLock({ $0 }), known.end > now + 300 { return known.text }
        var request = HTTPClientRequest(url: "\(connection.url)/\(connection.tenant)/oauth2/v2.0/token")
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
        let form = [
            "grant_type=client_credentials", "client_id=" + encoded(connection.clientId),
            "client_secret=" + encoded(connection.clientSecret), "scope=" + encoded(connection.url + "/.default"),
        ]
        request.body = .bytes(ByteBuffer(string: form.joined(separator: "&")))
        let (_, bytes) = try await signIn(request)
        let answer = try JSON(parsing: bytes.readableBytesView)
        guard let text = answer["access_token"]?.stringValue else {
            throw ARMError(401, "AuthenticationFailed", "The token endpoint gave no token.")
        }
        token.withLock { $0 = (text, now + (answer["expires_in"]?.doubleValue ?? 3600)) }
        return text
    }

    private func signIn(_ request: HTTPClientRequest) async throws -> (HTTPClientResponse, ByteBuffer) {
        do {
            return try await execute(request)
        } catch let error as ARMError where error.status == 401 || error.status == 400 {
            throw ARMError(
                401,
                "AuthenticationFailed",
                "The control plane does not accept the credentials of connection.json: \(error.error.message)"
            )
        }
    }
}

private let unreserved: CharacterSet = {
    var set = CharacterSet(charactersIn: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    set.insert(charactersIn: "-._~")
    return set
}()

/// Everything but unreserved characters encoded.
func encoded(_ text: String) -> String { text.addingPercentEncoding(withAllowedCharacters: unreserved) ?? text }

/// A path with its slashes and its query kept.
func encodedPath(_ text: String) -> String {
    var set = unreserved
    set.insert(charactersIn: "/?&=%$@:+,;")
    return text.addingPercentEncoding(withAllowedCharacters: set) ?? text
}
