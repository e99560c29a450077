/// How pods of a job or deployment reach the control plane.
package struct ControlPlaneReference: Codable, Sendable, Hashable {
    /// Base URL as seen from pods, no trailing slash.
    package var url: String
    /// PEM of the CA that signed its certificate.
    package var caPEM: String
    /// Secret in the object's namespace; key `token` holds a bearer token for this run or deployment only.
    package var tokenSecret: String

    package init(url: String, caPEM: String, tokenSecret: String) {
        self.url = url
        self.caPEM = caPEM
        self.tokenSecret = tokenSecret
    }
}

/// The workspace that an object belongs to.
package struct WorkspaceReference: Codable, Sendable, Hashable {
    package var subscriptionId: String
    package var resourceGroup: String
    package var name: String

    package init(subscriptionId: String, resourceGroup: String, name: String) {
        self.subscriptionId = subscriptionId
        self.resourceGroup = resourceGroup
        self.name = name
    }

    /// `/subscriptions/…/workspaces/NAME`.
    package var armID: String {
        "/subscriptions/\(subscriptionId)/resourceGroups/\(resourceGroup)"
            + "/providers/Microsoft.MachineLearningServices/workspaces/\(name)"
    }
}

/// The software a container runs with: an image, and optionally Python packages on top of it.
package struct EnvironmentSpec: Codable, Sendable, Hashable {
    /// `NAME:VERSION` for messages; nil for anonymous ones.
    package var name: String?
    package var image: String
    /// Text of a conda environment file; its `pip` requirements are installed into a virtual environment.
    package var condaFile: String?

    package init(name: String? = nil, image: String, condaFile: String? = nil) {
        self.name = name
        self.image = image
        self.condaFile = condaFile
    }
}

/// CPU, memory and devices of one instance, as Kubernetes quantities.
package struct ComputeResources: Codable, Sendable, Hashable {
    package var requests: [String: String]?
    package var limits: [String: String]?

    package init(requests: [String: String]? = nil, limits: [String: String]? = nil) {
        self.requests = requests
        self.limits = limits
    }
}
