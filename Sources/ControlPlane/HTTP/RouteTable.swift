internal import Hummingbird

/// Who may call a route at all; routes for runs check the details themselves.
enum RouteAccess: Sendable {
    /// No credentials.
    case open
    /// A user's token.
    case user
    /// A user's token or the token of a run.
    case workload
    /// The token of a cluster's agent; the route checks whether the cluster is its own.
    case agent
    /// The route looks at signatures in the query itself.
    case own
}

typealias RouteHandler = @Sendable (Call) async throws -> Reply

/// Routes by method and path.
///
/// Fixed segments are compared without case, because ARM clients spell `resourceGroups` both ways; `{name}` matches one
/// segment, `**` the rest. Fixed segments win over `{name}`, and `{name}` over `**`, with a second try when a branch ends.
struct RouteTable: Sendable {
    struct Endpoint: Sendable {
        var access: RouteAccess
        /// Names of the captures on the way, in order.
        var names: [String]
        var handler: RouteHandler
    }

    struct Match: Sendable {
        var endpoint: Endpoint
        var parameters: [String: String]
        var rest: String
    }

    enum Resolution: Sendable {
        case match(Match)
        case wrongMethod(allowed: [String])
        case unknown
    }

    private struct Node: Sendable {
        var fixed: [String: Int] = [:]
        var capture: Int?
        var endpoints: [String: Endpoint] = [:]
        var catchAll: [String: Endpoint] = [:]
    }

    private var nodes: [Node] = [Node()]

    mutating func add(
        _ method: String,
        _ pattern: String,
        access: RouteAccess = .user,
        _ handler: @escaping RouteHandler
    ) {
        var node = 0
        var names: [String] = []
        for segment in pattern.split(separator: "/") {
            if segment == "**" {
                nodes[node].catchAll[method] = Endpoint(access: access, names: names, handler: handler)
                return
            }
            if segment.hasPrefix("{") {
                names.append(String(segment.dropFirst().dropLast()))
                node = child(of: node, capture: true, key: "")
            } else {
                node = child(of: node, capture: false, key: segment.lowercased())
            }
        }
        nodes[node].endpoints[method] = Endpoint(access: access, names: names, handler: handler)
    }

    private mutating func child(of parent: Int, capture: Bool, key: String) -> Int {
        if let known = capture ? nodes[parent].capture : nodes[parent].fixed[key] { return known }
        nodes.append(Node())
        let index = nodes.count - 1
        if capture { nodes[parent].capture = index } else { nodes[parent].fixed[key] = index }
        return index
    }

    func resolve(_ method: String, _ path: String) -> Resolution {
        let segments = path.split(separator: "/").map(String.init)
        var values: [String] = []
        var allowed: Set<String> = []
        if let match = descend(0, segments[...], method, &values, &allowed) { return .match(match) }
        return allowed.isEmpty ? .unknown : .wrongMethod(allowed: allowed.sorted())
    }

    private func descend(
        _ index: Int,
        _ segments: ArraySlice<String>,
        _ method: String,
        _ values: inout [String],
        _ allowed: inout Set<String>
    ) -> Match? {
        let node = nodes[index]
        guard let segment = segments.first else {
            if let endpoint = node.endpoints[method] { return match(endpoint, values, rest: "") }
            allowed.formUnion(node.endpoints.keys)
            if let endpoint = node.catchAll[method] { return match(endpoint, values, rest: "") }
            return nil
        }
        if let next = node.fixed[segment.lowercased()],
            let found = descend(next, segments.dropFirst(), method, &values, &allowed)
        {
            return found
        }
        if let next = node.capture {
            values.append(percentDecoded(segment))
            if let found = descend(next, segments.dropFirst(), method, &values, &allowed) { return found }
            values.removeLast()
        }
        if let endpoint = node.catchAll[method] {
            return match(endpoint, values, rest: segments.map(percentDecoded).joined(separator: "/"))
        }
        allowed.formUnion(node.catchAll.keys)
        return nil
    }

    private func match(_ endpoint: Endpoint, _ values: [String], rest: String) -> Match {
        let parameters = Dictionary(zip(endpoint.names, values)) { _, last in last }
        return Match(endpoint: endpoint, parameters: parameters, rest: rest)
    }
}

extension RouteTable {
    mutating func get(_ pattern: String, access: RouteAccess = .user, _ handler: @escaping RouteHandler) {
        add("GET", pattern, access: access, handler)
    }
    mutating func put(_ pattern: String, access: RouteAccess = .user, _ handler: @escaping RouteHandler) {
        add("PUT", pattern, access: access, handler)
    }
    mutating func post(_ pattern: String, access: RouteAccess = .user, _ handler: @escaping RouteHandler) {
        add("POST", pattern, access: access, handler)
    }
    mutating func patch(_ pattern: String, access: RouteAccess = .user, _ handler: @escaping RouteHandler) {
        add("PATCH", pattern, access: access, handler)
    }
    mutating func delete(_ pattern: String, access: RouteAccess = .user, _ handler: @escaping RouteHandler) {
        add("DELETE", pattern, access: access, handler)
    }
    mutating func head(_ pattern: String, access: RouteAccess = .user, _ handler: @escaping RouteHandler) {
        add("HEAD", pattern, access: access, handler)
    }
}
