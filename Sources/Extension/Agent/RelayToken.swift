internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore

/// The token with which the cluster's relay opens its tunnel: fetched from the control plane, renewed at two thirds of its life.
///
/// When it ends is written beside it, so that a new agent knows.
struct RelayToken: Sendable {
    let api: any ResourceAPI
    let link: any ExtensionLink
    let labels: [String: String]

    private static let renewAnnotation = "outrigger.ml/renew-at"

    static var reference: ObjectReference {
        ObjectReference(
            type: .secrets,
            key: ObjectKey(namespace: ExtensionRenderer.namespace, name: ExtensionRenderer.relayTokenSecret)
        )
    }

    /// Seconds until the next renewal.
    ///
    /// - Throws: what the control plane answers when it gives no token; the present one then stays.
    func ensure(now: Date) async throws -> Double {
        let key = Self.reference.key
        let present = try await api.find(.secrets, namespace: key.namespace, name: key.name)
        if let present, present["data", "token"] != nil,
            let due = present.annotations[Self.renewAnnotation].flatMap({ Timestamp.seconds($0) })
        {
            let rest = due - now.timeIntervalSince1970
            // A clock that was set back must not keep a token beyond its end.
            if rest > 0, rest < 86400 { return rest }
        }
        let credential = try await link.relayCredential()
        let rest = max(Double(credential.expiresIn) * 2 / 3, 1)
        let object = KubeObject(
            .secrets,
            namespace: key.namespace,
            name: key.name,
            labels: labels,
            annotations: [
                Self.renewAnnotation: Timestamp.text(seconds: now.timeIntervalSince1970 + rest)
            ],
            body: ["type": "Opaque", "data": ["token": .string(Base64.encode(credential.token))]]
        )
        try await api.apply(.secrets, object, fieldManager: ExtensionRenderer.fieldManager)
        return rest
    }
}
