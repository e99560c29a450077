internal import AsyncHTTPClient
package import KubeCore
internal import NIOCore
internal import NIOHTTP1

/// What a server says it is.
package struct ServerVersion: Sendable, Hashable {
    /// Always `1`.
    package var major: String
    /// `36`, on some providers `36+`.
    package var minor: String
    /// Such as `v1.36.2`.
    package var gitVersion: String
    package var platform: String
}

/// One resource that a server offers.
package struct DiscoveredResource: Sendable, Hashable {
    package var type: ResourceType
    package var singular: String
    package var shortNames: [String]
    package var categories: [String]
    package var verbs: [String]
    /// Names after the slash: `status`, `scale`.
    package var subresources: [String]
}

extension HTTPResourceAPI {
    package func serverVersion() async throws -> ServerVersion {
        let json = try await transport.json(.init(.GET, "/version"))
        return ServerVersion(
            major: json["major"]?.stringValue ?? "",
            minor: json["minor"]?.stringValue ?? "",
            gitVersion: json["gitVersion"]?.stringValue ?? "",
            platform: json["platform"]?.stringValue ?? ""
        )
    }

    /// The body of any GET, such as `/readyz?verbose` or `/metrics`.
    package func raw(
        _ path: String,
        query: [(String, String)] = [],
        accept: String = "*/*"
    ) async throws -> [UInt8] {
        var call = HTTPTransport.Call(.GET, path, query: query)
        call.accept = accept
        let buffer = try await transport.bytes(call)
        return Array(buffer.readableBytesView)
    }

    /// Sends any JSON request; for addresses that are no resources.
    package func rawJSON(
        method: String,
        path: String,
        query: [(String, String)] = [],
        body: JSON? = nil
    ) async throws -> JSON {
        var call = HTTPTransport.Call(.init(rawValue: method), path, query: query)
        call.body = body?.bytes
        return try await transport.json(call)
    }

    /// The resources of one version of a group, `v1` or `apps/v1`; empty when the server does not have it.
    package func resources(apiVersion: String) async throws -> [DiscoveredResource] {
        let path = apiVersion.contains("/") ? "/apis/" + apiVersion : "/api/" + apiVersion
        do {
            return Self.resources(in: try await transport.json(.init(.GET, path)), apiVersion: apiVersion)
        } catch let error as APIError where error.isNotFound {
            return []
        }
    }

    /// The resource that holds objects of this kind; nil when the server has none.
    package func resource(apiVersion: String, kind: String) async throws -> ResourceType? {
        try await resources(apiVersion: apiVersion).first { $0.type.kind == kind }?.type
    }

    /// All resources in their groups' preferred versions.
    ///
    /// A group whose aggregated server is down is left out.
    package func preferredResources() async throws -> [DiscoveredResource] {
        let groups = try await transport.json(.init(.GET, "/apis"))["groups"]?.arrayValue ?? []
        let versions = ["v1"] + groups.compactMap { $0[path: "preferredVersion", "groupVersion"]?.stringValue }
        var found: [DiscoveredResource] = []
        for version in versions {
            do {
                found += try await resources(apiVersion: version)
            } catch let error as APIError where error.code == 503 {
                continue
            }
        }
        return found
    }

    private static func resources(in json: JSON, apiVersion: String) -> [DiscoveredResource] {
        let parts = apiVersion.split(separator: "/")
        let entries = json["resources"]?.arrayValue ?? []
        var subresources: [String: [String]] = [:]
        for entry in entries {
            let name = (entry["name"]?.stringValue ?? "").split(separator: "/", maxSplits: 1)
            if name.count == 2 { subresources[String(name[0]), default: []].append(String(name[1])) }
        }
        return entries.compactMap { entry in
            guard let name = entry["name"]?.stringValue, !name.contains("/"), let kind = entry["kind"]?.stringValue
            else { return nil }
            let type = ResourceType(
                group: parts.count == 2 ? String(parts[0]) : "",
                version: String(parts.last ?? "v1"),
                plural: name,
                kind: kind,
                isNamespaced: entry["namespaced"]?.boolValue ?? false
            )
            return DiscoveredResource(
                type: type,
                singular: entry["singularName"]?.stringValue ?? "",
                shortNames: entry["shortNames"]?.stringArray ?? [],
                categories: entry["categories"]?.stringArray ?? [],
                verbs: entry["verbs"]?.stringArray ?? [],
                subresources: subresources[name] ?? []
            )
        }
    }
}

/// What part of a container's log to read.
package struct PodLogOptions: Sendable, Hashable {
    package var container: String?
    package var follow: Bool
    package var previous: Bool
    package var tailLines: Int?
    package var sinceSeconds: Int?
    package var timestamps: Bool
    package var limitBytes: Int?

    package init(
        container: String? = nil,
        follow: Bool = false,
        previous: Bool = false,
        tailLines: Int? = nil,
        sinceSeconds: Int? = nil,
        timestamps: Bool = false,
        limitBytes: Int? = nil
    ) {
        self.container = container
        self.follow = follow
        self.previous = previous
        self.tailLines = tailLines
        self.sinceSeconds = sinceSeconds
        self.timestamps = timestamps
        self.limitBytes = limitBytes
    }

    var query: [(String, String)] {
        var query: [(String, String)] = []
        if let container { query.append(("container", container)) }
        if follow { query.append(("follow", "true")) }
        if previous { query.append(("previous", "true")) }
        if let tailLines { query.append(("tailLines", String(tailLines))) }
        if let sinceSeconds { query.append(("sinceSeconds", String(sinceSeconds))) }
        if timestamps { query.append(("timestamps", "true")) }
        if let limitBytes { query.append(("limitBytes", String(limitBytes))) }
        return query
    }
}

extension HTTPResourceAPI {
    /// The bytes of a container's log as they come; with `follow` until the container ends or the iteration is cancelled.
    package func podLogs(
        namespace: String,
        name: String,
        options: PodLogOptions = PodLogOptions()
    ) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        var call = HTTPTransport.Call(
            .GET,
            ResourceType.pods.path(namespace: namespace, name: name, subresource: "log"),
            query: options.query
        )
        call.accept = "*/*"
        let reader = BodyReader(try await transport.stream(call).body)
        return AsyncThrowingStream { try await reader.next() }
    }
}

/// Pulls a body chunk by chunk.
///
/// Unchecked: only the stream that owns it uses it, and a stream has one consumer at a time.
private final class BodyReader: @unchecked Sendable {
    private var iterator: HTTPClientResponse.Body.AsyncIterator

    init(_ body: HTTPClientResponse.Body) {
        iterator = body.makeAsyncIterator()
    }

    func next() async throws -> [UInt8]? {
        guard let chunk = try await iterator.next() else { return nil }
        return Array(chunk.readableBytesView)
    }
}
