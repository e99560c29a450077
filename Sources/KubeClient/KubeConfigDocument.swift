internal import Foundation
internal import KubeCore

/// The parsed text of kubeconfig files, before one context is picked.
struct KubeConfigDocument: Sendable {
    /// An entry with the folder its relative files are in.
    struct Entry: Sendable {
        var json: JSON
        var folder: String
    }

    var clusters: [String: Entry] = [:]
    var users: [String: Entry] = [:]
    var contexts: [String: Entry] = [:]
    var currentContext: String?

    init(yaml: String, folder: String) throws(KubeConfigError) {
        let json: JSON
        do {
            json = try JSON(yaml: yaml)
        } catch {
            throw KubeConfigError("kubeconfig: \(error.message)")
        }
        clusters = Self.entries(json["clusters"], body: "cluster", folder: folder)
        users = Self.entries(json["users"], body: "user", folder: folder)
        contexts = Self.entries(json["contexts"], body: "context", folder: folder)
        currentContext = json["current-context"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func entries(_ list: JSON?, body: String, folder: String) -> [String: Entry] {
        var entries: [String: Entry] = [:]
        for element in list?.arrayValue ?? [] {
            guard let name = element["name"]?.stringValue, entries[name] == nil else { continue }
            entries[name] = Entry(json: element[body] ?? [:], folder: folder)
        }
        return entries
    }

    func merging(_ other: KubeConfigDocument) -> KubeConfigDocument {
        var merged = self
        merged.clusters.merge(other.clusters) { first, _ in first }
        merged.users.merge(other.users) { first, _ in first }
        merged.contexts.merge(other.contexts) { first, _ in first }
        merged.currentContext = currentContext ?? other.currentContext
        return merged
    }

    /// Picks `context`, or the current one.
    func configuration(context name: String?) throws(KubeConfigError) -> KubeConfig {
        guard let name = name ?? currentContext else {
            throw KubeConfigError("the kubeconfig has no current-context", remedy: "name one with --context")
        }
        guard let context = contexts[name] else {
            let known = contexts.keys.sorted().joined(separator: ", ")
            throw KubeConfigError("context \"\(name)\" does not exist", remedy: "use one of: \(known)")
        }
        let clusterName = context.json["cluster"]?.stringValue ?? ""
        guard let cluster = clusters[clusterName], let server = cluster.json["server"]?.stringValue, !server.isEmpty
        else {
            throw KubeConfigError("context \"\(name)\": cluster \"\(clusterName)\" has no server")
        }
        var configuration = KubeConfig(server: server)
        configuration.certificateAuthorityPEM = try Self.text(
            cluster,
            data: "certificate-authority-data",
            file: "certificate-authority"
        )
        configuration.isInsecure = cluster.json["insecure-skip-tls-verify"]?.boolValue ?? false
        configuration.tlsServerName = cluster.json["tls-server-name"]?.stringValue
        configuration.proxyURL = cluster.json["proxy-url"]?.stringValue
        if let namespace = context.json["namespace"]?.stringValue, !namespace.isEmpty {
            configuration.namespace = namespace
        }
        let userName = context.json["user"]?.stringValue ?? ""
        if !userName.isEmpty {
            guard let user = users[userName] else {
                throw KubeConfigError("context \"\(name)\": user \"\(userName)\" does not exist")
            }
            try Self.read(user, into: &configuration)
        }
        return configuration
    }

    private static func read(_ user: Entry, into configuration: inout KubeConfig) throws(KubeConfigError) {
        let certificate = try text(user, data: "client-certificate-data", file: "client-certificate")
        let key = try text(user, data: "client-key-data", file: "client-key")
        switch (certificate, key) {
        case (let certificate?, let key?):
            configuration.clientCertificate = .init(certificatePEM: certificate, keyPEM: key)
        case (nil, nil): break
        default: throw KubeConfigError("a client certificate and its key must both be given")
        }
        configuration.impersonatedUser = user.json["as"]?.stringValue
        configuration.impersonatedGroups = user.json["as-groups"]?.stringArray ?? []
        if let token = user.json["token"]?.stringValue, !token.isEmpty {
            configuration.credentials = .token(token)
        } else if let path = user.json["tokenFile"]?.stringValue {
            configuration.credentials = .tokenFile(resolve(path, in: user.folder))
        } else if let name = user.json["username"]?.stringValue {
            configuration.credentials = .basic(user: name, password: user.json["password"]?.stringValue ?? "")
        } else if let exec = user.json["exec"] {
            configuration.credentials = .exec(try plugin(exec, folder: user.folder))
        } else if user.json["auth-provider"] != nil {
            throw KubeConfigError(
                "auth-provider is no longer supported by Kubernetes clients",
                remedy: "use an exec credential plugin in the kubeconfig"
            )
        }
    }

    private static func plugin(_ exec: JSON, folder: String) throws(KubeConfigError) -> KubeConfig.ExecPlugin {
        let versions = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"]
        guard let apiVersion = exec["apiVersion"]?.stringValue, versions.contains(apiVersion) else {
            throw KubeConfigError(
                "exec plugin: apiVersion \"\(exec["apiVersion"]?.stringValue ?? "")\" is not supported",
                remedy: "use client.authentication.k8s.io/v1"
            )
        }
        guard let command = exec["command"]?.stringValue, !command.isEmpty else {
            throw KubeConfigError("exec plugin: command is missing")
        }
        var environment: [String: String] = [:]
        for entry in exec["env"]?.arrayValue ?? [] {
            if let name = entry["name"]?.stringValue { environment[name] = entry["value"]?.stringValue ?? "" }
        }
        return KubeConfig.ExecPlugin(
            apiVersion: apiVersion,
            command: command.contains("/") ? resolve(command, in: folder) : command,
            arguments: exec["args"]?.stringArray ?? [],
            environment: environment,
            providesClusterInfo: exec["provideClusterInfo"]?.boolValue ?? false,
            installHint: exec["installHint"]?.stringValue
        )
    }

    private static func resolve(_ path: String, in folder: String) -> String {
        path.hasPrefix("/") || folder.isEmpty ? path : folder + "/" + path
    }

    private static func text(_ entry: Entry, data: String, file: String) throws(KubeConfigError) -> String? {
        if let encoded = entry.json[data]?.stringValue, !encoded.isEmpty {
            guard let decoded = Data(base64Encoded: encoded, options: .ignoreUnknownCharacters) else {
                throw KubeConfigError("\(data) is not base64")
            }
            return String(decoding: decoded, as: UTF8.self)
        }
        guard let path = entry.json[file]?.stringValue, !path.isEmpty else { return nil }
        let resolved = resolve(path, in: entry.folder)
        guard let contents = FileManager.default.contents(atPath: resolved) else {
            throw KubeConfigError("\(file) \(resolved) cannot be read")
        }
        return String(decoding: contents, as: UTF8.self)
    }
}
