internal import ControlPlaneAPI
internal import Hummingbird
internal import KubeCore
internal import Logging
internal import NIOCore

/// One request as a route sees it.
struct Call: Sendable {
    /// Bodies read into memory are refused above this size.
    static let bodyLimit: Int = 32 << 20

    let request: Request
    /// Undecoded path without the query.
    let path: String
    /// Decoded path parameters.
    let parameters: [String: String]
    /// What `**` matched, decoded.
    let rest: String
    let query: RequestQuery
    let caller: Caller
    let logger: Logger

    subscript(name: String) -> String { parameters[name] ?? "" }

    var method: HTTPRequest.Method { request.method }

    func header(_ name: String) -> String? {
        guard let field = HTTPFieldNames.name(name) else { return nil }
        return request.headers[field]
    }

    /// The whole body.
    ///
    /// - Throws: 413 above `bodyLimit`.
    func bytes(limit: Int = Call.bodyLimit) async throws -> ByteBuffer {
        var buffer = ByteBuffer()
        for try await chunk in request.body {
            guard buffer.readableBytes + chunk.readableBytes <= limit else {
                throw ARMError(
                    413,
                    "RequestEntityTooLarge",
                    "The body of \(method) \(path) is longer than \(limit) bytes."
                )
            }
            buffer.writeImmutableBuffer(chunk)
        }
        return buffer
    }

    /// The body as JSON; an empty body is an empty object.
    func json() async throws -> JSON {
        let buffer = try await bytes()
        guard buffer.readableBytes > 0 else { return .object([:]) }
        do {
            return try JSON(parsing: buffer.readableBytesView)
        } catch {
            throw ARMError(400, "InvalidRequestContent", "The body of \(method) \(path) is not JSON: \(error).")
        }
    }

    /// The body as `application/x-www-form-urlencoded`.
    func form() async throws -> RequestQuery {
        RequestQuery(String(buffer: try await bytes(limit: 1 << 20)))
    }

    /// `$top` and friends.
    func count(_ name: String) -> Int? { query[name].flatMap { Int($0) } }
}
