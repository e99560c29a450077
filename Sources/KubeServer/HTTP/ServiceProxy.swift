internal import AsyncHTTPClient
internal import KubeCore
internal import KubeStore
internal import NIOCore
internal import NIOHTTP1

/// Passes requests on to what listens behind a Service, in a pod, or at a node's agent: the `proxy` subresource.
///
/// Access is the caller's verb on `services/proxy`, `pods/proxy` or `nodes/proxy`; the caller's credentials stay here.
/// Peers' certificates are not checked: the address, not the certificate, says who answers.
struct ServiceProxy: Sendable {
    let client: HTTPClient
    let socketPath: @Sendable (String) -> String

    /// Whether a request's path is one that is passed on.
    static func matches(path: String) -> Bool {
        var parts = path.split(separator: "/", omittingEmptySubsequences: true)[...]
        guard parts.count >= 5, parts.removeFirst() == "api", parts.removeFirst() == "v1" else { return false }
        if parts.first == "nodes" { return parts.count >= 3 && parts[parts.startIndex + 2] == "proxy" }
        guard parts.removeFirst() == "namespaces", parts.count >= 4 else { return false }
        let kind = parts[parts.startIndex + 1]
        return (kind == "services" || kind == "pods") && parts[parts.startIndex + 3] == "proxy"
    }

    /// nil when the request is for something else.
    func respond(_ call: ResourceRoutes.Call, registry: Registry) async throws -> RequestOutcome? {
        guard call.target.subresource == "proxy", [.services, .pods, .nodes].contains(call.type) else { return nil }
        let path = Self.rest(of: call.request.uri)
        if path.isEmpty, call.request.method == .GET || call.request.method == .HEAD {
            // Relative links of what answers need the slash.
            var response = ServerResponse(status: .movedPermanently, contentType: "text/plain", body: [])
            response.headers.add(name: "Location", value: call.request.path + "/")
            return .response(response)
        }
        let target = try target(call, registry.store)
        try await registry.admitConnection(
            call.type,
            namespace: call.namespace,
            name: call.target.name,
            subresource: "proxy",
            options: [
                "apiVersion": "v1", "kind": .string(call.type.kind + "ProxyOptions"),
                "path": .string("/" + call.target.rest),
            ],
            user: call.user
        )
        if call.request.isUpgrade { return try upgrade(call, target, path) }
        return try await pass(call, target, path)
    }

    // MARK: Target

    private struct Target: Sendable {
        var scheme: String
        var place: TunnelTarget
        var url: String
    }

    private func target(_ call: ResourceRoutes.Call, _ store: ObjectStore) throws(APIError) -> Target {
        let namespace = call.namespace ?? ""
        let what = call.type == .services ? "service" : call.type == .pods ? "pod" : "node"
        guard let place = ProxyName(call.target.name) else {
            throw .badRequest("invalid \(what) request \"\(call.target.name)\"")
        }
        switch call.type {
        case .services:
            let port: ServiceEndpoints.Port = Int(place.port).map { .number($0) } ?? .name(place.port)
            let address = try ServiceEndpoints(store: store).resolve(
                namespace: namespace,
                name: place.name,
                port: port,
                podsOnly: true,
                shownAs: Int(place.port) == nil ? call.target.name : place.name
            )
            return Self.target(place, address.host, address.port)
        case .pods: return try pod(place, namespace, store)
        default:
            guard store.find("nodes", namespace: "", name: place.name) != nil else {
                throw APIError.notFound(.nodes, place.name)
            }
            let socket = socketPath(place.name)
            let encoded = PercentText.encodePath(socket).replacing("/", with: "%2F")
            return Target(scheme: "http", place: .unix(socket), url: "http+unix://" + encoded)
        }
    }

    private func pod(_ place: ProxyName, _ namespace: String, _ store: ObjectStore) throws(APIError) -> Target {
        guard let pod = store.find("pods", namespace: namespace, name: place.name)?.object else {
            throw APIError.notFound(.pods, place.name)
        }
        var port = Int(place.port)
        if place.port.isEmpty {
            let containers = pod["spec", "containers"]?.arrayValue ?? []
            port = containers.compactMap { $0["ports"]?[0]?["containerPort"]?.intValue }.first
        }
        guard let address = pod["status", "podIP"]?.stringValue, !address.isEmpty else {
            throw .badRequest("address not allowed")
        }
        guard port != nil || place.port.isEmpty else {
            throw .badRequest("invalid pod request \"\(place.name):\(place.port)\"")
        }
        return Self.target(place, address, port ?? (place.scheme == "https" ? 443 : 80))
    }

    private static func target(_ place: ProxyName, _ host: String, _ port: Int) -> Target {
        let isTLS = place.scheme == "https"
        let shown = host.contains(":") ? "[\(host)]" : host
        return Target(
            scheme: isTLS ? "https" : "http",
            place: .tcp(host: host, port: port, isTLS: isTLS),
            url: "\(isTLS ? "https" : "http")://\(shown):\(port)"
        )
    }

    /// What follows `proxy` in the address, as it was sent, without the query.
    static func rest(of uri: String) -> String {
        let path = uri.prefix { $0 != "?" }
        var index = path.startIndex
        var remaining: Int?
        var count = 0
        // The part `proxy` is the fifth below /api/v1/nodes and the seventh below /api/v1/namespaces.
        while index < path.endIndex {
            guard path[index] == "/" else {
                let end = path[index...].firstIndex(of: "/") ?? path.endIndex
                count += 1
                if count == 3 { remaining = path[index..<end] == "nodes" ? 5 : 7 }
                index = end
                if count == remaining { return String(path[end...]) }
                continue
            }
            index = path.index(after: index)
        }
        return ""
    }

    // MARK: Passing on

    private static let hopHeaders = [
        "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
        "Transfer-Encoding", "Upgrade",
    ]

    private func headers(_ call: ResourceRoutes.Call, keepsUpgrade: Bool) -> HTTPHeaders {
        var headers = call.request.headers
        // Headers that the connection names are the connection's.
        for name in headers[canonicalForm: "Connection"] where name.lowercased() != "upgrade" {
            headers.remove(name: String(name))
        }
        for name in Self.hopHeaders {
            if keepsUpgrade, name == "Connection" || name == "Upgrade" { continue }
            headers.remove(name: name)
        }
        headers.remove(name: "Authorization")
        for name in headers.map(\.name) where name.lowercased().hasPrefix("impersonate-") { headers.remove(name: name) }
        headers.remove(name: "Expect")
        let before = headers[canonicalForm: "X-Forwarded-For"].map(String.init)
        headers.replaceOrAdd(name: "X-Forwarded-For", value: (before + [call.request.peer]).joined(separator: ", "))
        headers.replaceOrAdd(name: "X-Forwarded-Uri", value: call.request.path)
        headers.replaceOrAdd(name: "X-Forwarded-Proto", value: "https")
        if let host = headers.first(name: "Host") { headers.replaceOrAdd(name: "X-Forwarded-Host", value: host) }
        return headers
    }

    private func uri(_ call: ResourceRoutes.Call, _ path: String) -> String {
        let mark = call.request.uri.firstIndex(of: "?") ?? call.request.uri.endIndex
        return (path.isEmpty ? "/" : path) + call.request.uri[mark...]
    }

    private func upgrade(_ call: ResourceRoutes.Call, _ target: Target, _ path: String) throws -> RequestOutcome {
        var head = HTTPRequestHead(version: .http1_1, method: call.request.method, uri: uri(call, path))
        head.headers = headers(call, keepsUpgrade: true)
        return .tunnel(to: target.place, head: head)
    }

    private func pass(
        _ call: ResourceRoutes.Call,
        _ target: Target,
        _ path: String
    ) async throws -> RequestOutcome {
        var request = HTTPClientRequest(url: target.url + uri(call, path))
        request.method = call.request.method
        request.headers = headers(call, keepsUpgrade: false)
        request.headers.remove(name: "Content-Length")
        if let stream = call.request.stream {
            switch stream.length {
            case 0?: break
            case let length?: request.body = .stream(stream.sequence, length: .known(length))
            case nil: request.body = .stream(stream.sequence, length: .unknown)
            }
        } else if !call.request.body.isEmpty {
            request.body = .bytes(ByteBuffer(bytes: call.request.body))
        }
        let response: HTTPClientResponse
        do {
            response = try await client.execute(request, deadline: .distantFuture)
        } catch let error where !(error is CancellationError) {
            throw ServiceEndpoints.unavailable(
                "error trying to reach service: " + DialError.text(error, target.place.description)
            )
        }
        return outcome(response, isHead: call.request.method == .HEAD)
    }

    private func outcome(_ response: HTTPClientResponse, isHead: Bool) -> RequestOutcome {
        var headers = response.headers
        for name in Self.hopHeaders { headers.remove(name: name) }
        let body = response.body
        return .stream(status: response.status, headers: headers) { writer in
            if isHead { return }
            for try await chunk in body { try await writer.write(chunk) }
        }
    }
}

/// `name`, `name:port`, `scheme:name:port` or `scheme:name:`; the port is a number or a name.
struct ProxyName: Sendable, Hashable {
    var scheme = ""
    var name: String
    var port = ""

    /// nil for anything else.
    init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        switch parts.count {
        case 1: name = parts[0]
        case 2: (name, port) = (parts[0], parts[1])
        case 3: (scheme, name, port) = (parts[0], parts[1], parts[2])
        default: return nil
        }
        guard !name.isEmpty, ["", "http", "https"].contains(scheme) else { return nil }
    }
}

/// Why a peer could not be reached, in the words that Go programs use and people search for.
enum DialError {
    static func text(_ error: any Error, _ address: String) -> String {
        let text = "\(error)"
        if let client = error as? HTTPClientError {
            switch client {
            case .connectTimeout: return "dial tcp \(address): i/o timeout"
            case .deadlineExceeded, .readTimeout: return "context deadline exceeded"
            case .remoteConnectionClosed: return "EOF"
            default: return text
            }
        }
        if text.contains("refused") || text.contains("errno: 111") {
            return "dial tcp \(address): connect: connection refused"
        }
        if text.contains("errno: 113") { return "dial tcp \(address): connect: no route to host" }
        return "dial tcp \(address): \(text)"
    }
}
