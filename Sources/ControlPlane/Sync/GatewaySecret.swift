internal import Foundation
internal import KubeCore

/// What the control plane reads of a gateway through the API of its cluster.
enum GatewaySecret {
    static let host = "gateway.azureml.svc"
    static let namespace = "azureml"
    static let port = 5004

    /// The bearer token that the gateway takes.
    static func token(_ api: any ResourceAPI, cluster: String) async throws -> String {
        guard let secret = try await api.find(.secrets, namespace: namespace, name: "gateway-token"),
            let token = value(secret, "token")
        else { throw missing(cluster) }
        return token.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Certificate of the authority that the gateway's certificate leads to, PEM.
    static func authority(_ api: any ResourceAPI, cluster: String) async throws -> String {
        guard let secret = try await api.find(.secrets, namespace: namespace, name: "gateway-tls"),
            let authority = value(secret, "ca.crt")
        else { throw missing(cluster) }
        return authority
    }

    /// Address and port of its Service.
    static func service(_ api: any ResourceAPI, cluster: String) async throws -> (address: String, port: Int) {
        guard let service = try await api.find(.services, namespace: namespace, name: "gateway"),
            let address = service["spec", "clusterIP"]?.stringValue, address != "None", !address.isEmpty
        else { throw missing(cluster) }
        return (address, service["spec", "ports"]?[0]?["port"]?.intValue ?? port)
    }

    private static func missing(_ cluster: String) -> GatewayClient.Missing {
        GatewayClient.Missing(cluster: cluster, detail: "install the extension or wait until it has succeeded")
    }

    private static func value(_ secret: KubeObject, _ key: String) -> String? {
        if let text = secret["stringData", key]?.stringValue { return text }
        guard let encoded = secret["data", key]?.stringValue, let data = Data(base64Encoded: encoded) else {
            return nil
        }
        return String(decoding: data, as: UTF8.self)
    }
}
