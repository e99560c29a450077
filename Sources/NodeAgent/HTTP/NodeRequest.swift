/// A request to the node's socket, as the API server's proxy sends it.
enum NodeRequest: Sendable, Hashable {
    struct Streams: Sendable, Hashable {
        var namespace: String
        var pod: String
        var container: String
        var command: [String]
        var stdin: Bool
        var stdout: Bool
        var stderr: Bool
        var terminal: Bool
    }

    case health
    case logs(namespace: String, pod: String, container: String, query: [String: [String]])
    case exec(Streams)
    case attach(Streams)
    case portForward(namespace: String, pod: String, ports: [Int])

    /// - Throws: `.notFound` for an unknown path, `.badRequest` for missing parameters.
    init(uri: String) throws {
        let parts = uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = (parts.first ?? "").split(separator: "/").map { Self.decode(String($0), plusIsSpace: false) }
        let query = parts.count > 1 ? Self.query(String(parts[1])) : [:]
        switch (path.first, path.count) {
        case ("healthz", 1): self = .health
        case ("containerLogs", 4): self = .logs(namespace: path[1], pod: path[2], container: path[3], query: query)
        case ("exec", 4):
            let streams = Self.streams(path, query)
            guard !streams.command.isEmpty else {
                throw NodeAgentError(.badRequest, "exec needs a command", remedy: "add command=…")
            }
            self = .exec(streams)
        case ("attach", 4): self = .attach(Self.streams(path, query))
        case ("portForward", 3):
            let ports = ((query["port"] ?? []) + (query["ports"] ?? [])).flatMap { $0.split(separator: ",") }.compactMap
            { Int($0) }
            guard !ports.isEmpty, ports.allSatisfy({ (1...65535).contains($0) }) else {
                throw NodeAgentError(.badRequest, "portForward needs ports between 1 and 65535", remedy: "add ports=…")
            }
            self = .portForward(namespace: path[1], pod: path[2], ports: ports)
        default: throw NodeAgentError(.notFound, "no such path: \(parts.first ?? "")")
        }
    }

    private static func streams(_ path: [String], _ query: [String: [String]]) -> Streams {
        // The API uses the long names, the node API of upstream input, output, error.
        func flag(_ names: String...) -> Bool {
            names.contains { name in query[name]?.last.map { $0 == "true" || $0 == "1" } ?? false }
        }
        return Streams(
            namespace: path[1],
            pod: path[2],
            container: path[3],
            command: query["command"] ?? [],
            stdin: flag("stdin", "input"),
            stdout: flag("stdout", "output"),
            stderr: flag("stderr", "error"),
            terminal: flag("tty")
        )
    }

    static func query(_ text: String) -> [String: [String]] {
        var result: [String: [String]] = [:]
        for pair in text.split(separator: "&") {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let name = sides.first else { continue }
            result[decode(name, plusIsSpace: true), default: []].append(
                sides.count > 1 ? decode(sides[1], plusIsSpace: true) : ""
            )
        }
        return result
    }

    private static func decode(_ text: String, plusIsSpace: Bool) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let first = rest.popFirst() {
            if first == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(first == UInt8(ascii: "+") && plusIsSpace ? UInt8(ascii: " ") : first)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
