internal import ControlPlane
internal import Extension
internal import Foundation
package import KubeClient
internal import KubeCore
internal import Logging

/// Opens clusters that were registered with a kubeconfig, for the control plane.
enum ClusterOpening {
    /// A client of the kubeconfig's current context; opens no connection yet.
    ///
    /// The text came over the network, so nothing in it may make this machine run a program or read a file.
    @Sendable static func open(_ kubeconfig: String) throws -> any ClusterAPI {
        try check(try JSON(yaml: kubeconfig))
        let configuration = try KubeConfig(yaml: kubeconfig, folder: "/nonexistent")
        return try HTTPResourceAPI(
            configuration: configuration,
            requestTimeout: .seconds(30),
            userAgent: "outrigger/\(Product.version)",
            logger: Logger(label: "registered-cluster")
        )
    }

    /// What the user of a kubeconfig must be allowed to do: the agent's work, and the way to the gateway.
    static let rights: [ClusterRight] = {
        var rights: [ClusterRight] = []
        // Rights to single names concern objects that are not there yet.
        for rule in AgentPermissions.rules where rule.names.isEmpty {
            rights += ClusterRight.all(rules: [rule.json])
        }
        for verb in ["get", "update", "delete"] {
            rights.append(ClusterRight(verb, "services/proxy", namespace: "azureml"))
        }
        return rights
    }()

    private static func check(_ json: JSON) throws {
        guard json["clusters"]?.arrayValue?.isEmpty == false else {
            throw KubeConfigError(
                "the text is no kubeconfig with a cluster in it",
                remedy: "write it with 'kubectl config view --minify --flatten --raw'"
            )
        }
        for element in json["clusters"]?.arrayValue ?? [] {
            let server = element["cluster"]?["server"]?.stringValue ?? ""
            let skipsVerification = element["cluster"]?["insecure-skip-tls-verify"]?.boolValue == true
            guard server.hasPrefix("https://"), !skipsVerification else {
                throw KubeConfigError(
                    "cluster '\(element["name"]?.stringValue ?? "")' is reached without a verified certificate (\(server))",
                    remedy: "use an https:// server with certificate-authority-data: secrets travel on this way"
                )
            }
        }
        let refused: [(list: String, body: String, keys: [String])] = [
            ("clusters", "cluster", ["certificate-authority"]),
            ("users", "user", ["client-certificate", "client-key", "tokenFile", "exec", "auth-provider"]),
        ]
        for (list, body, keys) in refused {
            for element in json[list]?.arrayValue ?? [] {
                for key in keys where element[body]?[key].map({ !$0.isNull && $0 != "" }) ?? false {
                    let name = element["name"]?.stringValue ?? ""
                    throw KubeConfigError(
                        "\(body) '\(name)' has '\(key)', which names a program or a file of another machine",
                        remedy:
                            "inline certificates and keys ('kubectl config view --minify --flatten --raw') and use a token or a client certificate, such as that of a service account"
                    )
                }
            }
        }
    }
}

extension HTTPResourceAPI: ClusterAPI {
    package func proxy(
        method: String,
        path: String,
        headers: [String: String],
        body: [UInt8]
    ) async throws -> (status: Int, body: AsyncThrowingStream<[UInt8], any Error>) {
        try await raw(method: method, path: path, headers: headers, body: body)
    }

    package func close() async {
        // Closing fails only when it was done before.
        do { try await shutdown() } catch {}
    }
}
