internal import ArgumentParser
internal import KubeCore

extension ExtensionTypes {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the extension types.",
            discussion: """
                EXAMPLES
                  outrigger extension-types list --output table
                """,
            aliases: ["list-by-cluster", "list-by-location"]
        )
        @OptionGroup var place: TypePlace
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let types = try await place.withTypes { session, address in try await session.list(address) }
            try output.output.write(
                .array(types.map(ResourceView.flat)),
                columns: ExtensionTypes.typeColumns
            )
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows one extension type.",
            discussion: """
                EXAMPLES
                  outrigger extension-types show --extension-type Microsoft.AzureML.Kubernetes
                """,
            aliases: ["show-by-cluster", "show-by-location"]
        )
        @OptionGroup var place: TypePlace
        @OptionGroup var type: TypeName
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let value = try await place.withTypes { session, address in
                try await session.get(address + "/" + type.extensionType)
            }
            try output.output.write(ResourceView.flat(value), columns: ExtensionTypes.typeColumns)
        }
    }

    struct ListVersions: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list-versions",
            abstract: "Lists the versions of an extension type.",
            discussion: """
                EXAMPLES
                  outrigger extension-types list-versions --release-train Stable --output table
                """,
            aliases: ["show-versions", "list-versions-by-cluster", "list-versions-by-location"]
        )
        @OptionGroup var place: TypePlace
        @OptionGroup var type: TypeName
        @OptionGroup var output: OutputOptions
        @Option(help: "Only of this train.") var releaseTrain: String?
        @Option(help: "Only of this major version.") var majorVersion: Int?
        @Flag(help: "Only the newest.") var showLatest = false

        func run() async throws {
            var query: [String: String] = [:]
            if let releaseTrain { query["releaseTrain"] = releaseTrain }
            if let majorVersion { query["majorVersion"] = String(majorVersion) }
            if showLatest { query["showLatest"] = "true" }
            let versions = try await place.withTypes { session, address in
                try await session.list(address + "/\(type.extensionType)/versions", query: query)
            }
            try output.output.write(
                .array(versions.map(ResourceView.flat)),
                columns: ExtensionTypes.versionColumns
            )
        }
    }

    struct ShowVersion: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show-version",
            abstract: "Shows one version of an extension type.",
            discussion: """
                EXAMPLES
                  outrigger extension-types show-version --version 0.1.0
                """,
            aliases: ["show-version-by-cluster", "show-version-by-location"]
        )
        @OptionGroup var place: TypePlace
        @OptionGroup var type: TypeName
        @OptionGroup var output: OutputOptions
        @Option(name: [.customLong("version")], help: "The version.") var version: String

        func run() async throws {
            let value = try await place.withTypes { session, address in
                try await session.get(address + "/\(type.extensionType)/versions/\(version)")
            }
            try output.output.write(ResourceView.flat(value), columns: ExtensionTypes.versionColumns)
        }
    }
}
