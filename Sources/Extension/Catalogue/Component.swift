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
        /// Not built yet; enabling it changes nothing and is said so.
        case absent(String)
    }

    package struct Port: Sendable, Hashable {
        package var name: String
        package var containerPort: Int
    }

    package struct ServicePort: Sendable, Hashable {
        package var name: String
        package var port: Int
        package var targetPort: String
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
    }

    /// Name with `{EXT}` standing for the extension's name.
    package var nameTemplate: String
    package var workload: Workload
    package var origin: Origin
    package var availability: Availability
    /// The condition under which it is installed, in words.
    package var condition: String
    package var isEnabled: @Sendable (ExtensionSettings, ClusterFacts) -> Bool
    package var work: String
    package var resources: Resources
    package var ports: [Port] = []
    package var services: [Service] = []
    /// In every namespace.
    package var clusterRules: [Rule] = []
    /// In namespace `azureml`.
    package var namespaceRules: [Rule] = []
    package var podLabels: [String: String] = [:]

    package func name(extensionName: String) -> String { nameTemplate.replacing("{EXT}", with: extensionName) }

    package var isImplemented: Bool { availability == .implemented }
}
