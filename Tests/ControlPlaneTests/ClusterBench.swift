import ControlPlaneAPI
import ControlPlaneClient
import Foundation
import KubeCore

@testable import ControlPlane

/// Clusters as these tests register them.
extension TestInstance {
    func connectedID(_ name: String, group: String = "fleet") -> String {
        connection.clusterID(clusterType: "connectedClusters", resourceGroup: group, clusterName: name)
    }

    func managedID(_ name: String, group: String = "fleet") -> String {
        connection.clusterID(clusterType: "managedClusters", resourceGroup: group, clusterName: name)
    }

    static func connected(_ key: ClusterAgentKey) -> JSON {
        [
            "location": "west", "tags": ["team": "a"],
            "properties": [
                "agentPublicKeyCertificate": .string(key.publicKey), "distribution": "k3s",
                "infrastructure": "azure_stack",
            ],
        ]
    }

    static let kubeconfig = "apiVersion: v1\nusers:\n- name: root\n  user: {token: very-secret-token}\n"
    static let managed: JSON = ["location": "west", "properties": ["kubeconfig": .string(kubeconfig)]]

    /// Runs `body` with a link that dials the control plane, and closes it whatever happens.
    func withLink<T: Sendable>(
        _ cluster: String,
        _ key: ClusterAgentKey,
        url: String? = nil,
        silence: Duration = .seconds(30),
        patience: Duration = .seconds(30),
        rejectedPause: Duration = .seconds(300),
        notice: @escaping @Sendable (RemoteExtensionLink.Event) -> Void = { _ in },
        _ body: (RemoteExtensionLink) async throws -> T
    ) async throws -> T {
        let link = try RemoteExtensionLink(
            .init(
                url: url ?? connection.url,
                cluster: cluster,
                key: key,
                caPEM: pki.caPEM,
                silence: silence,
                patience: patience,
                longestPause: .milliseconds(300),
                rejectedPause: rejectedPause
            ),
            notice: notice
        )
        do {
            let value = try await body(link)
            try await link.shutdown()
            return value
        } catch {
            try? await link.shutdown()
            throw error
        }
    }

    static let heartbeat = ClusterHeartbeat(
        kubernetesVersion: "v1.36.1",
        distribution: "k3s",
        nodeCount: 3,
        agentVersion: "1.2.3"
    )

    /// Stores an extension on a cluster; answers its id.
    @discardableResult
    func install(_ client: ControlPlaneClient, on cluster: String, name: String = "amlext") async throws -> String {
        let id = cluster + "/providers/Microsoft.KubernetesConfiguration/extensions/" + name
        _ = try await client.put(
            id,
            ["properties": ["extensionType": "microsoft.azureml.kubernetes", "configurationSettings": [:]]]
        )
        return id
    }

    /// What an agent says of an extension that is ready.
    static func succeeded(_ wanted: DesiredExtension) -> ExtensionReport {
        ExtensionReport(
            clusterType: wanted.clusterType,
            resourceGroup: wanted.resourceGroup,
            clusterName: wanted.clusterName,
            name: wanted.name,
            generation: wanted.generation,
            provisioningState: "Succeeded"
        )
    }
}
