/// `spec` of an `OnlineDeployment`: one version of a model behind an endpoint.
package struct OnlineDeploymentSpec: Codable, Sendable, Hashable {
    package struct Model: Codable, Sendable, Hashable {
        package var name: String
        package var version: String
        /// `custom_model`, `mlflow_model`, `triton_model`.
        package var type: String
        /// Blob URL of the model's file, or of its folder ending in `/`.
        package var uri: String
        /// Where a custom container sees it; nil = below AZUREML_MODEL_DIR.
        package var mountPath: String?

        package init(name: String, version: String, type: String, uri: String, mountPath: String? = nil) {
            self.name = name
            self.version = version
            self.type = type
            self.uri = uri
            self.mountPath = mountPath
        }
    }

    package struct Code: Codable, Sendable, Hashable {
        /// Blob URL of the folder, ending in `/`.
        package var uri: String
        /// Path below that folder.
        package var scoringScript: String

        package init(uri: String, scoringScript: String) {
            self.uri = uri
            self.scoringScript = scoringScript
        }
    }

    /// Route of a custom container.
    package struct Route: Codable, Sendable, Hashable {
        package var port: Int
        package var path: String

        package init(port: Int, path: String) {
            self.port = port
            self.path = path
        }
    }

    package struct InferenceConfig: Codable, Sendable, Hashable {
        package var scoringRoute: Route
        package var livenessRoute: Route
        package var readinessRoute: Route

        package init(scoringRoute: Route, livenessRoute: Route, readinessRoute: Route) {
            self.scoringRoute = scoringRoute
            self.livenessRoute = livenessRoute
            self.readinessRoute = readinessRoute
        }
    }

    /// Milliseconds throughout.
    package struct RequestSettings: Codable, Sendable, Hashable {
        package var requestTimeoutMs: Int
        package var maxQueueWaitMs: Int
        package var maxConcurrentRequestsPerInstance: Int

        package init(
            requestTimeoutMs: Int = 5000,
            maxQueueWaitMs: Int = 500,
            maxConcurrentRequestsPerInstance: Int = 1
        ) {
            self.requestTimeoutMs = requestTimeoutMs
            self.maxQueueWaitMs = maxQueueWaitMs
            self.maxConcurrentRequestsPerInstance = maxConcurrentRequestsPerInstance
        }
    }

    /// Seconds throughout.
    package struct Probe: Codable, Sendable, Hashable {
        package var initialDelay: Int
        package var period: Int
        package var timeout: Int
        package var successThreshold: Int
        package var failureThreshold: Int

        package init(
            initialDelay: Int = 10,
            period: Int = 10,
            timeout: Int = 2,
            successThreshold: Int = 1,
            failureThreshold: Int = 30
        ) {
            self.initialDelay = initialDelay
            self.period = period
            self.timeout = timeout
            self.successThreshold = successThreshold
            self.failureThreshold = failureThreshold
        }
    }

    package struct ScaleSettings: Codable, Sendable, Hashable {
        /// `Default` or `TargetUtilization`.
        package var type: String
        package var minInstances: Int?
        package var maxInstances: Int?
        package var pollingIntervalSeconds: Int?
        package var targetUtilizationPercentage: Int?

        package init(
            type: String,
            minInstances: Int? = nil,
            maxInstances: Int? = nil,
            pollingIntervalSeconds: Int? = nil,
            targetUtilizationPercentage: Int? = nil
        ) {
            self.type = type
            self.minInstances = minInstances
            self.maxInstances = maxInstances
            self.pollingIntervalSeconds = pollingIntervalSeconds
            self.targetUtilizationPercentage = targetUtilizationPercentage
        }
    }

    package var endpointName: String
    /// Name within the endpoint; the object's name is `ENDPOINT-NAME`.
    package var deploymentName: String
    package var workspace: WorkspaceReference
    package var model: Model?
    package var code: Code?
    package var environment: EnvironmentSpec
    package var inferenceConfig: InferenceConfig?
    package var environmentVariables: [String: String]?
    package var instanceType: String?
    /// Replicas; 1 when nil.
    package var instanceCount: Int?
    package var resources: ComputeResources?
    package var requestSettings: RequestSettings?
    package var livenessProbe: Probe?
    package var readinessProbe: Probe?
    package var scaleSettings: ScaleSettings?
    package var isAppInsightsEnabled: Bool?
    package var controlPlane: ControlPlaneReference

    package init(
        endpointName: String,
        deploymentName: String,
        workspace: WorkspaceReference,
        model: Model? = nil,
        code: Code? = nil,
        environment: EnvironmentSpec,
        inferenceConfig: InferenceConfig? = nil,
        environmentVariables: [String: String]? = nil,
        instanceType: String? = nil,
        instanceCount: Int? = nil,
        resources: ComputeResources? = nil,
        requestSettings: RequestSettings? = nil,
        livenessProbe: Probe? = nil,
        readinessProbe: Probe? = nil,
        scaleSettings: ScaleSettings? = nil,
        isAppInsightsEnabled: Bool? = nil,
        controlPlane: ControlPlaneReference
    ) {
        self.endpointName = endpointName
        self.deploymentName = deploymentName
        self.workspace = workspace
        self.model = model
        self.code = code
        self.environment = environment
        self.inferenceConfig = inferenceConfig
        self.environmentVariables = environmentVariables
        self.instanceType = instanceType
        self.instanceCount = instanceCount
        self.resources = resources
        self.requestSettings = requestSettings
        self.livenessProbe = livenessProbe
        self.readinessProbe = readinessProbe
        self.scaleSettings = scaleSettings
        self.isAppInsightsEnabled = isAppInsightsEnabled
        self.controlPlane = controlPlane
    }

    /// Name of the `OnlineDeployment`, its Deployment and its Service.
    package static func objectName(endpoint: String, deployment: String) -> String { endpoint + "-" + deployment }
}

/// `status` of an `OnlineDeployment`, written by the inference operator alone.
package struct OnlineDeploymentStatus: Codable, Sendable, Hashable {
    /// `Creating`, `Updating`, `Succeeded`, `Failed`, `Deleting`.
    package var provisioningState: String
    /// Error name of the reference system, such as `UserScriptInitFailed`.
    package var reason: String?
    package var message: String?
    package var logTail: String?
    package var replicas: Int?
    package var readyReplicas: Int?
    package var notes: [String]?
    package var observedGeneration: Int?

    package init(
        provisioningState: String,
        reason: String? = nil,
        message: String? = nil,
        logTail: String? = nil,
        replicas: Int? = nil,
        readyReplicas: Int? = nil,
        notes: [String]? = nil,
        observedGeneration: Int? = nil
    ) {
        self.provisioningState = provisioningState
        self.reason = reason
        self.message = message
        self.logTail = logTail
        self.replicas = replicas
        self.readyReplicas = readyReplicas
        self.notes = notes
        self.observedGeneration = observedGeneration
    }
}
