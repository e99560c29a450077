internal import ArgumentParser
internal import Extension
internal import Foundation
internal import KubeCore

extension ConnectedK8s {
    struct Template: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "template",
            abstract: "Prints the agent's objects, for GitOps; changes nothing.",
            discussion: """
                Needs no cluster. With --key-file that key is used, else a new one is made and its public half is printed on \
                standard error. Register it with a PUT of the connected cluster (agentPublicKeyCertificate), then apply the \
                objects. The output holds the private key: seal it before you store it.

                EXAMPLES
                  outrigger connectedk8s template --name edge --resource-group ml \\
                    --url https://outrigger.example.com:7443 --key-file agent.pem > agent.yaml
                """
        )
        @OptionGroup var cluster: NamedCluster
        @OptionGroup var agent: AgentOptions
        @OptionGroup var view: ViewOptions
        @Option(help: "PEM file with the agent's P-256 private key.", completion: .file()) var keyFile: String?

        func run() async throws {
            let layout = cluster.instance.layout
            let record = try InstanceRecord.require(layout)
            let key = try keyFile.map { path in
                guard let data = FileManager.default.contents(atPath: (path as NSString).expandingTildeInPath) else {
                    throw CommandError("--key-file \(path): the file cannot be read", exitStatus: 2)
                }
                return try AgentKey(pem: String(decoding: data, as: UTF8.self))
            }
            let used = key ?? AgentKey()
            if key == nil { Message.note("public key of the new key pair: \(used.publicKeyText)") }
            let id =
                "/subscriptions/\(record.subscriptionId)/resourceGroups/\(cluster.resourceGroup)"
                + "/providers/Microsoft.Kubernetes/connectedClusters/\(cluster.name)"
            let manifests = AgentManifests(
                identity: .init(
                    clusterID: id,
                    url: try agent.controlPlaneURL(record, server: nil),
                    caPEM: try agent.authority(layout),
                    privateKeyPEM: used.privatePEM
                ),
                image: agent.image,
                rules: AgentPermissions.rules
            )
            try ObjectStream.write(manifests.objects().map(\.object), as: view.output)
        }
    }
}
