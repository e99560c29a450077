/// `spec` of an `AmlJob`: one run of a command, on one or more pods started together.
package struct AmlJobSpec: Codable, Sendable, Hashable {
    /// One input of a job.
    package struct Input: Codable, Sendable, Hashable {
        /// `literal`, `uri_file`, `uri_folder`, `mltable`, `custom_model`, `mlflow_model`, `triton_model`.
        package var type: String
        /// Literal value.
        package var value: String?
        /// Blob URL on the control plane (folder URIs end in `/`), or any http(s) URL for files.
        package var uri: String?
        /// `ro_mount`, `download` or `direct`.
        package var mode: String?

        package init(type: String, value: String? = nil, uri: String? = nil, mode: String? = nil) {
            self.type = type
            self.value = value
            self.uri = uri
            self.mode = mode
        }
    }

    /// One output of a job, uploaded to `uri`.
    package struct Output: Codable, Sendable, Hashable {
        package var type: String
        /// `rw_mount`, `upload` or `direct`.
        package var mode: String?
        /// Blob URL of the folder (or file) to upload to.
        package var uri: String

        package init(type: String, mode: String? = nil, uri: String) {
            self.type = type
            self.mode = mode
            self.uri = uri
        }
    }

    package struct Distribution: Codable, Sendable, Hashable {
        /// `PyTorch`, `Mpi`, `TensorFlow` or `Ray`.
        package var type: String
        package var processCountPerInstance: Int?
        package var workerCount: Int?
        package var parameterServerCount: Int?

        package init(
            type: String,
            processCountPerInstance: Int? = nil,
            workerCount: Int? = nil,
            parameterServerCount: Int? = nil
        ) {
            self.type = type
            self.processCountPerInstance = processCountPerInstance
            self.workerCount = workerCount
            self.parameterServerCount = parameterServerCount
        }
    }

    /// Run id; also the job's name in the workspace.
    package var jobId: String
    package var displayName: String?
    package var experimentName: String
    package var experimentId: String?
    package var workspace: WorkspaceReference
    /// Name of the compute in the workspace.
    package var compute: String
    /// Shell text; `${{inputs.x}}` and `${{outputs.x}}` are still in it.
    package var command: String
    /// Blob URL of the code folder, ending in `/`.
    package var codeURI: String?
    package var environment: EnvironmentSpec
    package var environmentVariables: [String: String]?
    package var inputs: [String: Input]?
    package var outputs: [String: Output]?
    /// Pods; 1 when nil.
    package var instanceCount: Int?
    /// Name of an `InstanceType`; `defaultinstancetype` when nil.
    package var instanceType: String?
    /// Size of /dev/shm; `2g` when nil.
    package var shmSize: String?
    package var distribution: Distribution?
    /// Seconds from the first start of the pods.
    package var timeoutSeconds: Int?
    /// Set to end the job.
    package var isCancelRequested: Bool?
    package var controlPlane: ControlPlaneReference
    /// Blob URL of the folder that receives `user_logs/`, `outputs/` and `logs/`, ending in `/`.
    package var artifactsURI: String
    /// Value for MLFLOW_TRACKING_URI inside the pods.
    package var trackingURI: String

    package init(
        jobId: String,
        displayName: String? = nil,
        experimentName: String,
        experimentId: String? = nil,
        workspace: WorkspaceReference,
        compute: String,
        command: String,
        codeURI: String? = nil,
        environment: EnvironmentSpec,
        environmentVariables: [String: String]? = nil,
        inputs: [String: Input]? = nil,
        outputs: [String: Output]? = nil,
        instanceCount: Int? = nil,
        instanceType: String? = nil,
        shmSize: String? = nil,
        distribution: Distribution? = nil,
        timeoutSeconds: Int? = nil,
        isCancelRequested: Bool? = nil,
        controlPlane: ControlPlaneReference,
        artifactsURI: String,
        trackingURI: String
    ) {
        self.jobId = jobId
        self.displayName = displayName
        self.experimentName = experimentName
        self.experimentId = experimentId
        self.workspace = workspace
        self.compute = compute
        self.command = command
        self.codeURI = codeURI
        self.environment = environment
        self.environmentVariables = environmentVariables
        self.inputs = inputs
        self.outputs = outputs
        self.instanceCount = instanceCount
        self.instanceType = instanceType
        self.shmSize = shmSize
        self.distribution = distribution
        self.timeoutSeconds = timeoutSeconds
        self.isCancelRequested = isCancelRequested
        self.controlPlane = controlPlane
        self.artifactsURI = artifactsURI
        self.trackingURI = trackingURI
    }
}

/// `status` of an `AmlJob`, written by the training operator alone.
package struct AmlJobStatus: Codable, Sendable, Hashable {
    /// Azure ML's job states as far as the cluster side decides them.
    package enum Phase: String, Codable, Sendable {
        case queued = "Queued"
        case preparing = "Preparing"
        case running = "Running"
        case finalizing = "Finalizing"
        case completed = "Completed"
        case failed = "Failed"
        case canceled = "Canceled"

        package var isTerminal: Bool { self == .completed || self == .failed || self == .canceled }
    }

    package var phase: Phase
    /// CamelCase word, such as `UserScriptFailed`, `Timeout`, `InvalidInstanceType` or `Unschedulable`.
    package var reason: String?
    /// One sentence: why it waits, or why it failed.
    package var message: String?
    /// Exit code of the user's command when it failed.
    package var exitCode: Int?
    /// Last lines of the failing process's output.
    package var logTail: String?
    /// RFC 3339.
    package var startTime: String?
    package var endTime: String?
    /// What differs from what was asked for, such as a substituted image.
    package var notes: [String]?
    package var observedGeneration: Int?

    package init(
        phase: Phase,
        reason: String? = nil,
        message: String? = nil,
        exitCode: Int? = nil,
        logTail: String? = nil,
        startTime: String? = nil,
        endTime: String? = nil,
        notes: [String]? = nil,
        observedGeneration: Int? = nil
    ) {
        self.phase = phase
        self.reason = reason
        self.message = message
        self.exitCode = exitCode
        self.logTail = logTail
        self.startTime = startTime
        self.endTime = endTime
        self.notes = notes
        self.observedGeneration = observedGeneration
    }
}
