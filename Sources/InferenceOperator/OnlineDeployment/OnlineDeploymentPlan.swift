internal import Crypto
package import KubeCore
package import MLTypes

/// The objects an `OnlineDeployment` becomes: a ConfigMap for the init containers, a Deployment and a Service.
///
/// Pure.
package struct OnlineDeploymentPlan: Sendable {
    package static let fieldManager = "inference-operator"
    /// Annotation of the Deployment and label of its pods: which content they were made from.
    package static let hashKey = "outrigger.ml/content-hash"

    package let configMap: KubeObject
    package let deployment: KubeObject
    package let service: KubeObject
    /// 16 hex digits over everything that pods are made from.
    package let contentHash: String

    package init(
        object: KubeObject,
        spec: OnlineDeploymentSpec,
        compute: String?,
        instanceType: InstanceTypeSpec,
        configuration: InferenceOperatorConfiguration
    ) throws {
        let delivery = DeliveryPlan(
            cluster: configuration.cluster,
            environment: spec.environment,
            manifest: DeliveryManifest(
                controlPlaneURL: spec.controlPlane.url,
                downloads: ScoringContainer.downloads(spec)
            ),
            caPEM: spec.controlPlane.caPEM,
            tokenSecret: spec.controlPlane.tokenSecret,
            configMapName: object.name + "-runtime"
        )
        // Names may be longer than a label's value may be; the object's own labels hold them in a form that fits.
        var labels = [
            MLLabels.endpoint: spec.endpointName, MLLabels.deployment: spec.deploymentName,
            MLLabels.workspace: object.labels[MLLabels.workspace] ?? spec.workspace.name,
            MLLabels.managedBy: "outrigger",
        ]
        if let compute { labels[MLLabels.compute] = object.labels[MLLabels.compute] ?? compute }
        let selector = [MLLabels.endpoint: spec.endpointName, MLLabels.deployment: spec.deploymentName]
        let data = try delivery.configMapData()
        let container = ScoringContainer(spec: spec, delivery: delivery, instanceType: instanceType)
        let podSpec = OnlineDeploymentPlan.podSpec(
            spec,
            tolerations: OnlineDeploymentPlan.tolerations(object, spec, compute),
            delivery: delivery,
            container: container,
            instanceType: instanceType,
            configuration: configuration
        )
        contentHash = OnlineDeploymentPlan.hash(podSpec, JSON(data))

        var podLabels = labels
        podLabels[OnlineDeploymentPlan.hashKey] = contentHash
        let template: JSON = ["metadata": ["labels": JSON(podLabels)], "spec": podSpec]
        let replicas = spec.instanceCount ?? spec.scaleSettings?.minInstances ?? 1
        let workload: JSON = [
            "replicas": JSON(replicas), "revisionHistoryLimit": 2, "progressDeadlineSeconds": 600,
            "selector": ["matchLabels": JSON(selector)],
            // A new instance is ready before an old one goes.
            "strategy": ["type": "RollingUpdate", "rollingUpdate": ["maxSurge": 1, "maxUnavailable": 0]],
            "template": template,
        ]
        let service: JSON = [
            "type": "ClusterIP", "selector": JSON(selector),
            "ports": [["name": "http", "port": 80, "targetPort": JSON(container.port), "protocol": "TCP"]],
        ]
        func child(_ type: ResourceType, name: String, _ body: [String: JSON]) -> KubeObject {
            var child = KubeObject(type, namespace: object.namespace, name: name, labels: labels, body: body)
            child.ownerReferences = [object.controllerReference()]
            return child
        }
        configMap = child(.configMaps, name: delivery.configMapName, ["data": JSON(data)])
        self.service = child(.services, name: object.name, ["spec": service])
        var deployment = child(.deployments, name: object.name, ["spec": workload])
        deployment.annotations = [
            OnlineDeploymentPlan.hashKey: OnlineDeploymentPlan.hash(workload, service, JSON(data), JSON(labels))
        ]
        self.deployment = deployment
    }

    /// True when the live objects were written from this plan.
    package func isApplied(to live: KubeObject?, service: KubeObject?) -> Bool {
        guard let live, service != nil else { return false }
        return live.annotations[OnlineDeploymentPlan.hashKey] == deployment.annotations[OnlineDeploymentPlan.hashKey]
    }

    private static func podSpec(
        _ spec: OnlineDeploymentSpec,
        tolerations: [JSON],
        delivery: DeliveryPlan,
        container: ScoringContainer,
        instanceType: InstanceTypeSpec,
        configuration: InferenceOperatorConfiguration
    ) -> JSON {
        // Requests under way may take their full time after the pause that lets routers notice.
        let timeout = (spec.requestSettings?.requestTimeoutMs ?? 5000) / 1000 + 1
        var pod: [String: JSON] = [
            "restartPolicy": "Always", "automountServiceAccountToken": false, "enableServiceLinks": false,
            "terminationGracePeriodSeconds": JSON(max(30, timeout + 15)),
            "initContainers": .array(delivery.initContainers), "containers": [container.json],
            "volumes": .array(delivery.volumes),
            "tolerations": .array(tolerations + configuration.tolerations),
        ]
        let selector = configuration.nodeSelector.merging(instanceType.nodeSelector ?? [:]) { $1 }
        if !selector.isEmpty { pod["nodeSelector"] = JSON(selector) }
        if let secrets = delivery.imagePullSecrets { pod["imagePullSecrets"] = secrets }
        return .object(pod)
    }

    /// Taints that the reference system lets workloads pass.
    ///
    /// Source: reference-kubernetes.
    private static func tolerations(
        _ object: KubeObject,
        _ spec: OnlineDeploymentSpec,
        _ compute: String?
    ) -> [JSON] {
        var pairs = [
            ("ml.azure.com/amlarc", "true"), ("ml.azure.com/amlarc-workload", "true"),
            (MLLabels.resourceGroup, object.labels[MLLabels.resourceGroup] ?? spec.workspace.resourceGroup),
            (MLLabels.workspace, object.labels[MLLabels.workspace] ?? spec.workspace.name),
        ]
        if let compute { pairs.append((MLLabels.compute, object.labels[MLLabels.compute] ?? compute)) }
        return pairs.map { ["key": .string($0.0), "operator": "Equal", "value": .string($0.1)] }
    }

    private static func hash(_ values: JSON...) -> String {
        var hash = SHA256()
        for value in values { hash.update(data: value.bytes) }
        return hash.finalize().prefix(8).map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }
}
