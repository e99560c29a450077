package import KubeCore
internal import KubeRuntime
package import Logging
package import MLTypes
package import ServiceLifecycle

/// The inference operator: turns every `OnlineDeployment` into a Deployment and a Service, judges what becomes of them, and tells
/// every `OnlineEndpoint` where it can be reached.
///
/// Level-triggered and without state of its own: each pass reads the objects and writes what is missing.
package struct InferenceOperator: Sendable {
    package let services: [any Service]

    package init(api: any ResourceAPI, configuration: InferenceOperatorConfiguration, logger: Logger) {
        let endpoints = Informer(api: api, type: MLResources.onlineEndpoints, logger: logger)
        let models = Informer(api: api, type: MLResources.onlineDeployments, logger: logger)
        let instanceTypes = Informer(api: api, type: MLResources.instanceTypes, logger: logger)
        let workloads = Informer(api: api, type: .deployments, labelSelector: MLLabels.deployment, logger: logger)
        let modelServices = Informer(api: api, type: .services, labelSelector: MLLabels.deployment, logger: logger)
        let pods = Informer(api: api, type: .pods, labelSelector: MLLabels.deployment, logger: logger)
        let router = Informer(
            api: api,
            type: .services,
            namespace: configuration.routerService.namespace,
            fieldSelector: "metadata.name=" + configuration.routerService.name,
            logger: logger
        )
        pods.addIndex(OnlineDeploymentReconciler.podsByDeployment) { [OnlineDeploymentReconciler.indexValue($0)] }
        models.addIndex(OnlineEndpointReconciler.deploymentsByEndpoint) { [OnlineEndpointReconciler.indexValue($0)] }
        let events = EventRecorder(api: api, component: "inference-operator", logger: logger)

        let deploymentReconciler = OnlineDeploymentReconciler(
            api: api,
            configuration: configuration,
            endpoints: endpoints,
            models: models,
            instanceTypes: instanceTypes,
            workloads: workloads,
            services: modelServices,
            pods: pods,
            events: events
        )
        let deployments = Controller(name: "onlinedeployment", logger: logger) {
            try await deploymentReconciler.reconcile($0)
        }
        deployments.watch(models)
        deployments.watch(workloads, ownedBy: MLResources.onlineDeployments.kind)
        deployments.watch(modelServices, ownedBy: MLResources.onlineDeployments.kind)
        deployments.watch(pods) { [OnlineDeploymentReconciler.owner(of: $0.object)] }
        deployments.watch(endpoints) { event in
            let name = event.object.name
            return models.list(index: OnlineEndpointReconciler.deploymentsByEndpoint, value: "\(event.object.key)")
                .filter { $0["spec", "endpointName"]?.stringValue == name }.map(\.key)
        }
        deployments.watch(instanceTypes) { _ in models.list().filter { $0["status", "reason"] != nil }.map(\.key) }

        let endpointReconciler = OnlineEndpointReconciler(
            api: api,
            configuration: configuration,
            endpoints: endpoints,
            models: models,
            router: router,
            events: events
        )
        let endpointController = Controller(name: "onlineendpoint", logger: logger) {
            try await endpointReconciler.reconcile($0)
        }
        endpointController.watch(endpoints)
        endpointController.watch(models) { event in
            guard let name = event.object["spec", "endpointName"]?.stringValue else { return [] }
            return [ObjectKey(namespace: event.object.namespace, name: name)]
        }
        endpointController.watch(router) { _ in endpoints.list().map(\.key) }

        services = [
            ControllerManager(
                informers: [endpoints, models, instanceTypes, workloads, modelServices, pods, router],
                controllers: [deployments, endpointController]
            )
        ]
    }
}

/// Settings of the operator, the same for all endpoints of the cluster.
package struct InferenceOperatorConfiguration: Sendable {
    package var cluster: DeliveryPlan.Cluster
    /// The router's Service, whose address makes the scoring URIs.
    package var routerService: ObjectKey
    /// `http` or `https`; nil = https when the router's Service has port 443 and not port 80.
    package var scoringScheme: String?
    /// Host of the scoring URIs instead of the Service's address: the name that a certificate is for.
    package var scoringHost: String?
    /// Added to the node selector of model pods.
    package var nodeSelector: [String: String]
    /// Added to the tolerations of model pods.
    package var tolerations: [JSON]
    /// Reads the last lines of a container's log, for messages; nil = only what the container's status holds.
    package var readLog: (@Sendable (_ pod: ObjectKey, _ container: String, _ previous: Bool) async throws -> String)?

    package init(
        cluster: DeliveryPlan.Cluster,
        routerService: ObjectKey = ObjectKey(namespace: "azureml", name: "azureml-fe"),
        scoringScheme: String? = nil,
        scoringHost: String? = nil,
        nodeSelector: [String: String] = [:],
        tolerations: [JSON] = [],
        readLog: (@Sendable (_ pod: ObjectKey, _ container: String, _ previous: Bool) async throws -> String)? = nil
    ) {
        self.cluster = cluster
        self.routerService = routerService
        self.scoringScheme = scoringScheme
        self.scoringHost = scoringHost
        self.nodeSelector = nodeSelector
        self.tolerations = tolerations
        self.readLog = readLog
    }
}

/// Error names that clients of the reference system know.
package enum InferenceReason {
    package static let badArgument = "BadArgument"
    package static let crashLoop = "DeploymentCrashLoopBackOff"
    package static let dataDelivery = "DataDeliveryFailed"
    package static let endpointNotFound = "EndpointNotFound"
    package static let environment = "EnvironmentFailed"
    package static let imagePull = "ImagePullLoopBackOff"
    package static let invalidSpec = "InvalidDeploymentSpec"
    package static let outOfMemory = "PodOutOfMemory"
    package static let resourceNotReady = "ResourceNotReady"
    package static let routerUnhealthy = "ScoringFeUnhealthy"
    package static let scriptFunctionNotFound = "UserScriptFunctionNotFound"
    package static let scriptImport = "UserScriptImportError"
    package static let scriptInit = "UserScriptInitFailed"
    package static let unschedulable = "PodUnschedulable"
}
