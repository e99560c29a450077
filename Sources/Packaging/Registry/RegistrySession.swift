internal import AsyncHTTPClient
internal import Foundation
internal import KubeCore
internal import NIOCore
internal import NIOFoundationCompat
internal import NIOHTTP1
internal import NIOSSL

/// Requests to one repository of a registry, signed in when the registry asks for it.
///
/// Source: OCI distribution specification 1.1; the token protocol of the CNCF distribution project.
final actor RegistrySession {
    struct Response: Sendable {
        var status: HTTPResponseStatus
        var headers: HTTPHeaders
        var body: [UInt8]
    }

    enum Body: Sendable {
        case none
        case bytes([UInt8])
        case part(path: String, offset: UInt64, count: Int)
    }

    nonisolated let base: URL
    nonisolated let repository: String
    private let client: HTTPClient
    private let registry: String
    private let credentials: RegistryCredentials?
    private var authorization: String?

    private init(base: URL, repository: String, client: HTTPClient, registry: String, credentials: RegistryCredentials?)
    {
        self.base = base
        self.repository = repository
        self.client = client
        self.registry = registry
        self.credentials = credentials
    }

    /// Opens connections for `body` and closes them whatever happens.
    static func with<T: Sendable>(
        _ options: RegistryOptions,
        name: ImageName,
        _ body: (RegistrySession) async throws -> T
    ) async throws -> T {
        let host = name.registry == "docker.io" ? "registry-1.docker.io" : name.registry
        guard let base = URL(string: (options.isInsecure ? "http://" : "https://") + host) else {
            throw PackagingError(.badReference, "'\(name.registry)' is no registry")
        }
        if options.isInsecure, options.credentials != nil, !Self.isLoopback(base.host ?? "") {
            throw PackagingError(
                .unauthorized,
                "a password would go to \(name.registry) unencrypted",
                remedy: "leave --insecure away, or use a registry on this machine"
            )
        }
        var configuration = HTTPClient.Configuration()
        if let file = options.authorityFile {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.additionalTrustRoots = [.certificates(try NIOSSLCertificate.fromPEMFile(file))]
            configuration.tlsConfiguration = tls
        }
        configuration.timeout = .init(connect: .seconds(20), read: .minutes(5))
        // Uploads must not be repeated elsewhere, nor a password be taken along.
        configuration.redirectConfiguration = .disallow
        configuration.proxy = try ProxySettings.proxy(for: base.host ?? "")
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let session = RegistrySession(
            base: base,
            repository: name.repository,
            client: client,
            registry: name.registry,
            credentials: options.credentials
        )
        do {
            let result = try await body(session)
            try await client.shutdown()
            return result
        } catch {
            try await client.shutdown()
            throw error
        }
    }

    /// Sends a request; signs in and repeats it once when the registry answers 401.
    func send(_ method: HTTPMethod, _ url: URL, headers: HTTPHeaders = [:], body: Body = .none) async throws -> Response
    {
        let first = try await execute(method, url, headers, body)
        guard first.status == .unauthorized else { return first }
        // An upload address on another host gets no password of ours.
        guard url.host == base.host, url.port == base.port else { return first }
        authorization = try await signIn(first.headers["WWW-Authenticate"])
        return try await execute(method, url, headers, body)
    }

    /// The address of something below the repository.
    nonisolated func url(_ path: String) throws -> URL {
        guard let url = URL(string: "/v2/\(repository)/\(path)", relativeTo: base)?.absoluteURL else {
            throw PackagingError(.badReference, "'\(path)' makes no address")
        }
        return url
    }

    private func execute(
        _ method: HTTPMethod,
        _ url: URL,
        _ headers: HTTPHeaders,
        _ body: Body
    ) async throws -> Response {
        var request = HTTPClientRequest(url: url.absoluteString)
        request.method = method
        request.headers = headers
        request.headers.replaceOrAdd(name: "User-Agent", value: "outrigger")
        if let authorization, url.host == base.host, url.port == base.port {
            request.headers.replaceOrAdd(name: "Authorization", value: authorization)
        }
        switch body {
        case .none: break
        case .bytes(let bytes): request.body = .bytes(bytes)
        case .part(let path, let offset, let count):
            request.body = .stream(FilePieces(path: path, offset: offset, count: count), length: .known(Int64(count)))
        }
        do {
            let response = try await client.execute(request, timeout: .hours(2))
            let buffer = try await response.body.collect(upTo: 4 << 20)
            return Response(status: response.status, headers: response.headers, body: Array(buffer.readableBytesView))
        } catch {
            if Task.isCancelled { throw CancellationError() }
            throw PackagingError(
                .registryRefused,
                "\(url.host ?? registry) cannot be reached: \(error)",
                remedy: base.scheme == "https"
                    ? "check the name; for a registry without TLS on this machine add --insecure, for one with its own "
                        + "authority --ca-file FILE" : "check the name and that the registry runs"
            )
        }
    }

    private func signIn(_ headers: [String]) async throws -> String {
        let challenges = headers.flatMap(AuthenticationChallenge.parse)
        if let bearer = challenges.first(where: { $0.scheme == "bearer" }) { return try await token(bearer) }
        guard challenges.contains(where: { $0.scheme == "basic" }) else {
            throw PackagingError(
                .unauthorized,
                "\(registry) asks for a sign-in of a kind that is not known: \(headers)"
            )
        }
        guard let credentials else { throw missingCredentials("it asks for a user and a password") }
        guard authorization != credentials.basic else { throw refused("it does not accept the password") }
        return credentials.basic
    }

    private func token(_ challenge: AuthenticationChallenge) async throws -> String {
        guard let realm = challenge.parameters["realm"], var components = URLComponents(string: realm),
            components.host != nil
        else { throw refused("its sign-in names no address") }
        guard components.scheme == "https" || (components.scheme == "http" && base.scheme == "http") else {
            throw refused("its sign-in address \(realm) is not encrypted")
        }
        let scope = challenge.parameters["scope"] ?? "repository:\(repository):pull,push"
        var fields = [URLQueryItem(name: "scope", value: scope)]
        if let service = challenge.parameters["service"] { fields.append(.init(name: "service", value: service)) }
        var request: HTTPClientRequest
        if let identity = credentials?.identityToken {
            fields += [
                .init(name: "grant_type", value: "refresh_token"), .init(name: "client_id", value: "outrigger"),
                .init(name: "refresh_token", value: identity),
            ]
            request = HTTPClientRequest(url: realm)
            request.method = .POST
            request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
            request.body = .bytes(Array(fields.map(Self.form).joined(separator: "&").utf8))
        } else {
            components.queryItems = (components.queryItems ?? []) + fields
            request = HTTPClientRequest(url: components.string ?? realm)
            if let credentials { request.headers.add(name: "Authorization", value: credentials.basic) }
        }
        let response = try await client.execute(request, timeout: .seconds(60))
        let body = Array(try await response.body.collect(upTo: 1 << 20).readableBytesView)
        if response.status == .unauthorized || response.status == .forbidden {
            if credentials == nil { throw missingCredentials("it lets nobody push without signing in") }
            throw refused("it does not accept the password")
        }
        let answer = try? JSON(parsing: body)
        guard response.status == .ok, let token = (answer?["token"] ?? answer?["access_token"])?.stringValue else {
            throw refused("its sign-in answers \(response.status.code) without a token")
        }
        return "Bearer " + token
    }

    private static func form(_ item: URLQueryItem) -> String {
        let allowed = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
        return item.name + "=" + (item.value?.addingPercentEncoding(withAllowedCharacters: allowed) ?? "")
    }

    private func missingCredentials(_ reason: String) -> PackagingError {
        PackagingError(
            .unauthorized,
            "\(registry) refuses: \(reason), and none is known",
            remedy: "add --username USER --password-stdin, or run docker login \(registry)"
        )
    }

    private func refused(_ reason: String) -> PackagingError {
        PackagingError(
            .unauthorized,
            "\(registry) refuses: \(reason)",
            remedy: "check user, password and rights to push"
        )
    }

    static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || host == "[::1]" || host.hasPrefix("127.")
    }
}

/// How a registry is reached.
package struct RegistryOptions: Sendable {
    package var credentials: RegistryCredentials?
    /// Plain HTTP.
    package var isInsecure: Bool
    /// PEM file with an authority to trust besides the system's.
    package var authorityFile: String?
    /// Blobs larger than this are sent in chunks of this size; nil sends every blob whole.
    package var chunkBytes: Int?

    package init(
        credentials: RegistryCredentials? = nil,
        isInsecure: Bool = false,
        authorityFile: String? = nil,
        chunkBytes: Int? = nil
    ) {
        self.credentials = credentials
        self.isInsecure = isInsecure
        self.authorityFile = authorityFile
        self.chunkBytes = chunkBytes
    }
}

/// A part of a file in pieces of 256 KiB; each iteration starts anew.
private struct FilePieces: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let path: String
    let offset: UInt64
    let count: Int

    struct AsyncIterator: AsyncIteratorProtocol {
        let pieces: FilePieces
        var file: InputFile?
        var left: Int

        mutating func next() async throws -> ByteBuffer? {
            if file == nil {
                let opened = try InputFile(pieces.path)
                try opened.seek(to: pieces.offset)
                file = opened
            }
            guard left > 0, let file else {
                self.file?.close()
                return nil
            }
            let piece = try file.read(exactly: Swift.min(left, 256 << 10))
            left -= piece.count
            return ByteBuffer(bytes: piece)
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(pieces: self, file: nil, left: count) }
}
