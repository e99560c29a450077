internal import JWTKit
internal import KubeCore

/// The claims of a service account's token.
struct ServiceAccountClaims: JWTPayload {
    /// A named object and the incarnation of it.
    struct Reference: Codable, Sendable, Hashable {
        var name: String
        var uid: String?
    }

    /// The `kubernetes.io` claim.
    struct Binding: Codable, Sendable, Hashable {
        var namespace: String
        var serviceaccount: Reference
        var pod: Reference?
        var secret: Reference?
        var node: Reference?
        var warnafter: Int?
    }

    var iss: String
    var sub: String
    var aud: [String]
    var exp: Int
    var iat: Int
    var nbf: Int
    var jti: String
    var kubernetes: Binding

    enum CodingKeys: String, CodingKey {
        case iss, sub, aud, exp, iat, nbf, jti
        case kubernetes = "kubernetes.io"
    }

    init(
        issuer: String,
        audiences: [String],
        issuedAt: Int,
        expiresAt: Int,
        identifier: String,
        binding: Binding
    ) {
        iss = issuer
        sub = "system:serviceaccount:\(binding.namespace):\(binding.serviceaccount.name)"
        aud = audiences
        exp = expiresAt
        iat = issuedAt
        nbf = issuedAt
        jti = identifier
        kubernetes = binding
    }

    /// Times are checked against the clock of `ServiceAccountTokens`, on every use.
    func verify(using algorithm: some JWTAlgorithm) {}

    /// The user that a request with this token is made by.
    var user: RequestUser {
        let binding = kubernetes
        var extra = ["authentication.kubernetes.io/credential-id": ["JTI=" + jti]]
        if let pod = binding.pod {
            extra["authentication.kubernetes.io/pod-name"] = [pod.name]
            extra["authentication.kubernetes.io/pod-uid"] = [pod.uid ?? ""]
        }
        if let node = binding.node {
            extra["authentication.kubernetes.io/node-name"] = [node.name]
            if let uid = node.uid { extra["authentication.kubernetes.io/node-uid"] = [uid] }
        }
        return RequestUser(
            name: sub,
            uid: binding.serviceaccount.uid ?? "",
            groups: [
                "system:serviceaccounts", "system:serviceaccounts:" + binding.namespace, RequestUser.authenticatedGroup,
            ],
            extra: extra
        )
    }
}
