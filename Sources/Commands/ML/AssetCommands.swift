internal import ArgumentParser
internal import AzureMLYAML
internal import KubeCore

/// What `show` and `list` of every versioned asset have in common.
enum AssetQueries {
    static let columns = [
        Column("NAME", "name"), Column("VERSION", "version"), Column("TYPE", "type"),
        Column("DESCRIPTION", "description"),
    ]

    /// One version: the given one, the one of a label, else the latest.
    static func show(
        _ session: ARMSession,
        collection: String,
        name: String,
        version: String?,
        label: String?
    ) async throws -> JSON {
        let base = session.workspaceID + "/\(collection)/\(name)/versions"
        if let version { return try await session.get(base + "/" + version) }
        guard label == nil || label == "latest" else {
            throw CommandError("--label \(label ?? ""): unknown label", remedy: "use latest", exitStatus: 2)
        }
        guard let latest = try await session.list(base, query: ["$orderBy": "createdtime desc", "$top": "1"]).first
        else {
            throw CommandError(
                "\(collection) \(name) has no versions",
                remedy: "list them with 'list --name \(name)'",
                exitStatus: 3
            )
        }
        return latest
    }

    /// Containers, or the versions of one.
    static func list(_ session: ARMSession, collection: String, name: String?) async throws -> [JSON] {
        let base = session.workspaceID + "/" + collection
        guard let name else { return try await session.list(base).map(Views.container) }
        return try await session.list(base + "/\(name)/versions").map(Views.asset)
    }
}

/// A kind of versioned asset, for the commands that all of them have.
protocol AssetCollection: Sendable {
    /// Segment of its ARM ids.
    static var collection: String { get }
    /// As in a sentence: `a model`.
    static var noun: String { get }
}

enum ModelCollection: AssetCollection {
    static let collection = "models"
    static let noun = "model"
}

enum DataCollection: AssetCollection {
    static let collection = "data"
    static let noun = "data asset"
}

enum EnvironmentCollection: AssetCollection {
    static let collection = "environments"
    static let noun = "environment"
}

struct AssetShow<Assets: AssetCollection>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: "show", abstract: "Shows one version of a \(Assets.noun).")
    }

    @OptionGroup var workspace: WorkspaceOptions
    @OptionGroup var output: OutputOptions
    @Option(name: [.short, .long], help: "Name.") var name: String
    @Option(name: [.short, .long], help: "Version (default: the latest).") var version: String?
    @Option(name: [.short, .long], help: "Label; only latest.") var label: String?

    func run() async throws {
        let value = try await workspace.withSession {
            try await AssetQueries.show(
                $0,
                collection: Assets.collection,
                name: name,
                version: version,
                label: label
            )
        }
        try output.output.write(Views.asset(value), columns: AssetQueries.columns)
    }
}

struct AssetList<Assets: AssetCollection>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "list",
            abstract: "Lists every \(Assets.noun), or with --name the versions of one."
        )
    }

    @OptionGroup var workspace: WorkspaceOptions
    @OptionGroup var output: OutputOptions
    @Option(name: [.short, .long], help: "Name.") var name: String?

    func run() async throws {
        let values = try await workspace.withSession {
            try await AssetQueries.list($0, collection: Assets.collection, name: name)
        }
        try output.output.write(.array(values), columns: AssetQueries.columns)
    }
}

/// Options of `create` that models and data share.
struct AssetCreateOptions: ParsableArguments {
    @Option(name: [.short, .long], help: "YAML file.") var file: String?
    @Option(name: [.short, .long], help: "Name.") var name: String?
    @Option(name: [.short, .long], help: "Version (default: the next number).") var version: String?
    @Option(name: [.short, .long], help: "Local path, azureml://jobs/JOB/outputs/NAME or another URI.") var path:
        String?
    @Option(name: [.short, .long], help: "Type; see --help of the group.") var type: String?
    @Option(help: "Description.") var description: String?
    @Option(parsing: .singleValue, help: "KEY=VALUE changes to the file.") var set: [String] = []

    func read(_ kind: AssetYAML.Kind) throws -> AssetYAML {
        try AssetInput.read(
            kind,
            file: file,
            set: set,
            name: name,
            version: version,
            path: path,
            type: type,
            description: description
        )
    }
}

struct ModelCommands: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Registers models: custom_model, mlflow_model or triton_model.",
        subcommands: [Create.self, AssetShow<ModelCollection>.self, AssetList<ModelCollection>.self]
    )

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Registers a model from a file, a folder or a job's output.",
            discussion: """
                EXAMPLES
                  outrigger ml model create --name digits --path azureml://jobs/JOB/outputs/model --type custom_model
                  outrigger ml model create --file model.yml
                """
        )
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions
        @OptionGroup var asset: AssetCreateOptions

        func run() async throws {
            let asset = try asset.read(.model)
            let result = try await workspace.withSession { try await AssetUpload($0).create(asset) }
            try output.output.write(Views.asset(result), columns: AssetQueries.columns)
        }
    }
}

struct DataCommands: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "Registers data: uri_folder, uri_file or mltable.",
        subcommands: [Create.self, AssetShow<DataCollection>.self, AssetList<DataCollection>.self]
    )

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Registers data from a file, a folder or a URI.")
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions
        @OptionGroup var asset: AssetCreateOptions

        func run() async throws {
            let asset = try asset.read(.data)
            let result = try await workspace.withSession { try await AssetUpload($0).create(asset) }
            try output.output.write(Views.asset(result), columns: AssetQueries.columns)
        }
    }
}

struct EnvironmentCommands: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "environment",
        abstract: "Registers environments.",
        subcommands: [Create.self, AssetShow<EnvironmentCollection>.self, AssetList<EnvironmentCollection>.self]
    )

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Registers an environment from a file.")
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "YAML file.") var file: String
        @Option(parsing: .singleValue, help: "KEY=VALUE changes to the file.") var set: [String] = []

        func run() async throws {
            let environment = try EnvironmentYAML(try SpecDocument(file: file, overrides: set))
            let result = try await workspace.withSession { try await AssetUpload($0).create(environment) }
            try output.output.write(Views.asset(result), columns: AssetQueries.columns)
        }
    }
}
