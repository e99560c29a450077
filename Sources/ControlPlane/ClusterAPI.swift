package import KubeCore

/// Requests to services of a cluster, through its API server.
package protocol ServiceProxying: Sendable {
    /// Sends one request to a path of the API server, such as
    /// `/api/v1/namespaces/azureml/services/https:gateway:5004/proxy/v1/cluster`.
    ///
    /// The API server uses the `Authorization` header itself. Answers of any status are returned, with the body as it comes;
    /// ending its iteration ends the request.
    /// - Throws: errors of a transport that failed.
    func proxy(
        method: String,
        path: String,
        headers: [String: String],
        body: [UInt8]
    ) async throws -> (status: Int, body: AsyncThrowingStream<[UInt8], any Error>)
}

/// What the control plane uses of a cluster that it reaches directly.
package protocol ClusterAPI: ResourceAPI, ServiceProxying {
    /// Closes all connections; nothing is asked of it afterwards.
    func close() async
}

/// One installable version of the extension.
package struct ExtensionVersion: Codable, Sendable, Hashable {
    package var version: String
    /// `Stable` or `Preview`.
    package var releaseTrain: String
    /// Image of the first-party components; nil = the agent's own.
    package var image: String?

    package init(version: String, releaseTrain: String, image: String? = nil) {
        self.version = version
        self.releaseTrain = releaseTrain
        self.image = image
    }
}

/// The configuration does not say how clusters are opened.
struct ClustersNotOpened: Error, CustomStringConvertible {
    var description: String { "this control plane does not open clusters from a kubeconfig" }
}
