internal import Foundation
internal import KubeCore

extension ServiceAccountTokens: TokenIssuer {
    func issue(_ order: TokenOrder) async throws -> IssuedToken {
        var binding = ServiceAccountClaims.Binding(
            namespace: order.namespace,
            serviceaccount: .init(name: order.serviceAccount, uid: order.serviceAccountUID)
        )
        if let object = order.boundObject {
            let reference = ServiceAccountClaims.Reference(name: object.name, uid: object.uid)
            switch object.kind {
            case "Pod": binding.pod = reference
            case "Secret": binding.secret = reference
            case "Node": binding.node = reference
            default:
                throw APIError.badRequest("cannot bind token for serviceaccount to object of kind \"\(object.kind)\"")
            }
        }
        if let node = order.node { binding.node = .init(name: node.name, uid: node.uid.isEmpty ? nil : node.uid) }
        let (token, claims) = try await issue(
            audiences: order.audiences,
            seconds: order.expirationSeconds,
            binding: binding
        )
        let expiry = Date(timeIntervalSince1970: Double(claims.exp)).formatted(.iso8601)
        return IssuedToken(token: token, expirationTimestamp: expiry, audiences: claims.aud)
    }
}
