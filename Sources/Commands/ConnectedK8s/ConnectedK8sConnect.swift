internal import ArgumentParser
internal import ControlPlaneAPI
internal import Extension
internal import Foundation
internal import KubeClient
internal import KubeCore

extension ConnectedK8s {
    struct Connect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Connects a cluster: puts the agent into it and waits until it is heard of.",
            discussion: """
                The cluster is checked first: version, the permissions of the kubeconfig's user, a linux/amd64 node, no other \
                agent. Doing it again repairs what is there and keeps the agent's key, unless --rotate-key is given. The agent \
                dials the control plane; nothing ever connects into the cluster.

                EXAMPLES
                  outrigger connectedk8s connect --name edge --resource-group ml --kube-config edge.yaml
                  outrigger connectedk8s connect -n edge -g ml --kube-context edge --url https://10.0.0.5:7443 \\
                    --image registry.example.com/outrigger:0.1.0 --tags site=north
                """
        )
        @OptionGroup var cluster: NamedCluster
        @OptionGroup var kube: KubeConfigOptions
        @OptionGroup var agent: AgentOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "Location to record (default: local).") var location: String?
        @Option(help: "Distribution to record (default: found out).") var distribution: String?
        @Option(help: "Infrastructure to record (default: found out).") var infrastructure: String?
        @Option(parsing: .upToNextOption, help: ArgumentHelp("KEY=VALUE tags.", valueName: "key=value"))
        var tags: [String] = []
        @Flag(help: "Give the agent a new key.") var rotateKey = false
        @Flag(name: [.short, .long], help: "Do not ask before the name of a silent cluster is taken over.")
        var yes = false
        @Flag(help: "Do not wait for the agent.") var noWait = false
        @Option(
            name: [.customLong("onboarding-timeout"), .customLong("timeout")],
            help: ArgumentHelp("How long to wait for the agent, in seconds.", valueName: "seconds")
        )
        var timeout: Int = 600

        func validate() throws {
            guard timeout > 0 else { throw ValidationError("--onboarding-timeout \(timeout): must be more than 0") }
        }

        func run() async throws {
            let tags = try KeyValues.tags(tags)
            let configuration = try kube.load()
            let record = try InstanceRecord.require(cluster.instance.layout)
            let url = try agent.controlPlaneURL(record, server: configuration.server)
            let authority = try agent.authority(cluster.instance.layout)
            let result = try await cluster.withSession(.connected) { session, id in
                try await ClusterAccess.with(configuration) { access in
                    let identity = AgentManifests.Identity(clusterID: id, url: url, caPEM: authority, privateKeyPEM: "")
                    return try await connect(session, access, identity, tags)
                }
            }
            try output.output.write(ResourceView.flat(result), columns: ConnectedK8s.columns)
        }

        private func connect(
            _ session: ARMSession,
            _ access: ClusterAccess,
            _ identity: AgentManifests.Identity,
            _ tags: [String: String]
        ) async throws -> JSON {
            session.progress.say("checking the cluster at \(access.configuration.server)")
            let preflight = AgentPreflight(access: access)
            try preflight.checkVersion()
            let nodes = try await access.api.list(.nodes).items
            try AgentPreflight.checkNodes(nodes)
            try await preflight.waitForRemoval(session.progress)
            let present = try await preflight.present()
            try await preflight.checkOthers(present, clusterID: identity.clusterID)
            let known = try await session.find(identity.clusterID)
            try refuseTakeover(known, isOurs: present != nil)

            let key =
                rotateKey ? AgentKey() : try present?.privateKeyPEM.map { pem in try AgentKey(pem: pem) } ?? AgentKey()
            var identity = identity
            identity.privateKeyPEM = key.privatePEM
            let manifests = AgentManifests(identity: identity, image: agent.image, rules: AgentPermissions.rules)
            let objects = manifests.objects()
            try await preflight.checkRights(objects, granting: manifests.rules + AgentManifests.ownRules)

            // What was recorded at the first time stays unless it is given anew.
            let body = Self.body(
                location: location ?? known?["location"]?.stringValue ?? "local",
                tags: tags.isEmpty ? known?["tags"]?.stringMap ?? [:] : tags,
                publicKey: key.publicKeyText,
                distribution: distribution
                    ?? ClusterDistribution.detect(nodes: nodes, version: access.version.gitVersion),
                infrastructure: infrastructure ?? ClusterInfrastructure.detect(nodes),
                url: identity.url
            )
            let stored = try await session.put(identity.clusterID, body)
            try await access.apply(objects) { object in
                session.progress.say("  \(object.reference)")
            }
            guard !noWait else { return stored }
            return try await AgentWait(
                session: session,
                access: access,
                clusterID: identity.clusterID,
                timeout: .seconds(timeout)
            ).connected()
        }

        /// A name belongs to the cluster whose agent is heard under it.
        private func refuseTakeover(_ known: JSON?, isOurs: Bool) throws {
            guard let known, !isOurs else { return }
            let state = known["properties"]?["connectivityStatus"]?.stringValue ?? ""
            guard state != "Connected" else {
                throw CommandError(
                    "the name \(cluster.name) belongs to another cluster, which is connected",
                    remedy: "choose another --name, or disconnect that cluster with 'outrigger connectedk8s delete'"
                )
            }
            try Confirmation.ask(
                "\(cluster.name) is known, but its agent is silent (\(state)). Connect this cluster in its place?",
                isGiven: yes
            )
        }

        static func body(
            location: String,
            tags: [String: String],
            publicKey: String,
            distribution: String,
            infrastructure: String,
            url: String
        ) -> JSON {
            let properties: [String: JSON] = [
                "agentPublicKeyCertificate": .string(publicKey), "distribution": .string(distribution),
                "infrastructure": .string(infrastructure), "controlPlaneUrl": .string(url),
            ]
            return [
                "location": .string(location), "tags": JSON(tags), "identity": ["type": "SystemAssigned"],
                "properties": .object(properties),
            ]
        }
    }
}
