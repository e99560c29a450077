internal import KubeCore

/// Checks a service account's token against the objects that it names.
struct TokenAuthenticator: Sendable {
    let tokens: ServiceAccountTokens
    let api: any ResourceAPI

    /// A token that was accepted.
    struct Result: Sendable {
        var user: RequestUser
        /// Those of the wanted audiences that the token is for.
        var audiences: [String]
    }

    /// Why a token was refused; the text goes to TokenReview, never to the one who sent it.
    struct Refusal: Error, Sendable {
        var message: String
    }

    /// The token must be for one of the audiences (none = the server's own); throws `Refusal`.
    func authenticate(_ token: String, audiences: [String] = []) async throws -> Result {
        guard let claims = await tokens.verify(token) else { throw Refusal(message: "invalid bearer token") }
        let wanted = audiences.isEmpty ? [tokens.issuer] : audiences
        let common = wanted.filter(claims.aud.contains)
        guard !common.isEmpty else {
            throw Refusal(message: "token audiences \(claims.aud) is invalid for the target audiences \(wanted)")
        }
        try await checkObjects(claims.kubernetes)
        return Result(user: claims.user, audiences: common)
    }

    private func checkObjects(_ binding: ServiceAccountClaims.Binding) async throws {
        try await check(.serviceAccounts, "serviceaccount", binding.serviceaccount, in: binding.namespace)
        if let pod = binding.pod { try await check(.pods, "pod", pod, in: binding.namespace) }
        if let secret = binding.secret { try await check(.secrets, "secret", secret, in: binding.namespace) }
        if let node = binding.node, binding.pod == nil { try await check(.nodes, "node", node, in: nil) }
    }

    private func check(
        _ type: ResourceType,
        _ what: String,
        _ reference: ServiceAccountClaims.Reference,
        in namespace: String?
    ) async throws {
        let object = try await api.find(type, namespace: namespace, name: reference.name)
        guard let object, reference.uid == nil || object.uid == reference.uid else {
            throw Refusal(message: "the \(what) \(reference.name) that the token is bound to does not exist any more")
        }
    }
}
