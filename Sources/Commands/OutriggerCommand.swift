package import ArgumentParser
internal import ControlPlaneAPI
internal import ControlPlaneClient
internal import Foundation

/// The program.
package struct Outrigger: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "outrigger",
        abstract: "Training and inference on any Kubernetes cluster, or on this machine alone.",
        discussion: """
            Start with 'outrigger up --detach', then install the extension with 'outrigger k8s-extension create' and submit a \
            job with 'outrigger ml job create'. Shell completion: outrigger --generate-completion-script bash
            """,
        version: Product.version,
        subcommands: [
            Up.self, Down.self, Status.self, ConnectedK8s.self, Aks.self, K8sExtension.self, ExtensionTypes.self,
            ML.self,
            Image.self, BundleCommand.self, Configure.self, Daemon.self, Component.self,
        ]
    )

    package init() {}

    /// Runs the command line and exits: 0 done, 1 failed, 2 wrong usage, 3 not found.
    package static func start() async {
        do {
            var command = try parseAsRoot()
            if var async = command as? any AsyncParsableCommand {
                try await async.run()
            } else {
                try command.run()
            }
        } catch let error as CommandError {
            fail(error)
        } catch let error as ARMError {
            fail(CommandError(error.error.description, exitStatus: error.status == 404 ? 3 : 1))
        } catch let error as ControlPlaneUnreachable {
            fail(CommandError(error.description, remedy: error.remedy))
        } catch let error as ExitCode {
            Foundation.exit(error.rawValue)
        } catch {
            if exitCode(for: error) == .success { exit(withError: error) }
            if isUsage(error) { failUsage(fullMessage(for: error)) }
            fail(CommandError("\(error)"))
        }
    }

    /// Errors of the parser itself, which knows best how to say them.
    private static func isUsage(_ error: any Error) -> Bool {
        exitCode(for: error) == .validationFailure || error is ValidationError
    }

    private static func failUsage(_ message: String) -> Never {
        let start = "Error: "
        let text = message.hasPrefix(start) ? String(message.dropFirst(start.count)) : message
        fail(CommandError(text, exitStatus: 2))
    }

    private static func fail(_ error: CommandError) -> Never {
        FileHandle.standardError.write(Data((error.description + "\n").utf8))
        Foundation.exit(error.exitStatus)
    }
}
