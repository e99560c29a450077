internal import Foundation
internal import KubeCore

/// Where a Kubernetes API server is and how to be someone there: one context of a kubeconfig, or a pod's service account.
package struct KubeConfig: Sendable {
    /// A private key with its certificate chain, both PEM.
    package struct ClientCertificate: Sendable, Hashable {
        package var certificatePEM: String
        package var keyPEM: String

        package init(certificatePEM: String, keyPEM: String) {
            self.certificatePEM = certificatePEM
            self.keyPEM = keyPEM
        }
    }

    /// How requests say who makes them, beside a client certificate.
    package enum Credentials: Sendable, Hashable {
        case none
        case token(String)
        /// Read again as it is renewed.
        case tokenFile(String)
        case basic(user: String, password: String)
        case exec(ExecPlugin)
    }

    /// A program that prints an `ExecCredential`.
    package struct ExecPlugin: Sendable, Hashable {
        package var apiVersion: String
        package var command: String
        package var arguments: [String]
        package var environment: [String: String]
        package var providesClusterInfo: Bool
        package var installHint: String?
    }

    /// `https://host:port`, with an optional path.
    package var server: String
    /// PEM of the authorities that may sign the server's certificate; nil = the system's.
    package var certificateAuthorityPEM: String?
    /// Accept any server certificate.
    package var isInsecure: Bool
    /// Name expected in the server's certificate instead of the address's host.
    package var tlsServerName: String?
    package var proxyURL: String?
    package var clientCertificate: ClientCertificate?
    package var credentials: Credentials
    /// The context's namespace, `default` when it names none.
    package var namespace: String
    /// User and groups to act as.
    package var impersonatedUser: String?
    package var impersonatedGroups: [String]

    package init(
        server: String,
        certificateAuthorityPEM: String? = nil,
        isInsecure: Bool = false,
        tlsServerName: String? = nil,
        proxyURL: String? = nil,
        clientCertificate: ClientCertificate? = nil,
        credentials: Credentials = .none,
        namespace: String = "default",
        impersonatedUser: String? = nil,
        impersonatedGroups: [String] = []
    ) {
        self.server = server
        self.certificateAuthorityPEM = certificateAuthorityPEM
        self.isInsecure = isInsecure
        self.tlsServerName = tlsServerName
        self.proxyURL = proxyURL
        self.clientCertificate = clientCertificate
        self.credentials = credentials
        self.namespace = namespace
        self.impersonatedUser = impersonatedUser
        self.impersonatedGroups = impersonatedGroups
    }
}

/// A kubeconfig or service-account folder that cannot be used.
package struct KubeConfigError: Error, Sendable, CustomStringConvertible {
    package var message: String
    package var remedy: String?

    package init(_ message: String, remedy: String? = nil) {
        self.message = message
        self.remedy = remedy
    }

    package var description: String { remedy.map { message + "; " + $0 } ?? message }
}

extension KubeConfig {
    /// The configuration of this process: the named file, else `KUBECONFIG`, else the service account of the pod it runs in,
    /// else `~/.kube/config`.
    package static func current(
        path: String? = nil,
        context: String? = nil,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(KubeConfigError) -> KubeConfig {
        if let path { return try load(paths: [path], context: context) }
        if let list = environment["KUBECONFIG"], !list.isEmpty {
            return try load(paths: list.split(separator: ":").map(String.init), context: context)
        }
        if context == nil, environment["KUBERNETES_SERVICE_HOST"] != nil,
            FileManager.default.fileExists(atPath: serviceAccountFolder + "/token")
        {
            return try inCluster(environment: environment)
        }
        let home = environment["HOME"] ?? "/root"
        return try load(paths: [home + "/.kube/config"], context: context)
    }

    /// Reads and merges kubeconfig files: of entries with equal names the first wins.
    ///
    /// Missing files are left out when there are others.
    package static func load(paths: [String], context: String? = nil) throws(KubeConfigError) -> KubeConfig {
        var documents: [KubeConfigDocument] = []
        for path in paths {
            guard let data = FileManager.default.contents(atPath: path) else {
                if paths.count > 1, !FileManager.default.fileExists(atPath: path) { continue }
                throw KubeConfigError(
                    "kubeconfig \(path) cannot be read",
                    remedy: "name an existing file with --kubeconfig or KUBECONFIG"
                )
            }
            let folder = (path as NSString).deletingLastPathComponent
            documents.append(try KubeConfigDocument(yaml: String(decoding: data, as: UTF8.self), folder: folder))
        }
        guard let first = documents.first else {
            throw KubeConfigError("none of the kubeconfig files \(paths.joined(separator: ", ")) exists")
        }
        return try documents.dropFirst().reduce(first) { $0.merging($1) }.configuration(context: context)
    }

    /// Parses the text of one kubeconfig; relative files in it are relative to `folder`.
    package init(yaml: String, context: String? = nil, folder: String = ".") throws(KubeConfigError) {
        self = try KubeConfigDocument(yaml: yaml, folder: folder).configuration(context: context)
    }

    package static var serviceAccountFolder: String { "/var/run/secrets/kubernetes.io/serviceaccount" }

    /// The service account that is mounted into this pod.
    package static func inCluster(
        environment: [String: String] = ProcessInfo.processInfo.environment,
        folder: String = serviceAccountFolder
    ) throws(KubeConfigError) -> KubeConfig {
        guard let host = environment["KUBERNETES_SERVICE_HOST"], let port = environment["KUBERNETES_SERVICE_PORT"]
        else {
            throw KubeConfigError(
                "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set",
                remedy: "run this in a pod, or name a kubeconfig"
            )
        }
        let authority = FileManager.default.contents(atPath: folder + "/ca.crt")
        guard FileManager.default.fileExists(atPath: folder + "/token") else {
            throw KubeConfigError(
                "\(folder)/token does not exist",
                remedy: "let the pod mount its service account's token"
            )
        }
        let namespace = FileManager.default.contents(atPath: folder + "/namespace")
            .map { String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines) }
        let address = host.contains(":") ? "[\(host)]" : host
        return KubeConfig(
            server: "https://\(address):\(port)",
            certificateAuthorityPEM: authority.map { String(decoding: $0, as: UTF8.self) },
            credentials: .tokenFile(folder + "/token"),
            namespace: namespace.flatMap { $0.isEmpty ? nil : $0 } ?? "default"
        )
    }

    /// The text of a kubeconfig with this one context, everything embedded.
    package func yaml(name: String) -> String {
        var cluster: [String: JSON] = ["server": .string(server)]
        if let certificateAuthorityPEM {
            cluster["certificate-authority-data"] = .string(Data(certificateAuthorityPEM.utf8).base64EncodedString())
        }
        if isInsecure { cluster["insecure-skip-tls-verify"] = true }
        if let tlsServerName { cluster["tls-server-name"] = .string(tlsServerName) }
        var user: [String: JSON] = [:]
        if let clientCertificate {
            user["client-certificate-data"] = .string(
                Data(clientCertificate.certificatePEM.utf8).base64EncodedString()
            )
            user["client-key-data"] = .string(Data(clientCertificate.keyPEM.utf8).base64EncodedString())
        }
        switch credentials {
        case .none, .exec: break
        case .token(let token): user["token"] = .string(token)
        case .tokenFile(let path): user["tokenFile"] = .string(path)
        case .basic(let name, let password):
            user["username"] = .string(name)
            user["password"] = .string(password)
        }
        let context: [String: JSON] = [
            "cluster": .string(name), "user": .string(name), "namespace": .string(namespace),
        ]
        let document: [String: JSON] = [
            "apiVersion": "v1", "kind": "Config", "current-context": .string(name), "preferences": [:],
            "clusters": [["name": .string(name), "cluster": .object(cluster)]],
            "users": [["name": .string(name), "user": .object(user)]],
            "contexts": [["name": .string(name), "context": .object(context)]],
        ]
        return JSON.object(document).yamlText
    }
}
