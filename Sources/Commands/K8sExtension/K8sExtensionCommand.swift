internal import ArgumentParser
internal import Foundation
internal import KubeCore

/// `az k8s-extension`, with its flags.
struct K8sExtension: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "k8s-extension",
        abstract: "Installs and manages the extension of a cluster.",
        subcommands: [Create.self, Show.self, List.self, Update.self, Delete.self, Settings.self]
    )

    static let columns = [
        Column("NAME") { $0["name"]?.stringValue ?? "" }, Column("TYPE", "extensionType"),
        Column("VERSION", "currentVersion"),
        Column("STATE", "provisioningState"),
    ]

    /// What `show` prints: the ARM resource with its properties at the top, as the reference CLI does.
    static func view(_ resource: JSON) -> JSON {
        var members = resource["properties"]?.objectValue ?? [:]
        for key in ["id", "name", "type", "systemData", "identity", "plan"] { members[key] = resource[key] }
        if let id = resource["id"]?.stringValue {
            let parts = id.split(separator: "/").map(String.init)
            if let index = parts.firstIndex(where: { $0.lowercased() == "resourcegroups" }), index + 1 < parts.count {
                members["resourceGroup"] = .string(parts[index + 1])
            }
        }
        return .object(members)
    }
}

/// Which cluster's extensions.
struct ClusterOptions: ParsableArguments {
    @OptionGroup var instance: InstanceOptions

    @Option(name: [.customShort("c"), .customLong("cluster-name")], help: "Name of the cluster.")
    var clusterName: String

    @Option(name: [.customShort("g"), .customLong("resource-group")], help: "Resource group of the cluster.")
    var resourceGroup: String

    @Option(name: [.customShort("t"), .customLong("cluster-type")], help: "connectedClusters or managedClusters.")
    var clusterType: String

    func validatedType() throws -> String {
        for known in ["connectedClusters", "managedClusters"] where known.lowercased() == clusterType.lowercased() {
            return known
        }
        throw CommandError(
            "--cluster-type \(clusterType): unknown cluster type",
            remedy: "use connectedClusters or managedClusters",
            exitStatus: 2
        )
    }

    func withSession<T>(_ body: (ARMSession, String) async throws -> T) async throws -> T {
        let type = try validatedType()
        let session = try await ARMSession.open(
            instance.layout,
            resourceGroup: resourceGroup,
            workspace: nil,
            subscription: nil
        )
        do {
            let collection =
                session.clusterID(type: type, resourceGroup: resourceGroup, name: clusterName)
                + "/providers/Microsoft.KubernetesConfiguration/extensions"
            let result = try await body(session, collection)
            await session.close()
            return result
        } catch {
            await session.close()
            throw error
        }
    }
}

/// Settings of `create` and `update`.
struct SettingsOptions: ParsableArguments {
    @Option(
        name: [.customLong("configuration-settings"), .customLong("config")],
        parsing: .upToNextOption,
        help: "KEY=VALUE settings; repeatable."
    )
    var settings: [String] = []

    @Option(
        name: [.customLong("configuration-protected-settings"), .customLong("config-protected")],
        parsing: .upToNextOption,
        help: "KEY=VALUE settings that are never shown again; repeatable."
    )
    var protectedSettings: [String] = []

    @Option(
        name: [.customLong("config-settings-file"), .customLong("config-file")],
        help: "JSON file with settings."
    )
    var settingsFile: String?

    @Option(
        name: [.customLong("config-protected-settings-file"), .customLong("config-protected-file")],
        help: "JSON file with protected settings."
    )
    var protectedSettingsFile: String?

    func read() throws -> (plain: [String: String], protected: [String: String]) {
        let plain = try SettingsInput.read(settings, file: settingsFile, option: "--configuration-settings")
        let secret = try SettingsInput.read(
            protectedSettings,
            file: protectedSettingsFile,
            option: "--configuration-protected-settings"
        )
        let both = Set(plain.keys).intersection(secret.keys).sorted()
        guard both.isEmpty else {
            throw CommandError(
                "settings \(both.joined(separator: ", ")) are given both plain and protected",
                remedy: "give each once",
                exitStatus: 2
            )
        }
        return try SettingsInput.readingPEMFiles(plain, secret)
    }
}

enum SettingsInput {
    /// `KEY=VALUE` pairs, split at the first `=`, or a JSON object of scalars.
    static func read(_ pairs: [String], file: String?, option: String) throws -> [String: String] {
        if let file {
            guard pairs.isEmpty else {
                throw CommandError("\(option) and its file exclude each other", remedy: "give one", exitStatus: 2)
            }
            return try read(file: file)
        }
        var settings: [String: String] = [:]
        for pair in pairs {
            guard let equals = pair.firstIndex(of: "="), equals != pair.startIndex else {
                throw CommandError(
                    "\(option) \(pair): not KEY=VALUE",
                    remedy: "write for example enableTraining=True",
                    exitStatus: 2
                )
            }
            settings[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
        }
        return settings
    }

    private static func read(file: String) throws -> [String: String] {
        guard let data = FileManager.default.contents(atPath: file) else {
            throw CommandError("settings file \(file) cannot be read", exitStatus: 2)
        }
        let members: [String: JSON]
        do {
            guard let object = try JSON(parsing: data).objectValue else {
                throw CommandError("settings file \(file) holds no JSON object", exitStatus: 2)
            }
            members = object
        } catch let error as JSONParseError {
            throw CommandError("settings file \(file) is not JSON", cause: error.description, exitStatus: 2)
        }
        return try members.mapValues { value in
            switch value {
            case .string(let text): text
            case .bool(let flag): flag ? "True" : "False"
            case .int, .double: value.text
            default:
                throw CommandError("settings file \(file): values must be text, numbers or booleans", exitStatus: 2)
            }
        }
    }

    /// `sslCertPemFile` and `sslKeyPemFile` name local files; their contents travel base64-encoded and protected.
    static func readingPEMFiles(
        _ plain: [String: String],
        _ secret: [String: String]
    ) throws -> (plain: [String: String], protected: [String: String]) {
        var plain = plain
        var secret = secret
        for (key, sent) in [("sslCertPemFile", "scoringFe.sslCert"), ("sslKeyPemFile", "scoringFe.sslKey")] {
            guard let path = secret.removeValue(forKey: key) ?? plain.removeValue(forKey: key) else { continue }
            guard let data = FileManager.default.contents(atPath: path) else {
                throw CommandError(
                    "\(key)=\(path): the file cannot be read",
                    remedy: "give the path of a PEM file",
                    exitStatus: 2
                )
            }
            secret[sent] = data.base64EncodedString()
        }
        return (plain, secret)
    }
}

extension K8sExtension {
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Installs the extension.",
            discussion: """
                EXAMPLES
                  outrigger k8s-extension create --name amlext --extension-type Microsoft.AzureML.Kubernetes \\
                    --config enableTraining=True enableInference=True inferenceRouterServiceType=LoadBalancer \\
                    allowInsecureConnections=True --cluster-type connectedClusters --cluster-name local \\
                    --resource-group local --scope cluster
                """
        )
        @OptionGroup var cluster: ClusterOptions
        @OptionGroup var settings: SettingsOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "Name of the extension.") var name: String
        @Option(help: "Type; Microsoft.AzureML.Kubernetes.") var extensionType: String
        @Option(help: "cluster; the extension cannot be limited to a namespace.") var scope: String = "cluster"
        @Option(help: "Always azureml.") var releaseNamespace: String?
        @Option(help: "Stable or another train.") var releaseTrain: String?
        @Option(help: "Version; only with --auto-upgrade-minor-version false.") var version: String?
        @Option(
            name: [.customLong("auto-upgrade-minor-version"), .customLong("auto-upgrade")],
            help: "true or false."
        )
        var autoUpgradeMinorVersion: Bool = true
        @Flag(help: "Do not wait for the end.") var noWait = false

        func run() async throws {
            if scope.lowercased() != "cluster" {
                throw CommandError(
                    "--scope \(scope): this extension is installed for a whole cluster",
                    remedy: "use --scope cluster",
                    exitStatus: 2
                )
            }
            if version != nil, autoUpgradeMinorVersion {
                throw CommandError(
                    "--version needs --auto-upgrade-minor-version false",
                    remedy: "add it, or leave --version out",
                    exitStatus: 2
                )
            }
            if let releaseNamespace, releaseNamespace != "azureml" {
                Message.warning("--release-namespace \(releaseNamespace) is ignored: it is always azureml")
            }
            let (plain, secret) = try settings.read()
            var properties: [String: JSON] = [
                "extensionType": .string(extensionType), "autoUpgradeMinorVersion": .bool(autoUpgradeMinorVersion),
                "releaseTrain": .string(releaseTrain ?? "Stable"),
                "scope": ["cluster": ["releaseNamespace": "azureml"]],
                "configurationSettings": JSON(plain), "configurationProtectedSettings": JSON(secret),
            ]
            if let version { properties["version"] = .string(version) }
            let body: JSON = ["identity": ["type": "SystemAssigned"], "properties": .object(properties)]
            let result = try await cluster.withSession { session, collection in
                try await session.put(collection + "/" + name, body, waits: !noWait)
            }
            try output.output.write(K8sExtension.view(result), columns: K8sExtension.columns)
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows the extension with the state of its components."
        )
        @OptionGroup var cluster: ClusterOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "Name of the extension.") var name: String

        func run() async throws {
            let value = try await cluster.withSession { session, collection in
                try await session.get(collection + "/" + name)
            }
            try output.output.write(K8sExtension.view(value), columns: K8sExtension.columns)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the extensions of a cluster.")
        @OptionGroup var cluster: ClusterOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let values = try await cluster.withSession { session, collection in try await session.list(collection) }
            try output.output.write(.array(values.map(K8sExtension.view)), columns: K8sExtension.columns)
        }
    }

    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Changes settings; those not given stay.")
        @OptionGroup var cluster: ClusterOptions
        @OptionGroup var settings: SettingsOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "Name of the extension.") var name: String
        @Option(help: "Version; only with --auto-upgrade-minor-version false.") var version: String?
        @Option(
            name: [.customLong("auto-upgrade-minor-version"), .customLong("auto-upgrade")],
            help: "true or false."
        )
        var autoUpgradeMinorVersion: Bool?
        @Option(help: "Stable or another train.") var releaseTrain: String?
        @Flag(name: [.short, .long], help: "Do not ask.") var yes = false
        @Flag(help: "Do not wait for the end.") var noWait = false

        func run() async throws {
            let (plain, secret) = try settings.read()
            if let question = UpdateEffects.question(plain) { try Confirmation.ask(question, isGiven: yes) }
            var properties: [String: JSON] = [:]
            if !plain.isEmpty { properties["configurationSettings"] = JSON(plain) }
            if !secret.isEmpty { properties["configurationProtectedSettings"] = JSON(secret) }
            if let version { properties["version"] = .string(version) }
            if let autoUpgradeMinorVersion { properties["autoUpgradeMinorVersion"] = .bool(autoUpgradeMinorVersion) }
            if let releaseTrain { properties["releaseTrain"] = .string(releaseTrain) }
            let body: JSON = ["properties": .object(properties)]
            let result = try await cluster.withSession { session, collection in
                try await session.patch(collection + "/" + name, body, waits: !noWait)
            }
            try output.output.write(K8sExtension.view(result), columns: K8sExtension.columns)
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Removes the extension.")
        @OptionGroup var cluster: ClusterOptions
        @Option(name: [.short, .long], help: "Name of the extension.") var name: String
        @Flag(name: [.short, .long], help: "Do not ask.") var yes = false
        @Flag(help: "Forget it even when the cluster cannot be reached.") var force = false
        @Flag(help: "Do not wait for the end.") var noWait = false

        func run() async throws {
            try Confirmation.ask("Delete extension \(name) of cluster \(cluster.clusterName)?", isGiven: yes)
            try await cluster.withSession { session, collection in
                guard try await session.find(collection + "/" + name) != nil else {
                    return Message.warning("extension \(name) does not exist on \(cluster.clusterName)")
                }
                try await session.delete(
                    collection + "/" + name,
                    query: force ? ["forceDelete": "true"] : [:],
                    waits: !noWait
                )
            }
        }
    }
}

/// Which running work a change of settings disturbs.
///
/// Source: azureml-extension's prompts on update.
enum UpdateEffects {
    static func question(_ settings: [String: String]) -> String? {
        var affected: Set<String> = []
        for (key, value) in settings {
            let isOff = value.lowercased() == "false"
            switch key.lowercased() {
            case "enabletraining" where isOff: affected.insert("jobs")
            case "enableinference" where isOff: affected.insert("online endpoints and deployments")
            case "installnvidiadeviceplugin" where isOff:
                affected.formUnion(["jobs", "online endpoints and deployments"])
            case "allowinsecureconnections", "inferencerouterservicetype", "internalloadbalancerprovider", "sslcname":
                affected.insert("online endpoints and deployments")
            case let key where key.contains("nodeselector"):
                affected.formUnion(["jobs", "online endpoints and deployments"])
            default: break
            }
        }
        guard !affected.isEmpty else { return nil }
        return "This change disturbs running \(affected.sorted().joined(separator: " and ")). Go on?"
    }
}
