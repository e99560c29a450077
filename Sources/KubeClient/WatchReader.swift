internal import AsyncHTTPClient
internal import KubeCore
internal import NIOCore

/// Turns the body of a watch into events, one pull at a time, so that nothing is buffered beyond the connection's window.
///
/// Unchecked: only the stream that owns it uses it, and a stream has one consumer at a time.
final class WatchReader: @unchecked Sendable {
    /// Twice the largest object an API server stores, plus the event around it.
    private static let lineLimitBytes = 8 * 1024 * 1024

    private var iterator: HTTPClientResponse.Body.AsyncIterator
    private var lines = LineDecoder(limitBytes: lineLimitBytes)

    init(_ body: HTTPClientResponse.Body) {
        iterator = body.makeAsyncIterator()
    }

    /// The next event; nil when the server ended the watch.
    func next() async throws -> WatchEvent? {
        while true {
            while let line = try lines.next() {
                if line.isEmpty { continue }
                return try WatchEvent(line: line)
            }
            guard let chunk = try await iterator.next() else { return nil }
            lines.append(chunk.readableBytesView)
        }
    }
}

extension WatchEvent {
    /// Parses one line of a watch.
    ///
    /// - Throws: `APIError` for an `ERROR` event.
    init(line: ArraySlice<UInt8>) throws {
        let json = try JSON(parsing: line)
        let object = json["object"] ?? .null
        switch json["type"]?.stringValue {
        case "ADDED": self = .added(KubeObject(object))
        case "MODIFIED": self = .modified(KubeObject(object))
        case "DELETED": self = .deleted(KubeObject(object))
        case "BOOKMARK": self = .bookmark(KubeObject(object))
        case "ERROR": throw APIError(status: object, code: 500)
        case let type:
            throw APIError(
                code: 500,
                reason: .internalError,
                message: "unknown watch event type \"\(type ?? "")\""
            )
        }
    }
}
