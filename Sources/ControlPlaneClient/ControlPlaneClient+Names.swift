package import ControlPlaneAPI

/// ARM ids relative to a workspace.
package struct WorkspaceIDs: Sendable {
    package let workspace: String

    /// - Parameters: nil takes the instance's own.
    package init(_ connection: ConnectionInfo, resourceGroup: String? = nil, workspace: String? = nil) {
        self.workspace =
            "/subscriptions/\(connection.subscriptionId)/resourceGroups/\(resourceGroup ?? connection.resourceGroup)"
            + "/providers/Microsoft.MachineLearningServices/workspaces/\(workspace ?? connection.workspace)"
    }

    package func compute(_ name: String) -> String { workspace + "/computes/" + name }
    package func job(_ name: String) -> String { workspace + "/jobs/" + name }
    package func datastore(_ name: String) -> String { workspace + "/datastores/" + name }
    package func endpoint(_ name: String) -> String { workspace + "/onlineEndpoints/" + name }
    package func deployment(_ endpoint: String, _ name: String) -> String {
        self.endpoint(endpoint) + "/deployments/" + name
    }
    /// `kind` is `codes`, `environments`, `data`, `models` or `components`.
    package func asset(_ kind: String, _ name: String) -> String { workspace + "/\(kind)/" + name }
    package func version(_ kind: String, _ name: String, _ version: String) -> String {
        asset(kind, name) + "/versions/" + version
    }
    /// Path of run history.
    package func run(_ name: String) -> String { "/history/v1.0" + workspace + "/runs/" + name }
}
