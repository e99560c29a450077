internal import KubeCore
internal import NIOHTTP1

/// Finds out who makes a request.
struct Authenticator: Sendable {
    let tokens: TokenAuthenticator

    /// - Throws: 401 for a token that is not valid.
    func authenticate(_ request: ServerRequest) async throws -> RequestUser {
        if let user = request.certificateUser { return user }
        guard let token = request.bearerToken else {
            guard !request.headers.contains(name: "Authorization") else { throw Self.unauthorized }
            return .anonymous
        }
        do {
            return try await tokens.authenticate(token).user
        } catch is TokenAuthenticator.Refusal {
            throw Self.unauthorized
        }
    }

    static let unauthorized = APIError(code: 401, reason: .unauthorized, message: "Unauthorized")
}

/// `Impersonate-*` headers: acting as somebody else.
struct Impersonation: Sendable {
    let authorizer: Authorizer

    /// The user that the request acts as.
    ///
    /// - Throws: 403 when `user` may not act as that user, group, or extra value.
    func resolve(_ user: RequestUser, headers: HTTPHeaders) throws(APIError) -> RequestUser {
        let groups = headers["Impersonate-Group"]
        let uid = headers.first(name: "Impersonate-Uid")
        var extra: [String: [String]] = [:]
        for (name, value) in headers where name.lowercased().hasPrefix("impersonate-extra-") {
            extra[PercentText.decode(name.lowercased().dropFirst("impersonate-extra-".count)), default: []].append(
                value
            )
        }
        guard let name = headers.first(name: "Impersonate-User"), !name.isEmpty else {
            guard groups.isEmpty, uid == nil, extra.isEmpty else {
                throw APIError.badRequest("requested \(groups) without impersonating a user name")
            }
            return user
        }
        var target = RequestUser(name: name, uid: uid ?? "", groups: groups, extra: extra)
        try checkName(name, by: user, target: &target)
        for group in groups { try check(user, "groups", name: group) }
        if let uid { try check(user, "uids", group: "authentication.k8s.io", name: uid) }
        for (key, values) in extra {
            for value in values {
                try check(user, "userextras", group: "authentication.k8s.io", name: value, subresource: key)
            }
        }
        let isAnonymous = name == RequestUser.anonymous.name
        let everyone = isAnonymous ? RequestUser.unauthenticatedGroup : RequestUser.authenticatedGroup
        if !target.groups.contains(everyone) { target.groups.append(everyone) }
        return target
    }

    private func checkName(_ name: String, by user: RequestUser, target: inout RequestUser) throws(APIError) {
        let parts = name.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 4, parts[0] == "system", parts[1] == "serviceaccount" else {
            return try check(user, "users", name: name)
        }
        try check(user, "serviceaccounts", namespace: parts[2], name: parts[3])
        if target.groups.isEmpty {
            target.groups = ["system:serviceaccounts", "system:serviceaccounts:" + parts[2]]
        }
    }

    private func check(
        _ user: RequestUser,
        _ resource: String,
        group: String = "",
        namespace: String = "",
        name: String,
        subresource: String = ""
    ) throws(APIError) {
        try authorizer.authorize(
            AuthorizationAttributes(
                user: user,
                verb: "impersonate",
                isResource: true,
                group: group,
                version: "v1",
                resource: resource,
                subresource: subresource,
                namespace: namespace,
                name: name
            )
        )
    }
}
