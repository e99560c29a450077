internal import ControlPlaneAPI
internal import Hummingbird

/// Finds out who calls and whether the route is open to them.
struct AccessGate: Sendable {
    let tokens: TokenIssuer

    func caller(of request: Request, access: RouteAccess) async throws -> Caller {
        switch access {
        case .open: return .anonymous
        case .own:
            guard let token = bearer(request) else { return .anonymous }
            return try await identify(token)
        case .user, .workload, .agent:
            guard let token = bearer(request) else {
                throw ARMError(
                    401,
                    "AuthenticationFailed",
                    "The request has no bearer token. Ask the token endpoint for one and send it as 'Authorization: Bearer …'."
                )
            }
            let caller = try await identify(token)
            let isOpen =
                switch (caller.kind, access) {
                case (.agent, .agent), (.user, .user), (.user, .workload), (.run, .workload): true
                default: false
                }
            guard isOpen else {
                let remedy = access == .agent ? "only the cluster's agent may" : "use a user's token"
                throw ARMError(
                    403,
                    "AuthorizationFailed",
                    "The token of \(caller.subject) may not call \(request.method) \(request.uri.path); \(remedy)."
                )
            }
            return caller
        }
    }

    private func bearer(_ request: Request) -> String? {
        guard let field = HTTPFieldNames.name("Authorization"), let value = request.headers[field] else { return nil }
        let parts = value.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return String(parts[1])
    }

    private func identify(_ token: String) async throws -> Caller {
        do {
            return try await tokens.caller(of: token)
        } catch TokenProblem.expired {
            throw ARMError(401, "ExpiredAuthenticationToken", "The bearer token has expired. Sign in again.")
        } catch {
            throw ARMError(
                401,
                "InvalidAuthenticationToken",
                "The bearer token is not one of this control plane. Sign in again."
            )
        }
    }
}
