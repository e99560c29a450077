/// What a service-account token is asked for.
package struct TokenOrder: Sendable, Hashable {
    package struct BoundObject: Sendable, Hashable {
        package var apiVersion: String
        package var kind: String
        package var name: String
        package var uid: String
    }

    package var namespace: String
    package var serviceAccount: String
    package var serviceAccountUID: String
    /// Empty means the API server's own audience.
    package var audiences: [String]
    package var expirationSeconds: Int
    package var boundObject: BoundObject?
    /// The node of the bound pod.
    package var node: BoundObject?
}

/// A signed token.
package struct IssuedToken: Sendable, Hashable {
    package var token: String
    /// RFC 3339.
    package var expirationTimestamp: String
    package var audiences: [String]

    package init(token: String, expirationTimestamp: String, audiences: [String]) {
        self.token = token
        self.expirationTimestamp = expirationTimestamp
        self.audiences = audiences
    }
}

/// Signs service-account tokens for `serviceaccounts/token`.
package protocol TokenIssuer: Sendable {
    func issue(_ order: TokenOrder) async throws -> IssuedToken
}
