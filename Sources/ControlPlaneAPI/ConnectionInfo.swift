/// `connection.json`: where the control plane of an instance is and how to sign in to it.
package struct ConnectionInfo: Codable, Sendable, Hashable {
    /// `https://127.0.0.1:7443`, without a trailing slash.
    package var url: String
    package var tenant: String
    package var clientId: String
    package var clientSecret: String
    package var subscriptionId: String
    package var resourceGroup: String
    package var workspace: String
    package var cluster: String

    package init(
        url: String,
        tenant: String,
        clientId: String,
        clientSecret: String,
        subscriptionId: String,
        resourceGroup: String,
        workspace: String,
        cluster: String
    ) {
        self.url = url
        self.tenant = tenant
        self.clientId = clientId
        self.clientSecret = clientSecret
        self.subscriptionId = subscriptionId
        self.resourceGroup = resourceGroup
        self.workspace = workspace
        self.cluster = cluster
    }

    /// `/subscriptions/…/resourceGroups/…`.
    package var resourceGroupID: String { "/subscriptions/\(subscriptionId)/resourceGroups/\(resourceGroup)" }

    /// The workspace's ARM id.
    package var workspaceID: String {
        resourceGroupID + "/providers/Microsoft.MachineLearningServices/workspaces/\(workspace)"
    }

    /// ARM id of a cluster; `clusterType` is `connectedClusters` or `managedClusters`.
    package func clusterID(clusterType: String, resourceGroup: String, clusterName: String) -> String {
        let provider =
            clusterType.lowercased() == "managedclusters" ? "Microsoft.ContainerService" : "Microsoft.Kubernetes"
        return "/subscriptions/\(subscriptionId)/resourceGroups/\(resourceGroup)/providers/\(provider)/\(clusterType)/"
            + clusterName
    }
}

// What is logged or dumped must not hold the secret, also not as a member of something else.
extension ConnectionInfo: CustomStringConvertible, CustomDebugStringConvertible {
    package var description: String { "ConnectionInfo(\(url), workspace \(workspace))" }
    package var debugDescription: String { description }
}
