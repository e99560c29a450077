internal import AsyncHTTPClient
package import KubeCore
package import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// The Kubernetes API over HTTPS, for any conformant API server.
///
/// Whoever makes one calls `shutdown()` when no call is running any more; watches that are still open then end with an error.
/// Answers that carry `Retry-After` (429, and 5xx of an overloaded server) are asked again up to ten times.
package final class HTTPResourceAPI: ResourceAPI {
    /// What the requests are made with.
    package let configuration: KubeConfig
    let transport: HTTPTransport

    /// Makes a client; no connection is opened yet.
    ///
    /// `requestTimeout` is for everything but watches and log streams; `userAgent` (`program/version`) is seen in the server's
    /// records. Throws `KubeConfigError` for addresses, certificates and keys that are not valid.
    package init(
        configuration: KubeConfig,
        requestTimeout: Duration = .seconds(60),
        userAgent: String = "outrigger",
        logger: Logger = Logger(label: "kube-client")
    ) throws {
        self.configuration = configuration
        transport = try HTTPTransport(
            configuration: configuration,
            requestTimeout: requestTimeout,
            userAgent: userAgent,
            logger: logger
        )
    }

    /// Closes all connections.
    package func shutdown() async throws {
        try await transport.shutdown()
    }

    package func get(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?
    ) async throws -> KubeObject {
        let path = type.path(namespace: namespace, name: name, subresource: subresource)
        return KubeObject(try await transport.json(HTTPTransport.Call(.GET, path)))
    }

    package func list(_ type: ResourceType, namespace: String?, options: ListOptions) async throws -> KubeList {
        let call = HTTPTransport.Call(.GET, type.path(namespace: namespace), query: options.query)
        let json = try await transport.json(call)
        return KubeList(listJSON: json, type: type)
    }

    package func watch(_ type: ResourceType, namespace: String?, options: WatchOptions) async throws -> WatchStream {
        var options = options
        // Without a limit of its own a half-dead server could hold a watch open and silent for ever.
        let seconds = options.timeoutSeconds ?? Int.random(in: 300...600)
        options.timeoutSeconds = seconds
        let call = HTTPTransport.Call(.GET, type.path(namespace: namespace), query: options.query)
        let response = try await transport.stream(call)
        let reader = WatchReader(response.body)
        return WatchStream { try await reader.next() }
    }

    package func create(
        _ type: ResourceType,
        namespace: String?,
        name: String?,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject {
        let path = type.path(namespace: namespace, name: name, subresource: subresource)
        return try await write(.POST, path, object.json, options: options)
    }

    package func update(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject {
        let path = type.path(namespace: namespace, name: name, subresource: subresource)
        return try await write(.PUT, path, object.json, options: options)
    }

    package func patch(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?,
        patch: Patch,
        options: WriteOptions
    ) async throws -> KubeObject {
        let path = type.path(namespace: namespace, name: name, subresource: subresource)
        return try await write(
            .PATCH,
            path,
            patch.body,
            contentType: patch.contentType,
            options: options,
            isApply: patch.isApply
        )
    }

    @discardableResult
    package func delete(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        options: DeleteOptions
    ) async throws -> KubeObject? {
        var call = HTTPTransport.Call(.DELETE, type.path(namespace: namespace, name: name))
        call.body = options.json.bytes
        let json = try await transport.json(call)
        return json["kind"]?.stringValue == "Status" && json["apiVersion"]?.stringValue == "v1" ? nil : KubeObject(json)
    }

    package func deleteCollection(
        _ type: ResourceType,
        namespace: String?,
        selection: ListOptions,
        options: DeleteOptions
    ) async throws {
        var call = HTTPTransport.Call(.DELETE, type.path(namespace: namespace), query: selection.query)
        call.body = options.json.bytes
        _ = try await transport.json(call)
    }

    private func write(
        _ method: HTTPMethod,
        _ path: String,
        _ body: JSON,
        contentType: String = "application/json",
        options: WriteOptions,
        isApply: Bool = false
    ) async throws -> KubeObject {
        var call = HTTPTransport.Call(method, path, query: options.query(isApply: isApply))
        call.body = body.bytes
        call.contentType = contentType
        return KubeObject(try await transport.json(call))
    }
}
