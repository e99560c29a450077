internal import ArgumentParser
internal import AzureMLYAML
internal import KubeCore

struct OnlineDeploymentCommands: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "online-deployment",
        abstract: "Models behind an endpoint.",
        subcommands: [Create.self, Show.self, List.self, Update.self, Delete.self, GetLogs.self]
    )

    static let columns = [
        Column("NAME", "name"), Column("ENDPOINT", "endpoint_name"), Column("STATE", "provisioning_state"),
        Column("INSTANCES", "instance_count"), Column("MESSAGE", "status_message"),
    ]

    static func path(_ session: ARMSession, _ endpoint: String, _ name: String) -> String {
        OnlineEndpointCommands.path(session, endpoint) + "/deployments/" + name
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Deploys a model.",
            discussion:
                "EXAMPLES\n  outrigger ml online-deployment create -f examples/digits/deployment.yml --all-traffic"
        )
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "YAML file.") var file: String
        @Option(name: [.customShort("e"), .long], help: "Endpoint, instead of the file's.") var endpointName: String?
        @Option(name: [.short, .long], help: "Name, instead of the file's.") var name: String?
        @Option(parsing: .singleValue, help: "KEY=VALUE changes to the file.") var set: [String] = []
        @Flag(help: "Send all of the endpoint's traffic to it once it is ready.") var allTraffic = false
        @Flag(help: "Do not wait for the end.") var noWait = false

        func run() async throws {
            var spec = try OnlineDeploymentYAML(try SpecDocument(file: file, overrides: set))
            if let endpointName { spec.endpointName = endpointName }
            if let name { spec.name = name }
            if allTraffic && noWait {
                throw CommandError(
                    "--all-traffic and --no-wait exclude each other: traffic moves when the deployment is ready",
                    remedy: "leave one out",
                    exitStatus: 2
                )
            }
            let deployment = spec
            let result = try await workspace.withSession { session in
                let result = try await OnlineDeploymentCommands.put(deployment, session, waits: !noWait)
                if allTraffic {
                    let endpoint = OnlineEndpointCommands.path(session, deployment.endpointName)
                    var body = try await session.get(endpoint)
                    body[path: "properties", "traffic"] = [deployment.name: 100]
                    _ = try await session.put(endpoint, body)
                }
                return result
            }
            try output.output.write(Views.deployment(result), columns: OnlineDeploymentCommands.columns)
        }
    }

    /// Uploads what the deployment needs and stores it.
    static func put(_ deployment: OnlineDeploymentYAML, _ session: ARMSession, waits: Bool) async throws -> JSON {
        guard try await session.find(OnlineEndpointCommands.path(session, deployment.endpointName)) != nil else {
            throw CommandError(
                "endpoint \(deployment.endpointName) does not exist",
                remedy: "create it first: outrigger ml online-endpoint create",
                exitStatus: 3
            )
        }
        let upload = AssetUpload(session)
        var modelID: String?
        if let model = deployment.model { modelID = try await upload.modelID(model) }
        var codeID: String?
        if let code = deployment.code { codeID = try await upload.codeID(code) }
        var environmentID: String?
        if let environment = deployment.environment { environmentID = try await upload.environmentID(environment) }
        return try await session.put(
            path(session, deployment.endpointName, deployment.name),
            deployment.body(location: "local", modelID: modelID, codeID: codeID, environmentID: environmentID),
            waits: waits
        )
    }

    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Changes a deployment to what the file says.")
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "YAML file.") var file: String
        @Option(parsing: .singleValue, help: "KEY=VALUE changes to the file.") var set: [String] = []
        @Flag(help: "Do not wait for the end.") var noWait = false

        func run() async throws {
            let spec = try OnlineDeploymentYAML(try SpecDocument(file: file, overrides: set))
            let result = try await workspace.withSession { session in
                _ = try await session.get(path(session, spec.endpointName, spec.name))
                return try await OnlineDeploymentCommands.put(spec, session, waits: !noWait)
            }
            try output.output.write(Views.deployment(result), columns: OnlineDeploymentCommands.columns)
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows one deployment.")
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "Name.") var name: String
        @Option(name: [.customShort("e"), .long], help: "Endpoint.") var endpointName: String

        func run() async throws {
            let value = try await workspace.withSession { try await $0.get(path($0, endpointName, name)) }
            try output.output.write(Views.deployment(value), columns: OnlineDeploymentCommands.columns)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists an endpoint's deployments.")
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.customShort("e"), .long], help: "Endpoint.") var endpointName: String

        func run() async throws {
            let values = try await workspace.withSession {
                try await $0.list(OnlineEndpointCommands.path($0, endpointName) + "/deployments")
            }
            try output.output.write(.array(values.map(Views.deployment)), columns: OnlineDeploymentCommands.columns)
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Deletes a deployment that gets no traffic.")
        @OptionGroup var workspace: WorkspaceOptions
        @Option(name: [.short, .long], help: "Name.") var name: String
        @Option(name: [.customShort("e"), .long], help: "Endpoint.") var endpointName: String
        @Flag(name: [.short, .long], help: "Do not ask.") var yes = false
        @Flag(help: "Do not wait for the end.") var noWait = false

        func run() async throws {
            try Confirmation.ask("Delete deployment \(name) of endpoint \(endpointName)?", isGiven: yes)
            try await workspace.withSession { try await $0.delete(path($0, endpointName, name), waits: !noWait) }
        }
    }

    struct GetLogs: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "get-logs",
            abstract: "Prints a deployment's container log."
        )
        @OptionGroup var workspace: WorkspaceOptions
        @Option(name: [.short, .long], help: "Name.") var name: String
        @Option(name: [.customShort("e"), .long], help: "Endpoint.") var endpointName: String
        @Option(name: [.short, .long], help: "Last lines.") var lines: Int = 50
        @Option(name: [.short, .long], help: "inference-server or storage-initializer.") var container: String =
            "inference-server"

        func run() async throws {
            var body: JSON = ["tail": JSON(lines)]
            if container == "storage-initializer" { body["containerType"] = "StorageInitializer" }
            let request = body
            let answer = try await workspace.withSession {
                try await $0.post(path($0, endpointName, name) + "/getLogs", request)
            }
            print(answer["content"]?.stringValue ?? "")
        }
    }
}
