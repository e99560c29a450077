/// `spec` of an `OnlineEndpoint`: a name, its keys and how its traffic is divided.
package struct OnlineEndpointSpec: Codable, Sendable, Hashable {
    package var workspace: WorkspaceReference
    /// Name of the compute in the workspace.
    package var compute: String
    /// `Key` or `AMLToken`.
    package var authMode: String
    /// Secret in the endpoint's namespace with keys `primaryKey` and `secondaryKey`.
    package var keysSecret: String
    /// Percent per deployment; the sum is 0 or 100.
    package var traffic: [String: Int]?
    package var mirrorTraffic: [String: Int]?
    package var description: String?

    package init(
        workspace: WorkspaceReference,
        compute: String,
        authMode: String = "Key",
        keysSecret: String,
        traffic: [String: Int]? = nil,
        mirrorTraffic: [String: Int]? = nil,
        description: String? = nil
    ) {
        self.workspace = workspace
        self.compute = compute
        self.authMode = authMode
        self.keysSecret = keysSecret
        self.traffic = traffic
        self.mirrorTraffic = mirrorTraffic
        self.description = description
    }
}

/// `status` of an `OnlineEndpoint`, written by the inference operator alone.
package struct OnlineEndpointStatus: Codable, Sendable, Hashable {
    /// `Creating`, `Updating`, `Succeeded`, `Failed`, `Deleting`.
    package var provisioningState: String
    package var reason: String?
    package var message: String?
    /// `http(s)://HOST[:PORT]/api/v1/endpoint/NAME/score`.
    package var scoringUri: String?
    package var swaggerUri: String?
    package var observedGeneration: Int?

    package init(
        provisioningState: String,
        reason: String? = nil,
        message: String? = nil,
        scoringUri: String? = nil,
        swaggerUri: String? = nil,
        observedGeneration: Int? = nil
    ) {
        self.provisioningState = provisioningState
        self.reason = reason
        self.message = message
        self.scoringUri = scoringUri
        self.swaggerUri = swaggerUri
        self.observedGeneration = observedGeneration
    }
}
