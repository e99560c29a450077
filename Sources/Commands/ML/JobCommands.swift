internal import ArgumentParser
internal import AzureMLYAML
internal import Foundation
internal import KubeCore

struct JobCommands: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "job",
        abstract: "Runs training jobs.",
        subcommands: [Create.self, Show.self, List.self, Stream.self, Cancel.self, Download.self]
    )

    static let columns = [
        Column("NAME", "name"), Column("STATUS", "status"), Column("EXPERIMENT", "experiment_name"),
        Column("COMPUTE", "compute"), Column("MESSAGE", "status_message"),
    ]

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Submits a job.",
            discussion: """
                EXAMPLES
                  outrigger ml job create --file examples/digits/train.yml --stream
                  outrigger ml job create -f train.yml --set inputs.gamma=0.01 --name try-2

                With --stream the exit status is 0 only when the job completed.
                """
        )
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "YAML file.") var file: String
        @Option(name: [.short, .long], help: "Name (default: a made-up one).") var name: String?
        @Option(parsing: .singleValue, help: "KEY=VALUE changes to the file.") var set: [String] = []
        @Flag(name: [.short, .long], help: "Show the log until the job ends.") var stream = false

        func run() async throws {
            let job = try CommandJobYAML(try SpecDocument(file: file, overrides: set))
            for warning in job.warnings { Message.warning("\(file): \(warning)") }
            let name = name ?? job.name ?? JobName.random()
            try await workspace.withSession { session in
                let upload = AssetUpload(session)
                var uris: [String: String] = [:]
                for (input, value) in job.inputs {
                    guard case .data(_, _, let path) = value else { continue }
                    uris[input] = try await upload.inputURI(path)
                }
                var codeID: String?
                if let code = job.code { codeID = try await upload.codeID(code) }
                guard let environment = job.environment else { throw CommandError("environment is missing") }
                let resolved = CommandJobYAML.Resolved(
                    codeID: codeID,
                    environmentID: try await upload.environmentID(environment),
                    computeID: job.compute.map { $0.hasPrefix("/") ? $0 : session.workspaceID + "/computes/" + $0 },
                    inputURIs: uris
                )
                let folder = (FileManager.default.currentDirectoryPath as NSString).lastPathComponent
                let body = job.body(name: name, defaultExperiment: folder, resolved: resolved)
                let created = try await session.put(session.workspaceID + "/jobs/" + name, body)
                guard stream else { return try output.output.write(Views.job(created), columns: JobCommands.columns) }
                try await JobStream(session: session, name: name).run()
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows one job.")
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "Name.") var name: String

        func run() async throws {
            let value = try await workspace.withSession { try await $0.get($0.workspaceID + "/jobs/" + name) }
            try output.output.write(Views.job(value), columns: JobCommands.columns)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists jobs, newest first.")
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "At most this many.") var maxResults: Int?

        func run() async throws {
            let values = try await workspace.withSession { try await $0.list($0.workspaceID + "/jobs") }
            let shown = maxResults.map { Array(values.prefix($0)) } ?? values
            try output.output.write(.array(shown.map(Views.job)), columns: JobCommands.columns)
        }
    }

    struct Stream: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows a job's log until it ends.",
            discussion: "The exit status is 0 only when the job completed."
        )
        @OptionGroup var workspace: WorkspaceOptions
        @Option(name: [.short, .long], help: "Name.") var name: String

        func run() async throws {
            try await workspace.withSession { try await JobStream(session: $0, name: name).run() }
        }
    }

    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Ends a job.")
        @OptionGroup var workspace: WorkspaceOptions
        @Option(name: [.short, .long], help: "Name.") var name: String

        func run() async throws {
            _ = try await workspace.withSession { try await $0.post($0.workspaceID + "/jobs/\(name)/cancel") }
        }
    }

    struct Download: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Fetches a job's results.",
            discussion: """
                EXAMPLES
                  outrigger ml job download --name JOB --output-name held_back --download-path here
                  outrigger ml job download --name JOB --all
                """
        )
        @OptionGroup var workspace: WorkspaceOptions
        @Option(name: [.short, .long], help: "Name.") var name: String
        @Option(help: "One named output (default: outputs and logs of the run).") var outputName: String?
        @Option(name: [.customShort("p"), .long], help: "Folder to write to.") var downloadPath: String = "."
        @Flag(help: "Logs, outputs and all named outputs.") var all = false

        func run() async throws {
            try await workspace.withSession { session in
                let job = try await session.get(session.workspaceID + "/jobs/" + name)
                let outputs = job["properties"]?["outputs"]?.objectValue ?? [:]
                if let outputName, outputs[outputName] == nil, outputName != "default" {
                    throw CommandError(
                        "job \(name) has no output \(outputName)",
                        remedy: "use one of \(outputs.keys.sorted().joined(separator: ", "))",
                        exitStatus: 3
                    )
                }
                if outputName == nil || outputName == "default" || all {
                    try await session.downloadArtifacts(run: name, to: downloadPath + "/artifacts")
                }
                for key in outputs.keys.sorted() where all || key == outputName {
                    try await session.downloadOutput(
                        job: job,
                        name: key,
                        to: downloadPath + "/named-outputs/" + key
                    )
                }
            }
        }
    }
}

/// Names for jobs that were given none, in the reference client's manner.
enum JobName {
    private static let adjectives = [
        "amber", "brave", "calm", "clever", "eager", "gentle", "happy", "jolly", "keen", "lively", "mellow", "neat",
        "patient", "quiet", "rapid", "steady", "tidy", "upbeat", "vivid", "witty",
    ]
    private static let nouns = [
        "anchor", "bay", "beacon", "canoe", "cove", "current", "ferry", "float", "gull", "harbor", "island", "keel",
        "lagoon", "mast", "oar", "pier", "reef", "sail", "tide", "wave",
    ]

    static func random() -> String {
        let suffix = String((0..<10).map { _ in "bcdfghjklmnpqrstvwxz2456789".randomElement() ?? "x" })
        return "\(adjectives.randomElement() ?? "calm")_\(nouns.randomElement() ?? "sail")_\(suffix)"
    }
}
