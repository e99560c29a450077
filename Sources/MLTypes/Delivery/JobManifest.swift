/// What the execution wrapper in a training pod runs and uploads.
///
/// Written by the training operator into a ConfigMap.
package struct JobManifest: Codable, Sendable, Hashable {
    /// A result folder or file that is uploaded when the command has ended.
    package struct Output: Codable, Sendable, Hashable {
        package var name: String
        /// Absolute path in the pod.
        package var path: String
        /// Blob URL; ends in `/` for a folder.
        package var uri: String

        package init(name: String, path: String, uri: String) {
            self.name = name
            self.path = path
            self.uri = uri
        }
    }

    /// How the processes of a distributed job find each other.
    package struct Launch: Codable, Sendable, Hashable {
        /// `PyTorch`, `Mpi`, `TensorFlow`; nil = a single plain process.
        package var type: String?
        package var instanceCount: Int
        package var processCountPerInstance: Int
        /// Host names of all instances, in rank order.
        package var hosts: [String]

        package init(type: String?, instanceCount: Int, processCountPerInstance: Int, hosts: [String]) {
            self.type = type
            self.instanceCount = instanceCount
            self.processCountPerInstance = processCountPerInstance
            self.hosts = hosts
        }
    }

    package var runID: String
    /// Shell text without expressions.
    package var command: String
    package var workingDirectory: String
    package var environment: [String: String]
    package var outputs: [Output]
    /// Blob URL of the run's folder, ending in `/`.
    package var artifactsURI: String
    package var controlPlaneURL: String
    package var launch: Launch

    package init(
        runID: String,
        command: String,
        workingDirectory: String,
        environment: [String: String],
        outputs: [Output],
        artifactsURI: String,
        controlPlaneURL: String,
        launch: Launch
    ) {
        self.runID = runID
        self.command = command
        self.workingDirectory = workingDirectory
        self.environment = environment
        self.outputs = outputs
        self.artifactsURI = artifactsURI
        self.controlPlaneURL = controlPlaneURL
        self.launch = launch
    }
}

/// What the wrapper leaves as the container's termination message.
package struct TerminationReport: Codable, Sendable, Hashable {
    package var exitCode: Int
    /// What went wrong besides the command itself, such as an upload that failed.
    package var message: String?
    /// Last lines of the output of the process that failed; at most 3 KiB.
    package var logTail: String?

    package init(exitCode: Int, message: String? = nil, logTail: String? = nil) {
        self.exitCode = exitCode
        self.message = message
        self.logTail = logTail
    }
}
