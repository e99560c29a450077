import Foundation
import KubeCore
import NIOHTTP1
import Synchronization

@testable import Packaging

/// A registry that keeps what is pushed in memory and holds its callers to the distribution specification.
final class Registry: Sendable {
    enum Access: Sendable { case open, basic, bearer }

    struct State {
        var uploads: [String: [UInt8]] = [:]
        var blobs: [String: [UInt8]] = [:]
        var manifests: [String: (type: String, bytes: [UInt8])] = [:]
        var tokens = 0
        var expiresTokens = false
        var violations: [String] = []
    }

    let access: Access
    /// Bodies larger than this are answered 413.
    let limit: Int
    let relativeLocations: Bool
    let state = Mutex(State())

    init(access: Access = .open, limit: Int = .max, relativeLocations: Bool = true) {
        self.access = access
        self.limit = limit
        self.relativeLocations = relativeLocations
    }

    static let password = "Basic " + Data("robot:secret".utf8).base64EncodedString()

    func answer(_ server: HTTPServer, _ request: HTTPServer.Request) -> HTTPServer.Response {
        if request.path == "/token" { return token(request) }
        if let refusal = authorize(server, request) { return refusal }
        guard request.body.count <= limit else { return .init(status: .payloadTooLarge) }
        let prefix = "/v2/team/outrigger/"
        guard request.path.hasPrefix(prefix) else { return error(.notFound, "NAME_UNKNOWN") }
        let parts = request.path.dropFirst(prefix.count).split(separator: "/", omittingEmptySubsequences: false).map(
            String.init
        )
        switch (request.method, parts.first, parts.count) {
        case (.HEAD, "blobs", 2):
            return .init(status: state.withLock { $0.blobs[parts[1]] != nil } ? .ok : .notFound)
        case (.POST, "blobs", 3) where parts[1] == "uploads" && parts[2].isEmpty: return start(server)
        case (.PATCH, "blobs", 3): return patch(server, request, id: parts[2])
        case (.PUT, "blobs", 3): return finish(request, id: parts[2])
        case (.PUT, "manifests", 2): return manifest(request, tag: parts[1])
        default: return error(.notFound, "UNSUPPORTED")
        }
    }

    private func token(_ request: HTTPServer.Request) -> HTTPServer.Response {
        guard request.query["service"] == "registry.test",
            request.query["scope"] == "repository:team/outrigger:pull,push"
        else {
            return .init(status: .badRequest)
        }
        guard request.headers.first(name: "Authorization") == Self.password else { return .init(status: .unauthorized) }
        let number = state.withLock { state in
            state.tokens += 1
            return state.tokens
        }
        let answer: JSON = ["token": .string("token-\(number)"), "expires_in": 60]
        return .init(status: .ok, body: answer.bytes)
    }

    private func authorize(_ server: HTTPServer, _ request: HTTPServer.Request) -> HTTPServer.Response? {
        let given = request.headers.first(name: "Authorization")
        switch access {
        case .open: return nil
        case .basic:
            if given == Self.password { return nil }
            return .init(status: .unauthorized, headers: ["WWW-Authenticate": "Basic realm=\"registry, of ours\""])
        case .bearer:
            let isValid = state.withLock { state in
                guard state.tokens > 0, given == "Bearer token-\(state.tokens)" else { return false }
                if state.expiresTokens, request.method == .POST {
                    state.expiresTokens = false
                    return false
                }
                return true
            }
            if isValid { return nil }
            let challenge =
                "Bearer realm=\"\(server.url)/token\",service=\"registry.test\",scope=\"repository:team/outrigger:pull,push\""
            return .init(status: .unauthorized, headers: ["WWW-Authenticate": challenge])
        }
    }

    private func start(_ server: HTTPServer) -> HTTPServer.Response {
        let id = UUID().uuidString
        state.withLock { $0.uploads[id] = [] }
        return .init(status: .accepted, headers: ["Location": location(server, id)])
    }

    private func location(_ server: HTTPServer, _ id: String) -> String {
        (relativeLocations ? "" : server.url) + "/v2/team/outrigger/blobs/uploads/\(id)?_state=a%2Fb%3D"
    }

    private func patch(_ server: HTTPServer, _ request: HTTPServer.Request, id: String) -> HTTPServer.Response {
        let isInOrder = state.withLock { state in
            guard let have = state.uploads[id], request.query["_state"] == "a/b=" else { return false }
            let range = "\(have.count)-\(have.count + request.body.count - 1)"
            guard request.headers.first(name: "Content-Range") == range,
                request.headers.first(name: "Content-Length") == String(request.body.count)
            else { return false }
            state.uploads[id] = have + request.body
            return true
        }
        guard isInOrder else { return error(.rangeNotSatisfiable, "RANGE_INVALID") }
        return .init(status: .accepted, headers: ["Location": location(server, id)])
    }

    private func finish(_ request: HTTPServer.Request, id: String) -> HTTPServer.Response {
        let digest = request.query["digest"] ?? ""
        let isRight = state.withLock { state in
            guard let have = state.uploads.removeValue(forKey: id), request.query["_state"] == "a/b=" else {
                return false
            }
            let whole = have + request.body
            guard Checksum.digest(whole) == digest else { return false }
            state.blobs[digest] = whole
            return true
        }
        return isRight ? .init(status: .created) : error(.badRequest, "DIGEST_INVALID")
    }

    private func manifest(_ request: HTTPServer.Request, tag: String) -> HTTPServer.Response {
        let type = request.headers.first(name: "Content-Type") ?? ""
        let document = try? JSON(parsing: request.body)
        let descriptors = [document?["config"] ?? .null] + (document?["layers"]?.arrayValue ?? [])
        let isComplete = state.withLock { state in
            guard type == document?["mediaType"]?.stringValue else { return false }
            for descriptor in descriptors {
                guard let digest = descriptor["digest"]?.stringValue, let blob = state.blobs[digest],
                    blob.count == descriptor["size"]?.intValue
                else { return false }
            }
            state.manifests[tag] = (type, request.body)
            return true
        }
        guard isComplete else { return error(.badRequest, "MANIFEST_BLOB_UNKNOWN") }
        return .init(status: .created, headers: ["Docker-Content-Digest": Checksum.digest(request.body)])
    }

    private func error(_ status: HTTPResponseStatus, _ code: String) -> HTTPServer.Response {
        let body: JSON = ["errors": [["code": .string(code), "message": "said by the test"]]]
        return .init(status: status, body: body.bytes)
    }
}
