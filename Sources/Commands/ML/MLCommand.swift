internal import ArgumentParser
internal import KubeCore

struct ML: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ml",
        abstract: "Jobs, models, environments and endpoints of a workspace.",
        subcommands: [
            WorkspaceCommands.self, ComputeCommands.self, JobCommands.self, ModelCommands.self, DataCommands.self,
            EnvironmentCommands.self, OnlineEndpointCommands.self, OnlineDeploymentCommands.self,
        ]
    )
}

struct WorkspaceCommands: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "workspace",
        abstract: "Shows workspaces.",
        subcommands: [Show.self, List.self]
    )

    static let columns = [Column("NAME", "name"), Column("LOCATION", "location"), Column("ID", "id")]

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows one workspace.")
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions
        @Option(name: .shortAndLong, help: "Name (default: that of the instance).") var name: String?

        func run() async throws {
            let value = try await workspace.withSession { session in
                try await session.get(
                    name.map { session.resourceGroupID + ARMSession.workspaceProvider + $0 } ?? session.workspaceID
                )
            }
            try output.output.write(value, columns: WorkspaceCommands.columns)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists workspaces.")
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let values = try await workspace.withSession { session in
                try await session.list(session.resourceGroupID + String(ARMSession.workspaceProvider.dropLast()))
            }
            try output.output.write(.array(values), columns: WorkspaceCommands.columns)
        }
    }
}
