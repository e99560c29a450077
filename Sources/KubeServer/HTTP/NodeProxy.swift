internal import AsyncHTTPClient
internal import KubeCore
internal import NIOCore
internal import NIOHTTP1

/// Hands log, exec, attach and port-forward requests to the agent of the pod's node.
struct NodeProxy: Sendable {
    let client: HTTPClient
    let socketPath: @Sendable (String) -> String

    private static let subresources: Set<String> = ["log", "exec", "attach", "portforward"]

    /// nil when the request is for something else.
    func respond(_ call: ResourceRoutes.Call, registry: Registry) async throws -> RequestOutcome? {
        guard call.type == .pods, Self.subresources.contains(call.target.subresource), call.target.rest.isEmpty else {
            return nil
        }
        let name = call.target.name
        let isLog = call.target.subresource == "log"
        guard isLog ? call.request.method == .GET : [.GET, .POST].contains(call.request.method) else {
            throw ResourceRoutes.notAllowed
        }
        let pod = try await registry.get(.pods, namespace: call.namespace, name: name, subresource: nil)
        guard let node = pod["spec", "nodeName"]?.stringValue, !node.isEmpty else {
            throw APIError.badRequest("pod \(name) does not have a host assigned")
        }
        let socket = socketPath(node)
        if isLog { return try await log(call, pod, node: node, socket: socket) }
        guard call.request.isUpgrade else {
            throw APIError.badRequest("Upgrade request required")
        }
        try await registry.admitConnection(
            .pods,
            namespace: call.namespace,
            name: name,
            subresource: call.target.subresource,
            options: Self.options(call),
            user: call.user
        )
        return .tunnel(to: .unix(socket), head: try head(call, pod))
    }

    /// The query as the options object that admission sees.
    private static func options(_ call: ResourceRoutes.Call) -> JSON {
        let kind = call.kind.subresource(call.target.subresource)?.kind ?? ""
        var options: [String: JSON] = ["apiVersion": "v1", "kind": .string(kind)]
        let query = call.request.query
        if call.target.subresource == "portforward" {
            let ports = query.all("ports").compactMap { Int($0) }
            if !ports.isEmpty { options["ports"] = .array(ports.map { JSON($0) }) }
            return .object(options)
        }
        for stream in ["stdin", "stdout", "stderr", "tty"] where query.flag(stream) ?? false { options[stream] = true }
        if let container = query.text("container") { options["container"] = .string(container) }
        let command = query.all("command")
        if !command.isEmpty { options["command"] = JSON(command) }
        return .object(options)
    }

    // MARK: Logs

    private func log(
        _ call: ResourceRoutes.Call,
        _ pod: KubeObject,
        node: String,
        socket: String
    ) async throws -> RequestOutcome {
        let container = try Self.container(call.request.query.text("container"), in: pod)
        try Self.checkLogOptions(call.request.query)
        let path = "/containerLogs/\(pod.namespace ?? "")/\(pod.name)/\(container)"
        let query = Self.query(call.request.query, without: ["container", "pretty"])
        let encoded = socket.utf8.reduce(into: "") { text, byte in
            text += byte == UInt8(ascii: "/") ? "%2F" : PercentText.encodePath(String(decoding: [byte], as: UTF8.self))
        }
        var request = HTTPClientRequest(url: "http+unix://\(encoded)\(path)\(query)")
        request.headers.add(name: "Host", value: node)
        let response: HTTPClientResponse
        do {
            response = try await client.execute(request, deadline: .now() + .seconds(30))
        } catch let error where !(error is CancellationError) {
            throw APIError(
                code: 500,
                reason: .internalError,
                message: "Get \"\(path)\": the agent of node \(node) cannot be reached: \(error)"
            )
        }
        guard response.status == .ok else { throw await Self.error(response, pod.name) }
        let body = response.body
        var headers = HTTPHeaders()
        headers.add(name: "Content-Type", value: "text/plain")
        return .stream(status: .ok, headers: headers) { writer in
            for try await chunk in body { try await writer.write(chunk) }
        }
    }

    private static func error(_ response: HTTPClientResponse, _ pod: String) async -> APIError {
        let code = Int(response.status.code)
        let buffer = try? await response.body.collect(upTo: 1 << 20)
        if let buffer, let json = try? JSON(parsing: buffer.readableBytesView), json["kind"]?.stringValue == "Status" {
            return APIError(status: json, code: code)
        }
        let text = buffer.map { String(buffer: $0).trimmingSpaces() } ?? ""
        let reason: APIError.Reason =
            switch code {
            case 400: .badRequest
            case 404: .notFound
            case 503: .serviceUnavailable
            default: .internalError
            }
        return APIError(code: code, reason: reason, message: text.isEmpty ? "no log of pod \(pod)" : text)
    }

    private static func checkLogOptions(_ query: RequestQuery) throws(APIError) {
        var errors: [FieldError] = []
        for (name, minimum) in [("tailLines", 0), ("sinceSeconds", 1), ("limitBytes", 1)] {
            if let value = try query.integer(name), value < minimum {
                let detail = minimum == 0 ? "must be greater than or equal to 0" : "must be greater than 0"
                errors.append(FieldError(name, .invalid, detail, badValue: JSON(value)))
            }
        }
        if query.text("sinceSeconds") != nil, query.text("sinceTime") != nil {
            errors.append(FieldError("", .forbidden, "at most one of `sinceTime` or `sinceSeconds` may be specified"))
        }
        if !errors.isEmpty {
            throw APIError.invalid(
                ResourceType(group: "", version: "v1", plural: "pods", kind: "PodLogOptions"),
                "",
                errors
            )
        }
    }

    // MARK: Upgrades

    private func head(_ call: ResourceRoutes.Call, _ pod: KubeObject) throws -> HTTPRequestHead {
        let query = call.request.query
        let object = "\(pod.namespace ?? "")/\(pod.name)"
        var uri: String
        switch call.target.subresource {
        case "portforward": uri = "/portForward/\(object)" + Self.query(query, without: [])
        case let verb:
            let container = try Self.container(query.text("container"), in: pod)
            if verb == "exec", query.all("command").isEmpty {
                throw APIError.badRequest("you must specify at least 1 command for the container")
            }
            uri = "/\(verb)/\(object)/\(container)" + Self.query(query, without: ["container"])
        }
        var head = HTTPRequestHead(version: .http1_1, method: call.request.method, uri: uri)
        head.headers = call.request.headers
        // The agent trusts the server; the caller's credentials stay here.
        for name in ["Authorization", "Cookie"] { head.headers.remove(name: name) }
        for name in head.headers.map(\.name) where name.lowercased().hasPrefix("impersonate-") {
            head.headers.remove(name: name)
        }
        return head
    }

    /// The container meant: the one named, or the only one.
    static func container(_ name: String?, in pod: KubeObject) throws(APIError) -> String {
        func names(_ field: String) -> [String] {
            (pod["spec", field]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue }
        }
        let (containers, initial) = (names("containers"), names("initContainers"))
        let ephemeral = names("ephemeralContainers")
        if let name {
            guard (containers + initial + ephemeral).contains(name) else {
                throw .badRequest("container \(name) is not valid for pod \(pod.name)")
            }
            return name
        }
        if containers.count == 1, let only = containers.first { return only }
        let preferred = pod.annotations["kubectl.kubernetes.io/default-container"]
        if let preferred, containers.contains(preferred) { return preferred }
        var text =
            "a container name must be specified for pod \(pod.name), choose one of: [\(containers.joined(separator: " "))]"
        if !initial.isEmpty { text += " or one of the init containers: [\(initial.joined(separator: " "))]" }
        if !ephemeral.isEmpty { text += " or one of the ephemeral containers: [\(ephemeral.joined(separator: " "))]" }
        throw .badRequest(text)
    }

    private static func query(_ query: RequestQuery, without names: Set<String>) -> String {
        let items = query.items.filter { !names.contains($0.name) }
        if items.isEmpty { return "" }
        func encode(_ text: String) -> String { PercentText.encodePath(text).replacing("/", with: "%2F") }
        return "?" + items.map { encode($0.name) + "=" + encode($0.value) }.joined(separator: "&")
    }
}
