internal import ArgumentParser
internal import Extension
internal import Foundation
internal import KubeCore

extension K8sExtension {
    struct Template: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "template",
            abstract: "Prints the objects that these settings mean; needs no instance and no cluster.",
            discussion: """
                YAML documents, or with -o json one List. Tokens and certificates that the agent makes on the cluster are left \
                out. Objects of other people's releases come from the bundles of 'outrigger bundle pull'.

                EXAMPLES
                  outrigger k8s-extension template --config enableTraining=True
                  outrigger k8s-extension template --cluster-type managedClusters --nodes 1 --config enableInference=True \\
                    inferenceRouterServiceType=loadBalancer allowInsecureConnections=True -o table
                """
        )
        @OptionGroup var instance: InstanceOptions
        @OptionGroup var settings: SettingsOptions
        @OptionGroup var offline: OfflineOptions
        @OptionGroup var view: ViewOptions
        @Option(name: [.short, .long], help: "Name of the extension.") var name: String = "amlext"
        @Option(
            name: [.customShort("t"), .customLong("cluster-type")],
            help: "connectedClusters or managedClusters.",
            completion: .list(ClusterKind.allCases.map(\.rawValue))
        )
        var clusterType: String = ClusterKind.connected.rawValue
        @Option(help: "Address of the control plane as pods reach it.") var url: String = "https://control-plane:7443"
        @Option(help: "PEM file with the authority of the control plane's certificate.", completion: .file())
        var caFile: String?

        func run() throws {
            let kind = try ClusterKind.parse(clusterType)
            let settings = try settings.read().whole()
            let facts = offline.facts(kind)
            let input = try OfflineRender(layout: instance.layout).input(
                name: name,
                settings: settings,
                facts: facts,
                profile: offline.profile(url: url, caPEM: try authority())
            )
            let renderer = ExtensionRenderer(input)
            let (problems, remarks) = settings.check(facts)
            guard problems.isEmpty, renderer.problems.isEmpty else {
                throw GivenSettings.refusal(problems + renderer.problems)
            }
            for remark in remarks + renderer.remarks { Message.note("\(remark)") }
            try ObjectStream.write(renderer.render().map(\.object), as: view.output)
        }

        private func authority() throws -> String {
            guard let caFile else { return "" }
            guard let data = FileManager.default.contents(atPath: (caFile as NSString).expandingTildeInPath) else {
                throw CommandError("--ca-file \(caFile): the file cannot be read", exitStatus: 2)
            }
            return String(decoding: data, as: UTF8.self)
        }
    }
}
