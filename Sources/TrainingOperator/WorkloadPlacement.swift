package import KubeCore

/// Where the extension's settings want user workloads: node labels, and taints that they may pass.
package struct WorkloadPlacement: Sendable, Hashable {
    package var nodeSelector: [String: String]
    package var tolerations: [JSON]

    package init(nodeSelector: [String: String] = [:], tolerations: [JSON] = []) {
        self.nodeSelector = nodeSelector
        self.tolerations = tolerations
    }
}
