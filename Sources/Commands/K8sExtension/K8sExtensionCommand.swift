internal import ArgumentParser

/// `az k8s-extension`, with its flags, and what it lacks.
struct K8sExtension: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "k8s-extension",
        abstract: "Installs and manages the extension of a cluster.",
        discussion: """
            EXAMPLES
              outrigger k8s-extension create --name amlext --extension-type Microsoft.AzureML.Kubernetes \\
                --config enableTraining=True --cluster-type connectedClusters --cluster-name local \\
                --resource-group local --scope cluster
              outrigger k8s-extension show --name amlext --cluster-type connectedClusters --cluster-name local \\
                --resource-group local --output table
            """,
        subcommands: [
            Create.self, Show.self, List.self, Update.self, Delete.self, Check.self, Components.self, Template.self,
            Diagnose.self, Rollback.self, Settings.self, ExtensionTypes.self,
        ]
    )
}
