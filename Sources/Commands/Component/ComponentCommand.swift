internal import ArgumentParser
internal import Foundation
internal import JobRuntime

/// In-cluster parts; each is one subcommand, started in a pod.
struct Component: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "component",
        abstract: "Runs an in-cluster part of the extension; pods start them.",
        shouldDisplay: false,
        subcommands: [
            GatewayComponent.self, AmlOperatorComponent.self, InferenceOperatorComponent.self, RouterComponent.self,
            RelayComponent.self, ExtensionAgentComponent.self, VolcanoAdmissionComponent.self,
            VolcanoControllersComponent.self, VolcanoSchedulerComponent.self, StorageInitializerStep.self,
            EnvironmentPrepareStep.self, ExecutionWrapperStep.self,
        ]
    )
}

struct StorageInitializerStep: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "storage-initializer",
        abstract: "Fetches the files of a job or deployment."
    )

    func run() async throws { try await StorageInitializer.run() }
}

struct EnvironmentPrepareStep: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "environment-prepare",
        abstract: "Makes the Python environment of a job or deployment."
    )

    @Option(help: "Content hash of the environment.") var hash: String

    func run() async throws { try await EnvironmentPreparation.run(hash: hash) }
}

struct ExecutionWrapperStep: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "execution-wrapper",
        abstract: "Runs a training command, its log and its uploads."
    )

    func run() async throws {
        let code = await ExecutionWrapper.run()
        // ArgumentParser's exit codes stop at its own; the command's code must arrive unchanged.
        Foundation.exit(Int32(code))
    }
}
