package import KubeCore

/// One part of the extension, as data: what turns it on, what it needs, what it may do.
package struct Component: Sendable {
    package enum Workload: String, Sendable {
        case deployment = "Deployment"
        case daemonSet = "DaemonSet"
        case statefulSet = "StatefulSet"
    }

    package enum Origin: Sendable, Hashable {
        /// A subcommand of our own binary.
        case firstParty
        /// Somebody else's program, with its name.
        case thirdParty(String)
    }

    /// Whether this version can install it.
    package enum Availability: Sendable, Hashable {
        case implemented
        /// Not part of this version, for this reason; enabling it changes nothing and is said so.
        case absent(String)
        /// Installed from upstream's release.
        case bundle(BundleReference)
    }

    package struct Port: Sendable, Hashable {
        package var name: String
        package var containerPort: Int
        package var condition: PortCondition = .always
    }

    /// When a port is open.
    package enum PortCondition: Sendable, Hashable {
        case always
        /// `allowInsecureConnections`.
        case insecure
        /// A certificate is given.
        case tls
    }

    package struct ServicePort: Sendable, Hashable {
        package var name: String
        package var port: Int
        package var targetPort: String
        package var condition: PortCondition = .always
    }

    package struct Service: Sendable, Hashable {
        package var name: String
        package var ports: [ServicePort]
        package var isHeadless = false
        /// Takes its type from `inferenceRouterServiceType`.
        package var isRouter = false
    }

    /// Amounts in Kubernetes notation.
    package struct Resources: Sendable, Hashable {
        package var requestCPU: String
        package var requestMemory: String
        package var limitCPU: String
        package var limitMemory: String

        package init(cpu: (String, String), memory: (String, String)) {
            requestCPU = cpu.0
            limitCPU = cpu.1
            requestMemory = memory.0
            limitMemory = memory.1
        }

        package var requests: [String: String] { ["cpu": requestCPU, "memory": requestMemory] }
        package var limits: [String: String] { ["cpu": limitCPU, "memory": limitMemory] }
    }

    /// One rule of a Role or ClusterRole.
    package struct Rule: Sendable, Hashable {
        package var groups: [String]
        package var resources: [String]
        package var verbs: [String]
        package var names: [String] = []

        package init(_ group: String, _ resources: [String], _ verbs: [String], names: [String] = []) {
            groups = [group]
            self.resources = resources
            self.verbs = verbs
            self.names = names
        }

        /// As in a Role's `rules`.
        package var json: JSON {
            var members: [String: JSON] = [
                "apiGroups": JSON(groups), "resources": JSON(resources), "verbs": JSON(verbs),
            ]
            if !names.isEmpty { members["resourceNames"] = JSON(names) }
            return .object(members)
        }
    }

    /// Name with `{EXT}` standing for the extension's name.
    package var nameTemplate: String
    package var workload: Workload
    package var origin: Origin
    /// On the embedded cluster.
    package var availability: Availability
    /// On real clusters, where it differs.
    package var realAvailability: Availability? = nil
    /// The condition under which it is installed, in words.
    package var condition: String
    package var isEnabled: @Sendable (ExtensionSettings, ClusterFacts) -> Bool
    package var work: String
    package var resources: Resources
    /// Of upstream's program, where it takes our program's place.
    package var upstreamResources: Resources? = nil
    package var ports: [Port] = []
    package var services: [Service] = []
    /// In every namespace.
    package var clusterRules: [Rule] = []
    /// In namespace `azureml`.
    package var namespaceRules: [Rule] = []
    package var podLabels: [String: String] = [:]
    /// Talks to the cluster's API and so gets a token for it.
    package var usesAPI = true
    /// One pod when nothing else is said.
    package var replicas: @Sendable (ExtensionSettings, ClusterFacts) -> Int = { _, _ in 1 }

    package func name(extensionName: String) -> String { nameTemplate.replacing("{EXT}", with: extensionName) }

    package var isImplemented: Bool { availability == .implemented }

    package func availability(_ source: ThirdPartySource) -> Availability {
        switch source {
        case .standIns: availability
        case .bundles: realAvailability ?? availability
        }
    }
}
