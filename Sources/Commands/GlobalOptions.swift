internal import ArgumentParser
internal import Foundation
internal import KubeCore

/// Which instance a command talks to.
struct InstanceOptions: ParsableArguments {
    @Option(
        name: .customLong("data-dir"),
        help: "Folder of the instance (default: $OUTRIGGER_DATA_DIR, then ~/.local/share/outrigger)."
    )
    var dataDirectory: String?

    var layout: InstanceLayout { InstanceLayout(option: dataDirectory) }
}

/// Options of every command that shows something.
struct OutputOptions: ParsableArguments {
    @Option(name: [.customShort("o"), .customLong("output")], help: "json, yaml, table or none.")
    var output: OutputFormat = .json
}

/// The workspace that an `ml` command works in.
struct WorkspaceOptions: ParsableArguments {
    @OptionGroup var instance: InstanceOptions

    @Option(
        name: [.customShort("g"), .customLong("resource-group")],
        help: "Resource group (default: that of the instance)."
    )
    var resourceGroup: String?

    @Option(
        name: [.customShort("w"), .customLong("workspace-name")],
        help: "Workspace (default: that of the instance)."
    )
    var workspaceName: String?

    @Option(help: "Subscription id (default: that of the instance).")
    var subscription: String?

    /// Opens a session, runs `body`, and closes it whatever happens.
    func withSession<T>(_ body: (ARMSession) async throws -> T) async throws -> T {
        let defaults = try Defaults.load(instance.layout)
        let session = try await ARMSession.open(
            instance.layout,
            resourceGroup: resourceGroup ?? defaults["group"],
            workspace: workspaceName ?? defaults["workspace"],
            subscription: subscription
        )
        do {
            let result = try await body(session)
            await session.close()
            return result
        } catch {
            await session.close()
            throw error
        }
    }
}

/// What `outrigger configure --defaults` stored, in the instance's folder.
enum Defaults {
    static let known = ["group", "workspace"]

    static func path(_ layout: InstanceLayout) -> String { layout.root + "/defaults.json" }

    static func load(_ layout: InstanceLayout) throws -> [String: String] {
        guard FileManager.default.fileExists(atPath: path(layout)) else { return [:] }
        return try JSONDecoder().decode(
            [String: String].self,
            from: try Data(contentsOf: URL(fileURLWithPath: path(layout)))
        )
    }
}

struct Configure: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Sets defaults for other commands.",
        discussion: """
            EXAMPLES
              outrigger configure --defaults group=local workspace=local
              outrigger configure --defaults group=          # removes one
            """
    )

    @OptionGroup var instance: InstanceOptions

    @Option(name: [.short, .long], parsing: .upToNextOption, help: "NAME=VALUE pairs; names: group, workspace.")
    var defaults: [String] = []

    func run() async throws {
        var stored = try Defaults.load(instance.layout)
        for pair in defaults {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, Defaults.known.contains(parts[0]) else {
                throw CommandError(
                    "--defaults \(pair): unknown default",
                    remedy: "use group=… or workspace=…",
                    exitStatus: 2
                )
            }
            stored[parts[0]] = parts[1].isEmpty ? nil : parts[1]
        }
        if !defaults.isEmpty {
            try PrivateFile.write(try JSONEncoder().encode(stored), to: Defaults.path(instance.layout))
        }
        for (name, value) in stored.sorted(by: { $0.key < $1.key }) { print("\(name)=\(value)") }
    }
}
