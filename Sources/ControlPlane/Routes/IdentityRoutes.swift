internal import ControlPlaneAPI
internal import Crypto
internal import Foundation
internal import KubeCore

/// Sign-in: OpenID configuration and tokens for clients with a secret, and the two managed-identity addresses.
struct IdentityRoutes {
    static let lifetime = 3600 * 8

    let core: Core

    func register(_ routes: inout RouteTable) {
        for path in ["/{tenant}/v2.0/.well-known/openid-configuration", "/{tenant}/.well-known/openid-configuration"] {
            routes.get(path, access: .open) { call in .json(configuration(tenant: call["tenant"])) }
        }
        for path in ["/{tenant}/oauth2/v2.0/token", "/{tenant}/oauth2/token"] {
            routes.post(path, access: .open) { call in try await token(call) }
        }
        // A secret proves the right to a managed identity's token; there is no machine to ask about.
        routes.get("/identity/oauth2/token", access: .open) { call in
            try checkSecret(call.header("X-IDENTITY-HEADER") ?? "")
            return try await managedIdentity(call)
        }
    }

    private func configuration(tenant: String) -> JSON {
        let base = core.publicURL + "/" + tenant
        return [
            "issuer": .string(base + "/v2.0"), "token_endpoint": .string(base + "/oauth2/v2.0/token"),
            "authorization_endpoint": .string(base + "/oauth2/v2.0/authorize"),
            "device_authorization_endpoint": .string(base + "/oauth2/v2.0/devicecode"),
            "jwks_uri": .string(base + "/discovery/v2.0/keys"), "response_types_supported": ["code", "token"],
            "subject_types_supported": ["pairwise"], "id_token_signing_alg_values_supported": ["ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        ]
    }

    private func token(_ call: Call) async throws -> Reply {
        let form = try await call.form()
        let grant = form["grant_type"] ?? ""
        guard grant == "client_credentials" else {
            return problem(
                400,
                "unsupported_grant_type",
                "grant_type '\(grant)' is not offered; use client_credentials with the clientId and clientSecret of connection.json."
            )
        }
        var id = form["client_id"] ?? ""
        var secret = form["client_secret"] ?? ""
        if secret.isEmpty, let basic = basicCredentials(call) { (id, secret) = basic }
        guard id == core.connection.clientId, IdentityRoutes.isEqual(secret, core.connection.clientSecret) else {
            return problem(
                401,
                "invalid_client",
                "client_id '\(id)' or its secret is wrong; take both from connection.json."
            )
        }
        let audience = IdentityRoutes.audience(form["scope"] ?? form["resource"] ?? core.publicURL)
        let token = try await core.tokens.userToken(
            clientID: id,
            audience: audience,
            lifetime: IdentityRoutes.lifetime
        )
        return .json([
            "token_type": "Bearer", "expires_in": JSON(IdentityRoutes.lifetime),
            "ext_expires_in": JSON(IdentityRoutes.lifetime),
            "access_token": .string(token),
        ])
    }

    private func managedIdentity(_ call: Call) async throws -> Reply {
        let resource = call.query["resource"] ?? core.publicURL
        let token = try await core.tokens.userToken(
            clientID: core.connection.clientId,
            audience: IdentityRoutes.audience(resource),
            lifetime: IdentityRoutes.lifetime
        )
        return .json([
            "access_token": .string(token), "token_type": "Bearer", "resource": .string(resource),
            "expires_on": .string(String(Int(nowSeconds()) + IdentityRoutes.lifetime)),
        ])
    }

    private func checkSecret(_ secret: String) throws {
        guard IdentityRoutes.isEqual(secret, core.connection.clientSecret) else {
            throw ARMError(
                401,
                "AuthenticationFailed",
                "The header X-IDENTITY-HEADER does not hold the clientSecret of connection.json."
            )
        }
    }

    /// `https://x/.default` → `https://x`; of several scopes the first counts.
    static func audience(_ scope: String) -> String {
        let first = scope.split(separator: " ").first.map(String.init) ?? scope
        return first.hasSuffix("/.default") ? String(first.dropLast("/.default".count)) : first
    }

    /// Compares without telling by the time taken where the texts differ.
    static func isEqual(_ a: String, _ b: String) -> Bool {
        let key = SymmetricKey(size: .bits256)
        let code = HMAC<SHA256>.authenticationCode(for: Data(a.utf8), using: key)
        return HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: Data(b.utf8), using: key)
    }

    private func basicCredentials(_ call: Call) -> (String, String)? {
        guard let header = call.header("Authorization"), header.lowercased().hasPrefix("basic "),
            let data = Data(base64Encoded: String(header.dropFirst(6)))
        else { return nil }
        let parts = String(decoding: data, as: UTF8.self).split(separator: ":", maxSplits: 1)
        return parts.count == 2 ? (percentDecoded(String(parts[0])), percentDecoded(String(parts[1]))) : nil
    }

    private func problem(_ status: Int, _ code: String, _ text: String) -> Reply {
        .json(["error": .string(code), "error_description": .string(text), "error_codes": [70001]], status: status)
    }
}
