internal import ArgumentParser
internal import AzureMLYAML
internal import Foundation
internal import KubeCore

struct OnlineEndpointCommands: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "online-endpoint",
        abstract: "Endpoints that answer scoring requests.",
        subcommands: [
            Create.self, Show.self, List.self, Update.self, Delete.self, Invoke.self, GetCredentials.self,
            RegenerateKeys.self,
        ]
    )

    static let columns = [
        Column("NAME", "name"), Column("STATE", "provisioning_state"), Column("AUTH", "auth_mode"),
        Column("TRAFFIC", "traffic"), Column("SCORING URI", "scoring_uri"),
    ]

    static func path(_ session: ARMSession, _ name: String) -> String {
        session.workspaceID + "/onlineEndpoints/" + name
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes an endpoint.",
            discussion: "EXAMPLES\n  outrigger ml online-endpoint create --file examples/digits/endpoint.yml"
        )
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "YAML file.") var file: String
        @Option(name: [.short, .long], help: "Name, instead of the file's.") var name: String?
        @Option(parsing: .singleValue, help: "KEY=VALUE changes to the file.") var set: [String] = []
        @Flag(help: "Do not wait for the end.") var noWait = false

        func run() async throws {
            var spec = try OnlineEndpointYAML(try SpecDocument(file: file, overrides: set))
            if let name { spec.name = name }
            let endpoint = spec
            let result = try await workspace.withSession { session in
                let compute =
                    endpoint.compute.hasPrefix("/")
                    ? endpoint.compute : session.workspaceID + "/computes/" + endpoint.compute
                return try await session.put(
                    path(session, endpoint.name),
                    endpoint.body(location: "local", computeID: compute),
                    waits: !noWait
                )
            }
            try output.output.write(Views.endpoint(result), columns: OnlineEndpointCommands.columns)
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows one endpoint.")
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "Name.") var name: String

        func run() async throws {
            let value = try await workspace.withSession { try await $0.get(path($0, name)) }
            try output.output.write(Views.endpoint(value), columns: OnlineEndpointCommands.columns)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists endpoints.")
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let values = try await workspace.withSession { try await $0.list($0.workspaceID + "/onlineEndpoints") }
            try output.output.write(.array(values.map(Views.endpoint)), columns: OnlineEndpointCommands.columns)
        }
    }

    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Changes an endpoint, its traffic above all.",
            discussion: "EXAMPLES\n  outrigger ml online-endpoint update --name digits --traffic \"blue=90 green=10\""
        )
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "Name.") var name: String
        @Option(name: [.customShort("r"), .long], help: "DEPLOYMENT=PERCENT pairs, separated by spaces or commas.")
        var traffic: String?
        @Option(help: "Description.") var description: String?
        @Flag(help: "Do not wait for the end.") var noWait = false

        func run() async throws {
            let shares = try traffic.map(Traffic.parse)
            let result = try await workspace.withSession { session in
                var body = try await session.get(path(session, name))
                if let shares { body[path: "properties", "traffic"] = .object(shares.mapValues { JSON($0) }) }
                if let description { body[path: "properties", "description"] = .string(description) }
                return try await session.put(path(session, name), body, waits: !noWait)
            }
            try output.output.write(Views.endpoint(result), columns: OnlineEndpointCommands.columns)
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Deletes an endpoint with its deployments.")
        @OptionGroup var workspace: WorkspaceOptions
        @Option(name: [.short, .long], help: "Name.") var name: String
        @Flag(name: [.short, .long], help: "Do not ask.") var yes = false
        @Flag(help: "Do not wait for the end.") var noWait = false

        func run() async throws {
            try Confirmation.ask("Delete endpoint \(name) and its deployments?", isGiven: yes)
            try await workspace.withSession { try await $0.delete(path($0, name), waits: !noWait) }
        }
    }

    struct Invoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sends a scoring request and prints the answer.",
            discussion: """
                EXAMPLES
                  outrigger ml online-endpoint invoke --name digits --request-file request.json
                  outrigger ml online-endpoint invoke -n digits -r request.json --deployment-name green
                """
        )
        @OptionGroup var workspace: WorkspaceOptions
        @Option(name: [.short, .long], help: "Name.") var name: String
        @Option(name: [.short, .long], help: "JSON file with the request's body.") var requestFile: String
        @Option(name: [.customShort("d"), .long], help: "Deployment, whatever the traffic says.") var deploymentName:
            String?

        func run() async throws {
            guard let request = FileManager.default.contents(atPath: requestFile) else {
                throw CommandError("--request-file \(requestFile): cannot be read", exitStatus: 2)
            }
            let answer = try await workspace.withSession { session in
                let endpoint = try await session.get(path(session, name))
                guard let uri = endpoint["properties"]?["scoringUri"]?.stringValue, !uri.isEmpty else {
                    throw CommandError(
                        "endpoint \(name) has no scoring URI yet",
                        cause: endpoint["properties"]?["provisioningState"]?.stringValue,
                        remedy: "wait until 'outrigger ml online-endpoint show --name \(name)' says Succeeded"
                    )
                }
                if let deploymentName {
                    guard try await session.find(path(session, name) + "/deployments/" + deploymentName) != nil else {
                        throw CommandError("endpoint \(name) has no deployment \(deploymentName)", exitStatus: 3)
                    }
                }
                return try await session.score(
                    uri: uri,
                    key: try await EndpointCredentials.secret(session, endpoint: endpoint, name: name),
                    body: request,
                    deployment: deploymentName
                )
            }
            FileHandle.standardOutput.write(answer + Data("\n".utf8))
        }
    }

    struct GetCredentials: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "get-credentials",
            abstract: "Prints an endpoint's keys."
        )
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "Name.") var name: String

        func run() async throws {
            let credentials = try await workspace.withSession { session in
                try await EndpointCredentials.read(
                    session,
                    endpoint: try await session.get(path(session, name)),
                    name: name
                )
            }
            try output.output.write(
                credentials,
                columns: [
                    Column("PRIMARY KEY", "primaryKey"), Column("SECONDARY KEY", "secondaryKey"),
                    Column("TOKEN", "accessToken"),
                ]
            )
        }
    }

    struct RegenerateKeys: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "regenerate-keys",
            abstract: "Replaces one of an endpoint's keys."
        )
        @OptionGroup var workspace: WorkspaceOptions
        @Option(name: [.short, .long], help: "Name.") var name: String
        @Option(help: "primary or secondary.") var keyType: String = "primary"

        func run() async throws {
            guard ["primary", "secondary"].contains(keyType.lowercased()) else {
                throw CommandError(
                    "--key-type \(keyType): unknown key",
                    remedy: "use primary or secondary",
                    exitStatus: 2
                )
            }
            let body: JSON = ["keyType": .string(keyType.lowercased().capitalized)]
            _ = try await workspace.withSession { try await $0.post(path($0, name) + "/regenerateKeys", body) }
        }
    }
}

/// `blue=90 green=10`.
enum Traffic {
    static func parse(_ text: String) throws -> [String: Int] {
        var shares: [String: Int] = [:]
        for pair in text.split(whereSeparator: { $0 == " " || $0 == "," }) {
            let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, let percent = Int(parts[1]), (0...100).contains(percent) else {
                throw CommandError(
                    "--traffic \(pair): not a share",
                    remedy: "write DEPLOYMENT=PERCENT with 0 to 100",
                    exitStatus: 2
                )
            }
            shares[parts[0]] = percent
        }
        guard [0, 100].contains(shares.values.reduce(0, +)) else {
            throw CommandError("--traffic \(text): the percentages must add up to 0 or 100", exitStatus: 2)
        }
        return shares
    }
}

/// What a caller of an endpoint shows: a key, or a token for endpoints with `aml_token`.
enum EndpointCredentials {
    static func read(_ session: ARMSession, endpoint: JSON, name: String) async throws -> JSON {
        let usesToken = endpoint["properties"]?["authMode"]?.stringValue == "AMLToken"
        return try await session.post(
            OnlineEndpointCommands.path(session, name) + (usesToken ? "/token" : "/listKeys")
        )
    }

    static func secret(_ session: ARMSession, endpoint: JSON, name: String) async throws -> String {
        let credentials = try await read(session, endpoint: endpoint, name: name)
        return (credentials["accessToken"] ?? credentials["primaryKey"])?.stringValue ?? ""
    }
}
