internal import ArgumentParser
internal import KubeCore
internal import NodeAgent

struct Image: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image",
        abstract: "Makes and sends our container image, and shows what stands behind image names on this machine.",
        discussion: """
            EXAMPLES
              outrigger image export -o outrigger.tar
              outrigger image push --registry registry.example/ml --file outrigger.tar
              outrigger image list --output table
            """,
        subcommands: [List.self, ImageExport.self, ImagePushCommand.self]
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the image table.",
            discussion: """
                The first pattern that matches wins. 'host' is this machine's own root file system, read-only below a \
                writable layer and with its secrets hidden. Entries are added in images.json of the data folder; the node \
                agents read it when they start.

                EXAMPLES
                  outrigger image list --output table
                """
        )
        @OptionGroup var instance: InstanceOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let layout = instance.layout
            let record = try InstanceRecord.require(layout)
            let table = try ImageTable.load(path: layout.root + "/images.json")
            var rows = table.entries.map { entry -> JSON in
                [
                    "pattern": .string(entry.pattern), "source": .string("\(entry.source)"),
                    "origin": entry.isBuiltIn ? "built in" : "images.json",
                ]
            }
            let settings = NodeSettings.configuration(
                layout: layout,
                record: record,
                node: record.nodes.first ?? "local"
            )
            if settings.mapUnknownImages {
                rows.append([
                    "pattern": "*", "source": "host", "origin": "any other image; said in an event of the pod",
                ])
            }
            try output.output.write(
                .array(rows),
                columns: [Column("PATTERN", "pattern"), Column("SOURCE", "source"), Column("ORIGIN", "origin")]
            )
        }
    }
}
