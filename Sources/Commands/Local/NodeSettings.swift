internal import Foundation
internal import NodeAgent

/// How an instance's node agents are set up.
enum NodeSettings {
    static func configuration(layout: InstanceLayout, record: InstanceRecord, node: String) -> NodeAgentConfiguration {
        var configuration = NodeAgentConfiguration(
            dataDirectory: layout.root,
            instanceName: record.network.id,
            nodeName: node,
            hostIP: "\(record.network.gateway)"
        )
        configuration.kubernetesServiceHost = "\(record.network.firstServiceAddress)"
        configuration.kubernetesServicePort = 443
        configuration.clusterDNS = "\(record.network.gateway)"
        configuration.capacityFraction = 1 / Double(max(1, record.nodes.count))
        if let runc = HostCheck.find("runc") { configuration.runcPath = runc }
        return configuration
    }
}
