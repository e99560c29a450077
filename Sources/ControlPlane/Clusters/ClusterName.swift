internal import ControlPlaneAPI
internal import Crypto
internal import Foundation
internal import KubeCore

/// Rules for what a cluster is registered with.
enum ClusterRules {
    static func checkName(_ name: String) throws {
        func isWord(_ character: Character) -> Bool {
            character.isASCII && (character.isLetter || character.isNumber)
        }
        let fits = name.allSatisfy { isWord($0) || $0 == "-" || $0 == "_" }
        guard fits, (1...63).contains(name.count), name.first.map(isWord) == true, name.last.map(isWord) == true else {
            throw ARMError.invalid(
                "name",
                "Cluster name '\(name)' is not allowed; use 1 to 63 letters, digits, '-' and '_', a letter or digit first and last."
            )
        }
    }

    static func checkGroup(_ group: String) throws {
        let fits = group.allSatisfy { character in
            character.isASCII && (character.isLetter || character.isNumber || "-_.()".contains(character))
        }
        guard fits, (1...90).contains(group.count), group.last != "." else {
            throw ARMError.invalid(
                "resourceGroup",
                "Resource group name '\(group)' is not allowed; use 1 to 90 letters, digits, '-', '_', '.', '(' and ')', no '.' last."
            )
        }
    }

    /// The agent's public key; `text` is base64 of a DER SubjectPublicKeyInfo.
    static func agentKey(_ text: String?, cluster: String) throws -> P256.Signing.PublicKey {
        let field = "properties.agentPublicKeyCertificate"
        let joined = (text ?? "").filter { !$0.isWhitespace }
        guard !joined.isEmpty else {
            throw ARMError.invalid(
                field,
                "Cluster '\(cluster)' has no \(field); give the agent's public key (P-256, DER, base64). 'outrigger connectedk8s connect' makes one."
            )
        }
        guard let data = Data(base64Encoded: joined) else {
            throw ARMError.invalid(field, "Cluster '\(cluster)': \(field) is not base64.")
        }
        do {
            return try P256.Signing.PublicKey(derRepresentation: data)
        } catch {
            throw ARMError.invalid(
                field,
                "Cluster '\(cluster)': \(field) holds no P-256 public key in DER (SubjectPublicKeyInfo): \(error)."
            )
        }
    }

    /// An `https` base URL without its trailing slash; nil for none.
    static func controlPlaneURL(_ text: String?, cluster: String) throws -> String? {
        guard var text, !text.isEmpty else { return nil }
        while text.hasSuffix("/") { text.removeLast() }
        guard let parts = URLComponents(string: text), parts.scheme?.lowercased() == "https",
            let host = parts.host, !host.isEmpty, parts.query == nil, parts.fragment == nil, parts.user == nil
        else {
            throw ARMError.invalid(
                "properties.controlPlaneUrl",
                "Cluster '\(cluster)': controlPlaneUrl '\(text)' is no https address such as https://host:7443."
            )
        }
        return text
    }

    static func tags(_ json: JSON?, cluster: String) throws -> JSON {
        guard let json, !json.isNull else { return [:] }
        guard let tags = json.objectValue, tags.values.allSatisfy({ $0.stringValue != nil }) else {
            throw ARMError.invalid("tags", "Cluster '\(cluster)': tags must be an object of texts.")
        }
        guard tags.count <= 50 else {
            throw ARMError.invalid("tags", "Cluster '\(cluster)' has \(tags.count) tags; 50 are allowed.")
        }
        return json
    }
}
