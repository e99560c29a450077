package import KubeCore
package import MLTypes

/// Decides the status of an `OnlineEndpoint`: is its traffic sound, and where can it be reached.
///
/// Pure.
package struct OnlineEndpointPlan: Sendable {
    package var object: KubeObject
    package var spec: OnlineEndpointSpec
    /// Names of the deployments that exist.
    package var deployments: Set<String>
    /// The router's Service.
    package var router: KubeObject?
    /// Address of a node, for routers of type NodePort.
    package var nodeAddress: String?
    package var hasKeys: Bool
    package var configuration: InferenceOperatorConfiguration
    /// Seconds since 1970.
    package var now: Double

    package init(
        object: KubeObject,
        spec: OnlineEndpointSpec,
        deployments: Set<String>,
        router: KubeObject?,
        nodeAddress: String?,
        hasKeys: Bool,
        configuration: InferenceOperatorConfiguration,
        now: Double
    ) {
        self.object = object
        self.spec = spec
        self.deployments = deployments
        self.router = router
        self.nodeAddress = nodeAddress
        self.hasKeys = hasKeys
        self.configuration = configuration
        self.now = now
    }

    /// Seconds that the router and the keys may take to appear before that counts as a failure.
    static let grace = 60.0

    /// Whether time alone may change the status.
    func needsRecheck(_ status: OnlineEndpointStatus) -> Bool {
        status.provisioningState != "Succeeded" && status.reason != InferenceReason.badArgument
    }

    package var status: OnlineEndpointStatus {
        var status = judge()
        status.observedGeneration = object.generation
        if let base = baseURL {
            status.scoringUri = base + "/api/v1/endpoint/" + object.name + "/score"
            status.swaggerUri = base + "/api/v1/endpoint/" + object.name + "/swagger.json"
        }
        return status
    }

    private func judge() -> OnlineEndpointStatus {
        let problems = trafficProblems
        guard problems.isEmpty else {
            return OnlineEndpointStatus(
                provisioningState: "Failed",
                reason: InferenceReason.badArgument,
                message: problems.joined(separator: "; ")
            )
        }
        let created = object.creationTimestamp.flatMap { Timestamp.seconds($0) } ?? now
        let isPatient = now - created < OnlineEndpointPlan.grace
        if spec.authMode != "AMLToken" && !hasKeys {
            return OnlineEndpointStatus(
                provisioningState: isPatient ? "Creating" : "Failed",
                reason: InferenceReason.resourceNotReady,
                message: "Secret \"\(spec.keysSecret)\" with the endpoint's keys does not exist"
            )
        }
        guard baseURL != nil else {
            let service = configuration.routerService
            let message =
                router == nil
                ? "the router's Service \"\(service)\" does not exist; install the extension with enableInference=True"
                : "the router's Service \"\(service)\" has no address yet; look at its load balancer, or use "
                    + "inferenceRouterServiceType=NodePort"
            return OnlineEndpointStatus(
                provisioningState: isPatient ? "Creating" : "Failed",
                reason: InferenceReason.routerUnhealthy,
                message: message
            )
        }
        return OnlineEndpointStatus(provisioningState: "Succeeded")
    }

    /// The rules of `traffic`: known deployments, whole percentages, sum 0 or 100.
    var trafficProblems: [String] {
        let traffic = spec.traffic ?? [:]
        var problems: [String] = []
        for (name, percent) in traffic.sorted(by: { $0.key < $1.key }) {
            if !(0...100).contains(percent) {
                problems.append("traffic.\(name) is \(percent); give a percentage from 0 to 100")
            }
            if percent > 0 && !deployments.contains(name) {
                problems.append(
                    "traffic names deployment \"\(name)\", which endpoint \"\(object.name)\" does not have (deployments: "
                        + "\(deployments.isEmpty ? "none" : deployments.sorted().joined(separator: ", ")))"
                )
            }
        }
        let sum = traffic.values.reduce(0, +)
        if sum != 0 && sum != 100 {
            problems.append("the percentages of traffic sum to \(sum); they must sum to 0 or 100")
        }
        return problems
    }

    // MARK: Address

    private var ports: [JSON] { router?["spec", "ports"]?.arrayValue ?? [] }

    private var scheme: String {
        if let scheme = configuration.scoringScheme { return scheme }
        let numbers = ports.compactMap { $0["port"]?.intValue }
        return numbers.contains(443) && !numbers.contains(80) ? "https" : "http"
    }

    /// `http(s)://HOST[:PORT]`; nil while the router has no address.
    var baseURL: String? {
        guard let router else { return nil }
        let wanted = scheme == "https" ? 443 : 80
        let entry =
            ports.first { $0["port"]?.intValue == wanted } ?? ports.first { $0["name"]?.stringValue == scheme }
            ?? ports.first
        guard let entry else { return nil }
        var port = entry["port"]?.intValue ?? wanted
        let address: String?
        switch router["spec", "type"]?.stringValue {
        case "LoadBalancer":
            let ingress = router["status", "loadBalancer", "ingress"]?[0]
            address = ingress?["hostname"]?.stringValue ?? ingress?["ip"]?.stringValue
        case "NodePort":
            address = nodeAddress
            guard let nodePort = entry["nodePort"]?.intValue else { return nil }
            port = nodePort
        default:
            let ip = router["spec", "clusterIP"]?.stringValue
            address = ip == "None" || ip == "" ? nil : ip
        }
        guard var host = configuration.scoringHost ?? address else { return nil }
        if host.contains(":") && !host.hasPrefix("[") { host = "[" + host + "]" }
        let isDefault = port == wanted
        return isDefault ? "\(scheme)://\(host)" : "\(scheme)://\(host):\(port)"
    }
}
