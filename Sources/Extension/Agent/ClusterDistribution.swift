package import KubeCore

/// What kind of Kubernetes a cluster is, read from its nodes.
package enum ClusterDistribution {
    /// Nothing tells what it is.
    package static let generic = "generic"

    /// `outrigger`, `aks`, `openshift`, `k3s`, `rke2`, `kind`, `minikube`, `eks`, `gke`, `microk8s` or `generic`.
    ///
    /// `version`: of the API server, when known.
    package static func detect(nodes: [KubeObject], version: String = "") -> String {
        for (name, isOne) in rules where nodes.contains(where: isOne) { return name }
        let versions = [version] + nodes.compactMap { $0["status", "nodeInfo", "kubeletVersion"]?.stringValue }
        for (mark, name) in [
            ("+outrigger", "outrigger"), ("+k3s", "k3s"), ("+rke2", "rke2"), ("-eks-", "eks"), ("-gke.", "gke"),
        ] where versions.contains(where: { $0.contains(mark) }) {
            return name
        }
        return generic
    }

    /// The newest version that a node's kubelet names; nil without nodes.
    package static func kubernetesVersion(nodes: [KubeObject]) -> String? {
        nodes.compactMap { $0["status", "nodeInfo", "kubeletVersion"]?.stringValue }.filter { !$0.isEmpty }
            .max { (KubernetesVersion($0) ?? .zero) < (KubernetesVersion($1) ?? .zero) }
    }

    private static let rules: [(String, @Sendable (KubeObject) -> Bool)] = [
        ("outrigger", { runtime($0).hasPrefix("outrigger://") }),
        ("aks", { hasLabel($0, "kubernetes.azure.com/cluster") || provider($0).hasPrefix("azure://") }),
        ("openshift", { hasLabel($0, "node.openshift.io/os_id") }),
        (
            "eks",
            { node in
                node.labels.keys.contains { $0.hasPrefix("eks.amazonaws.com/") } || provider(node).hasPrefix("aws://")
            }
        ),
        ("gke", { hasLabel($0, "cloud.google.com/gke-nodepool") || provider($0).hasPrefix("gce://") }),
        ("k3s", { provider($0).hasPrefix("k3s://") || $0.labels["node.kubernetes.io/instance-type"] == "k3s" }),
        ("rke2", { $0.labels["node.kubernetes.io/instance-type"] == "rke2" }),
        ("kind", { provider($0).hasPrefix("kind://") }),
        ("minikube", { hasLabel($0, "minikube.k8s.io/name") }),
        ("microk8s", { hasLabel($0, "microk8s.io/cluster") }),
    ]

    private static func hasLabel(_ node: KubeObject, _ label: String) -> Bool { node.labels[label] != nil }
    private static func provider(_ node: KubeObject) -> String { node["spec", "providerID"]?.stringValue ?? "" }
    private static func runtime(_ node: KubeObject) -> String {
        node["status", "nodeInfo", "containerRuntimeVersion"]?.stringValue ?? ""
    }
}

/// Major and minor of a Kubernetes version such as `v1.36.1-gke.3`.
package struct KubernetesVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    package var major: Int
    package var minor: Int

    static let zero = KubernetesVersion(major: 0, minor: 0)

    init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// nil for what is no version.
    package init?(_ text: String) {
        let parts = text.drop { $0 == "v" }.split(separator: ".", maxSplits: 2)
        guard parts.count >= 2, let major = Int(parts[0]), let minor = Int(parts[1].prefix { $0.isNumber }) else {
            return nil
        }
        self.init(major: major, minor: minor)
    }

    package var description: String { "\(major).\(minor)" }

    package static func < (left: KubernetesVersion, right: KubernetesVersion) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }
}
