/// Paths inside the pods of jobs and deployments.
package enum RuntimePaths {
    /// Shared folder with our binary, the user's code, inputs and outputs.
    package static let root = "/outrigger"
    package static let binary = "/outrigger/bin/outrigger"
    /// Shared libraries of our binary, under the names it asks for.
    package static let libraries = "/outrigger/lib"
    package static let loader = "/outrigger/lib/ld.so"
    /// Start of every command that runs our binary in a container of another image, which may lack its libraries.
    package static let program = [loader, "--library-path", libraries, binary]
    package static let code = "/outrigger/code"
    package static let inputs = "/outrigger/inputs"
    package static let outputs = "/outrigger/outputs"
    package static let model = "/outrigger/model"
    /// Mounted ConfigMap with `delivery.json`, `ca.pem` and, for jobs, `job.json`.
    package static let configuration = "/outrigger-config"
    /// Mounted Secret with `token`.
    package static let token = "/outrigger-token"
    /// Cache of Python environments, one folder per content hash.
    package static let environments = "/azureml-envs"
}

/// What the init containers fetch, and from where.
///
/// Written by an operator into a ConfigMap, read by `JobRuntime`.
package struct DeliveryManifest: Codable, Sendable, Hashable {
    /// One thing to download.
    package struct Item: Codable, Sendable, Hashable {
        /// Blob URL; ends in `/` for a folder.
        package var uri: String
        /// Absolute path of the file or folder to make.
        package var path: String

        package init(uri: String, path: String) {
            self.uri = uri
            self.path = path
        }
    }

    /// Base URL of the control plane; the bearer token is sent only there.
    package var controlPlaneURL: String
    package var downloads: [Item]

    package init(controlPlaneURL: String, downloads: [Item]) {
        self.controlPlaneURL = controlPlaneURL
        self.downloads = downloads
    }
}
