internal import Foundation
internal import KubeClient
internal import KubeCore

/// A kubeconfig that works without the machine it was written on.
enum StoredKubeConfig {
    /// Files read in; what only works here is refused.
    static func inlined(_ configuration: KubeConfig) throws(CommandError) -> KubeConfig {
        var result = configuration
        switch configuration.credentials {
        case .exec(let plugin):
            throw CommandError(
                "the kubeconfig gets its credentials from the program \(plugin.command), which cannot be stored",
                cause: "the control plane runs elsewhere and without your sign-in",
                remedy:
                    "use a service account's token: 'kubectl create token NAME --duration 8760h' (an hour without it), or for AKS 'az aks get-credentials --admin'",
                exitStatus: 2
            )
        case .tokenFile(let path):
            guard let data = FileManager.default.contents(atPath: path) else {
                throw CommandError("token file \(path) of the kubeconfig cannot be read", exitStatus: 2)
            }
            let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            result.credentials = .token(text)
        case .none where configuration.clientCertificate == nil:
            throw CommandError(
                "the kubeconfig's user for \(configuration.server) has no credentials",
                remedy: "name a context with a client certificate or a token with --kube-context",
                exitStatus: 2
            )
        case .none, .token, .basic: break
        }
        if let user = configuration.impersonatedUser {
            throw CommandError(
                "the kubeconfig acts as another user (\(user)), which cannot be stored",
                remedy: "use a context with that user's own credentials",
                exitStatus: 2
            )
        }
        return result
    }

    /// One context, everything embedded.
    static func yaml(_ configuration: KubeConfig, name: String) -> String {
        let text = configuration.yaml(name: name)
        // The client's writer leaves the proxy out.
        guard let proxy = configuration.proxyURL, var document = try? JSON(yaml: text),
            var cluster = document["clusters"]?[0]
        else { return text }
        cluster[path: ["cluster", "proxy-url"]] = .string(proxy)
        document["clusters"] = .array([cluster])
        return document.yamlText
    }
}
