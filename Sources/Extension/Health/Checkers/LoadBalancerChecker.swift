internal import Foundation
internal import KubeCore

/// E40001 and E40003: whether a Service of type LoadBalancer gets an address here, and an internal one.
enum LoadBalancerChecker {
    /// A Service that has waited longer than this for an address will not get one.
    private static let patience = 300.0

    static func run(_ input: HealthInput) throws -> [HealthCheck] {
        var checks: [HealthCheck] = []
        if input.settings.internalLoadBalancerProvider != nil {
            let checked = "an internal load balancer can be had (internalLoadBalancerProvider)"
            if let problem = input.settings.check(input.facts).problems.first(where: {
                $0.code == .internalLoadBalancerNotSupported
            }) {
                checks.append(HealthCheck(problem, status: .failed, checked: checked))
            } else {
                checks.append(.passed("internalLoadBalancerProvider", checked: checked, found: "the cluster is AKS"))
            }
        }
        guard input.settings.enableInference, input.settings.inferenceRouterServiceType == .loadBalancer else {
            return checks
        }
        checks.append(try support(input))
        return checks
    }

    private static func support(_ input: HealthInput) throws -> HealthCheck {
        let checked = "the cluster gives Services of type LoadBalancer an address"
        let fix =
            "Install a load balancer (the cloud provider's, MetalLB, kube-vip), or set inferenceRouterServiceType=nodePort or clusterIP"
        let services = try input.observation.services.get().filter {
            $0["spec", "type"]?.stringValue == "LoadBalancer"
        }
        let served = services.first { !($0["status", "loadBalancer", "ingress"]?.arrayValue ?? []).isEmpty }
        if let served {
            return .passed("loadBalancer", checked: checked, found: "Service \(served.key) has one")
        }
        let waiting = services.first { service in
            guard let created = service.creationTimestamp.flatMap({ Timestamp.seconds($0) }) else { return false }
            return input.now.timeIntervalSince1970 - created > patience
        }
        if let provider = try provider(input) {
            return .passed("loadBalancer", checked: checked, found: provider)
        }
        if let waiting {
            return .failed(
                "loadBalancer",
                .loadBalancerNotSupported,
                checked: checked,
                found:
                    "no load balancer was found, and Service \(waiting.key) has waited for an address for more than \(Int(patience / 60)) minutes",
                fix: fix
            )
        }
        return .warning(
            "loadBalancer",
            .loadBalancerNotSupported,
            checked: checked,
            found: "no load balancer was found; if the router gets no address the installation ends as failed",
            fix: fix
        )
    }

    private static let clouds = [
        "azure", "aws", "gce", "openstack", "digitalocean", "hcloud", "oci", "ibm", "alicloud",
    ]
    private static let images = [
        "metallb": "MetalLB", "kube-vip": "kube-vip", "purelb": "PureLB", "openelb": "OpenELB", "loxilb": "LoxiLB",
        "cloud-controller-manager": "a cloud provider", "cloud-provider": "a cloud provider",
        "klipper-lb": "k3s servicelb",
    ]

    /// Who gives addresses, in words.
    private static func provider(_ input: HealthInput) throws -> String? {
        switch input.facts.distribution {
        case ClusterFacts.embeddedDistribution: return "the embedded cluster's own"
        case "aks": return "Azure's"
        case "eks": return "AWS'"
        case "gke": return "Google Cloud's"
        case "k3s": return "k3s servicelb, unless it was disabled"
        default: break
        }
        for node in try input.observation.nodes.get() {
            let scheme = node["spec", "providerID"]?.stringValue?.split(separator: ":").first.map(String.init) ?? ""
            if clouds.contains(scheme) { return "the cloud provider's (\(scheme))" }
        }
        let programs = try input.observation.deployments.get() + input.observation.daemonSets.get()
        for program in programs {
            let used = PodTemplateImages.of(program)
            for (mark, name) in images.sorted(by: { $0.key < $1.key }) where used.contains(where: { $0.contains(mark) })
            {
                return "\(name) (\(program.key))"
            }
        }
        return nil
    }
}

/// Image names in a workload's template.
enum PodTemplateImages {
    static func of(_ workload: KubeObject) -> [String] {
        let spec = workload["spec", "template", "spec"]
        return ((spec?["initContainers"]?.arrayValue ?? []) + (spec?["containers"]?.arrayValue ?? []))
            .compactMap { $0["image"]?.stringValue }
    }

    /// The tag of an image name; nil without one.
    static func tag(_ image: String) -> String? {
        let name = ImageName(image)
        guard name.suffix.hasPrefix(":") else { return nil }
        return String(name.suffix.dropFirst().prefix { $0 != "@" })
    }
}
