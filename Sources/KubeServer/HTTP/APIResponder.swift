internal import KubeCore
internal import KubeStore
internal import Logging
internal import NIOHTTP1

/// Authenticates, authorises and routes every request.
struct APIResponder: RequestResponder {
    let authenticator: Authenticator
    let impersonation: Impersonation
    let authorizer: Authorizer
    let resources: ResourceRoutes
    let system: SystemRoutes
    let metrics: RequestMetrics
    let maximumRequests: Int
    let logger: Logger

    /// As etcd-backed servers have it.
    let maximumBodyBytes = 3 * 1024 * 1024

    func streamsBody(_ head: HTTPRequestHead) -> Bool {
        let isUpgrade = head.headers.contains(name: "Upgrade")
        return !isUpgrade && ServiceProxy.matches(path: String(head.uri.prefix { $0 != "?" }))
    }

    func respond(to request: ServerRequest) async -> RequestOutcome {
        let target = RequestTarget(method: request.method, path: request.path, query: request.query)
        guard metrics.begin(maximum: maximumRequests) else {
            return .response(
                .error(
                    APIError(
                        code: 429,
                        reason: .tooManyRequests,
                        message: "too many requests, please try again later",
                        retryAfterSeconds: 1
                    )
                )
            )
        }
        defer { metrics.end() }
        let outcome = await answer(request, target)
        switch outcome {
        case .response(let response): record(target, Int(response.status.code))
        case .stream(let status, let headers, let body):
            record(target, Int(status.code))
            let metrics = metrics
            return .stream(status: status, headers: headers) { writer in
                metrics.beginWatch()
                defer { metrics.endWatch() }
                try await body(writer)
            }
        case .tunnel: record(target, 101)
        }
        return outcome
    }

    private func record(_ target: RequestTarget, _ code: Int) {
        // Unknown resources are not counted by name: the label must stay bounded.
        let isKnown =
            target.isResource
            && resources.registry.kind(group: target.group, version: target.version, plural: target.resource) != nil
        metrics.record(verb: target.verb.uppercased(), resource: isKnown ? target.resource : "", code: code)
    }

    private func answer(_ request: ServerRequest, _ target: RequestTarget) async -> RequestOutcome {
        do {
            let authenticated = try await authenticator.authenticate(request)
            let user = try impersonation.resolve(authenticated, headers: request.headers)
            try authorizer.authorize(target.attributes(user))
            if target.isResource {
                if let outcome = try await resources.respond(request, target, user) { return outcome }
            } else if let response = try system.respond(request, target: target) {
                return .response(response)
            }
            return .response(.text("404 page not found\n", status: .notFound))
        } catch {
            return .response(failure(error, request))
        }
    }

    private func failure(_ error: any Error, _ request: ServerRequest) -> ServerResponse {
        let format = (try? MediaType.choose(accept: request.headers["Accept"]) { _ in true })?.format ?? .json
        switch error {
        case let error as APIError: return .error(error, format: format)
        case is CancellationError:
            return .error(
                APIError(
                    code: 503,
                    reason: .serviceUnavailable,
                    message: "the request was cancelled",
                    retryAfterSeconds: 1
                ),
                format: format
            )
        default:
            logger.error("request failed", metadata: ["path": "\(request.path)", "error": "\(error)"])
            return .error(.internalError("\(error)"), format: format)
        }
    }
}
