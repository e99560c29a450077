internal import KubeCore
internal import NIOHTTP1

/// Addresses that are no resources: health, version, discovery, OpenAPI, key sets and metrics.
struct SystemRoutes: Sendable {
    let documents: Documents
    let registry: Registry
    let tokens: ServiceAccountTokens
    let metrics: RequestMetrics
    let gitVersion: String
    /// Names of what is not ready yet; empty when everything is.
    let unready: @Sendable () -> [String]

    /// nil when there is no such address.
    func respond(_ request: ServerRequest, target: RequestTarget) throws(APIError) -> ServerResponse? {
        let parts = request.path.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
        guard request.method == .GET || request.method == .HEAD else {
            return nil
        }
        switch parts.first {
        case nil: return .json(["paths": JSON(Self.paths)])
        case "healthz", "livez", "readyz": return health(request, parts)
        case "version" where parts.count == 1: return .json(version)
        case "api", "apis": return try discovery(request, parts)
        case "openapi": return try openAPI(request, parts)
        case "metrics" where parts.count == 1:
            return ServerResponse(
                contentType: "text/plain; version=0.0.4; charset=utf-8",
                body: Array(metrics.text(registry).utf8)
            )
        case ".well-known" where parts.count == 2 && parts[1] == "openid-configuration":
            return .json(issuerConfiguration)
        case "openid" where parts == ["openid", "v1", "jwks"]: return try keySet(request)
        default: return nil
        }
    }

    private static let paths = [
        "/.well-known/openid-configuration", "/api", "/api/v1", "/apis", "/healthz", "/livez", "/metrics",
        "/openapi/v2",
        "/openapi/v3", "/openid/v1/jwks", "/readyz", "/version",
    ]

    private var version: JSON {
        let numbers = gitVersion.dropFirst().split(separator: ".")
        return [
            "major": "1", "minor": .string(numbers.count > 1 ? String(numbers[1]) : "36"),
            "gitVersion": .string(gitVersion),
            "emulationMajor": "1", "emulationMinor": .string(numbers.count > 1 ? String(numbers[1]) : "36"),
            "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "swift",
            "platform": .string(Self.platform),
        ]
    }

    private static var platform: String {
        #if arch(arm64)
        "linux/arm64"
        #else
        "linux/amd64"
        #endif
    }

    // MARK: Health

    private func health(_ request: ServerRequest, _ parts: [String]) -> ServerResponse? {
        let checks = ["ping", "log", "store", "poststarthook/rbac/bootstrap-roles", "poststarthook/start-apiserver"]
        let failing = parts[0] == "livez" ? [] : unready()
        if parts.count > 1 {
            let name = parts.dropFirst().joined(separator: "/")
            guard checks.contains(name) else { return nil }
            return failing.contains(name) ? .text("\(name) is not ready\n", status: .internalServerError) : .text("ok")
        }
        let isGood = failing.isEmpty
        guard !isGood || request.query["verbose"] != nil else { return .text("ok") }
        let excluded = Set(request.query.all("exclude"))
        var text = ""
        for check in checks where !excluded.contains(check) {
            text += failing.contains(check) ? "[-]\(check) failed: reason withheld\n" : "[+]\(check) ok\n"
        }
        text += isGood ? "\(parts[0]) check passed\n" : "\(parts[0]) check failed\n"
        return .text(text, status: isGood ? .ok : .internalServerError)
    }

    // MARK: Discovery

    private func discovery(_ request: ServerRequest, _ parts: [String]) throws(APIError) -> ServerResponse? {
        if parts.count == 1 { return try discoveryRoot(request, isCore: parts[0] == "api") }
        let entry: Documents.Entry?
        switch (parts[0], parts.count) {
        case ("api", 2): entry = documents.resources(group: "", version: parts[1])
        case ("apis", 2): entry = documents.group(parts[1])
        case ("apis", 3): entry = documents.resources(group: parts[1], version: parts[2])
        default: entry = nil
        }
        guard let entry else { return nil }
        let choice = try MediaType.choose(accept: request.headers["Accept"])
        return encoded(entry, choice.format)
    }

    private func discoveryRoot(_ request: ServerRequest, isCore: Bool) throws(APIError) -> ServerResponse? {
        let choice = try MediaType.choose(accept: request.headers["Accept"]) { shape in
            if case .discovery = shape { true } else { shape == .object }
        }
        guard case .discovery(let apiVersion) = choice.shape else {
            let address = request.headers.first(name: "Host") ?? ""
            return (isCore ? documents.versions(address: address) : documents.groups()).map {
                encoded($0, choice.format)
            }
        }
        guard let entry = documents.aggregated(isCore: isCore, apiVersion: apiVersion) else { return nil }
        let version = apiVersion.split(separator: "/").last ?? "v2"
        var response = conditional(
            request,
            entry.bytes,
            etag: entry.etag,
            contentType: "application/json;g=apidiscovery.k8s.io;v=\(version);as=APIGroupDiscoveryList"
        )
        response.headers.add(name: "Vary", value: "Accept")
        response.headers.add(name: "Cache-Control", value: "public")
        return response
    }

    private func encoded(_ entry: Documents.Entry, _ format: MediaType.Format) -> ServerResponse {
        if format == .json { return ServerResponse(contentType: "application/json", body: entry.bytes) }
        let json = (try? JSON(parsing: entry.bytes)) ?? .null
        return ServerResponse(contentType: format.contentType, body: format.encode(json))
    }

    /// 304 when the client has these bytes already.
    private func conditional(
        _ request: ServerRequest,
        _ bytes: [UInt8],
        etag: String,
        contentType: String
    ) -> ServerResponse {
        let known = request.headers[canonicalForm: "If-None-Match"].map(String.init)
        let isKnown = known.contains(etag) || known.contains("*")
        var response = ServerResponse(
            status: isKnown ? .notModified : .ok,
            contentType: contentType,
            body: isKnown ? [] : bytes
        )
        response.headers.add(name: "ETag", value: etag)
        return response
    }

    // MARK: OpenAPI

    private func openAPI(_ request: ServerRequest, _ parts: [String]) throws(APIError) -> ServerResponse? {
        switch parts.count > 1 ? parts[1] : "" {
        case "v2" where parts.count == 2:
            _ = try MediaType.choose(accept: request.headers["Accept"])
            return documents.openAPIVersion2().map {
                conditional(request, $0.bytes, etag: $0.etag, contentType: "application/json")
            }
        case "v3" where parts.count == 2:
            return documents.openAPIIndex().map {
                conditional(request, $0.bytes, etag: $0.etag, contentType: "application/json")
            }
        case "v3":
            _ = try MediaType.choose(accept: request.headers["Accept"])
            guard let document = documents.openAPIDocument(parts.dropFirst(2).joined(separator: "/")) else {
                return nil
            }
            var response = conditional(
                request,
                document.bytes,
                etag: "\"\(document.hash)\"",
                contentType: "application/json"
            )
            if request.query["hash"] == document.hash {
                response.headers.add(name: "Cache-Control", value: "public, immutable")
                response.headers.add(name: "Expires", value: "Thu, 31 Dec 2099 23:59:59 GMT")
            }
            return response
        default: return nil
        }
    }

    // MARK: Issuer

    private var issuerConfiguration: JSON {
        [
            "issuer": .string(tokens.issuer), "jwks_uri": .string(tokens.issuer + "/openid/v1/jwks"),
            "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        ]
    }

    private func keySet(_ request: ServerRequest) throws(APIError) -> ServerResponse {
        let clauses = MediaType.clauses(request.headers["Accept"])
        guard
            clauses.isEmpty
                || clauses.contains(where: { ["*/*", "application/*", "application/jwk-set+json"].contains($0.type) })
        else {
            throw APIError(
                code: 406,
                reason: .notAcceptable,
                message: "only the following media types are accepted: application/jwk-set+json"
            )
        }
        return ServerResponse(contentType: "application/jwk-set+json", body: tokens.keySet.bytes)
    }
}
