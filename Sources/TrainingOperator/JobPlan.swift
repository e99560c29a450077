package import KubeCore
package import MLTypes

/// The objects an `AmlJob` becomes: a ConfigMap for the runtime in its pods, and a Volcano Job.
///
/// Pure.
package struct JobPlan: Sendable {
    package static let fieldManager = "aml-operator"
    /// Container of the user's command.
    package static let containerName = "execution-wrapper"

    package var configMap: KubeObject
    package var volcanoJob: KubeObject

    /// - Throws: `ExpressionError` when the command names an input or output that does not exist; `InstanceTypeError`.
    package init(
        job: KubeObject,
        spec: AmlJobSpec,
        instanceTypes: [KubeObject],
        cluster: DeliveryPlan.Cluster,
        placement: WorkloadPlacement = WorkloadPlacement()
    ) throws {
        let instanceType = try InstanceTypeSpec.resolve(spec.instanceType, among: instanceTypes)
        let bindings = JobBindings(spec)
        let delivery = DeliveryPlan(
            cluster: cluster,
            environment: spec.environment,
            manifest: DeliveryManifest(controlPlaneURL: spec.controlPlane.url, downloads: bindings.downloads),
            caPEM: spec.controlPlane.caPEM,
            tokenSecret: spec.controlPlane.tokenSecret,
            configMapName: job.name + "-runtime"
        )
        let manifest = JobManifest(
            runID: spec.jobId,
            command: try Expressions.resolve(spec.command, inputs: bindings.inputs, outputs: bindings.outputs),
            workingDirectory: RuntimePaths.code,
            environment: JobEnvironment.variables(
                spec,
                bindings: bindings,
                namespace: job.namespace ?? "default",
                environmentPath: delivery.environmentPath
            ),
            outputs: bindings.uploads,
            artifactsURI: spec.artifactsURI,
            controlPlaneURL: spec.controlPlane.url,
            launch: Self.launch(spec, jobName: job.name, namespace: job.namespace ?? "default")
        )

        let labels = Self.labels(job: job, spec: spec)
        var data = try delivery.configMapData()
        data["job.json"] = try JSON(encoding: manifest).text
        var configMap = KubeObject(
            .configMaps,
            namespace: job.namespace,
            name: delivery.configMapName,
            labels: labels,
            body: ["data": JSON(data)]
        )
        configMap.ownerReferences = [job.controllerReference()]
        self.configMap = configMap
        volcanoJob = Self.volcanoJob(
            job: job,
            spec: spec,
            labels: labels,
            delivery: delivery,
            instanceType: instanceType,
            placement: placement
        )
    }

    private static func labels(job: KubeObject, spec: AmlJobSpec) -> [String: String] {
        // Names may be longer than a label's value may be; the job's own labels hold them in a form that fits.
        [
            MLLabels.runID: job.labels[MLLabels.runID] ?? spec.jobId,
            MLLabels.compute: job.labels[MLLabels.compute] ?? spec.compute,
            MLLabels.workspace: job.labels[MLLabels.workspace] ?? spec.workspace.name,
            MLLabels.managedBy: "outrigger",
        ]
    }

    private static func launch(_ spec: AmlJobSpec, jobName: String, namespace: String) -> JobManifest.Launch {
        let count = instanceCount(spec)
        let hosts = (0..<count).map { "\(jobName)-worker-\($0).\(jobName).\(namespace).svc.cluster.local" }
        return JobManifest.Launch(
            type: spec.distribution?.type,
            instanceCount: count,
            processCountPerInstance: max(1, spec.distribution?.processCountPerInstance ?? 1),
            hosts: hosts
        )
    }

    /// TensorFlow names its workers itself; everything else has one pod per instance.
    private static func instanceCount(_ spec: AmlJobSpec) -> Int {
        if spec.distribution?.type == "TensorFlow", let workers = spec.distribution?.workerCount {
            return max(1, workers)
        }
        return max(1, spec.instanceCount ?? 1)
    }

    private static func volcanoJob(
        job: KubeObject,
        spec: AmlJobSpec,
        labels: [String: String],
        delivery: DeliveryPlan,
        instanceType: InstanceTypeSpec,
        placement: WorkloadPlacement
    ) -> KubeObject {
        let count = instanceCount(spec)
        let template: JSON = [
            "metadata": ["labels": JSON(labels)],
            "spec": podSpec(
                spec: spec,
                tolerations: tolerations(job, spec) + placement.tolerations,
                delivery: delivery,
                instanceType: instanceType,
                placement: placement
            ),
        ]
        let task: JSON = ["name": "worker", "replicas": JSON(count), "template": template]
        let policies: JSON = [
            ["event": "PodEvicted", "action": "RestartJob"],
            ["event": "PodFailed", "action": "TerminateJob"],
            ["event": "TaskCompleted", "action": "CompleteJob"],
        ]
        var body: [String: JSON] = [
            "schedulerName": "volcano", "queue": "default", "minAvailable": JSON(count), "maxRetry": 3,
            "tasks": [task], "policies": policies,
        ]
        if count > 1 || spec.distribution != nil { body["plugins"] = ["env": [], "svc": []] }
        var object = KubeObject(
            MLResources.volcanoJobs,
            namespace: job.namespace,
            name: job.name,
            labels: labels,
            body: ["spec": .object(body)]
        )
        object.ownerReferences = [job.controllerReference()]
        return object
    }

    private static func podSpec(
        spec: AmlJobSpec,
        tolerations: [JSON],
        delivery: DeliveryPlan,
        instanceType: InstanceTypeSpec,
        placement: WorkloadPlacement
    ) -> JSON {
        let shm: JSON = [
            "name": "shm", "emptyDir": ["medium": "Memory", "sizeLimit": .string(quantity(spec.shmSize ?? "2g"))],
        ]
        var resources: [String: JSON] = [:]
        if let requests = instanceType.resources.requests { resources["requests"] = JSON(requests) }
        if let limits = instanceType.resources.limits { resources["limits"] = JSON(limits) }
        let container: JSON = [
            "name": .string(containerName), "image": .string(spec.environment.image),
            "command": JSON(RuntimePaths.program + ["component", "execution-wrapper"]),
            "workingDir": .string(RuntimePaths.code), "resources": .object(resources),
            "env": .array([
                [
                    "name": "OUTRIGGER_POD_NAME",
                    "valueFrom": ["fieldRef": ["apiVersion": "v1", "fieldPath": "metadata.name"]],
                ]
            ]),
            "volumeMounts": .array(delivery.mounts + [["name": "shm", "mountPath": "/dev/shm"]]),
        ]
        var pod: [String: JSON] = [
            "restartPolicy": "Never", "automountServiceAccountToken": false, "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 60, "initContainers": .array(delivery.initContainers),
            "containers": [container], "volumes": .array(delivery.volumes + [shm]),
            "tolerations": .array(tolerations),
        ]
        // Two labels of one name exclude each other; the instance type is the closer wish.
        let selector = placement.nodeSelector.merging(instanceType.nodeSelector ?? [:]) { $1 }
        if !selector.isEmpty { pod["nodeSelector"] = JSON(selector) }
        if let secrets = delivery.imagePullSecrets { pod["imagePullSecrets"] = secrets }
        if let timeout = spec.timeoutSeconds, timeout > 0 { pod["activeDeadlineSeconds"] = JSON(timeout) }
        return .object(pod)
    }

    /// Taints that the reference system lets workloads pass.
    ///
    /// Source: reference-kubernetes.
    private static func tolerations(_ job: KubeObject, _ spec: AmlJobSpec) -> [JSON] {
        let pairs = [
            ("ml.azure.com/amlarc", "true"), ("ml.azure.com/amlarc-workload", "true"),
            (MLLabels.resourceGroup, job.labels[MLLabels.resourceGroup] ?? spec.workspace.resourceGroup),
            (MLLabels.workspace, job.labels[MLLabels.workspace] ?? spec.workspace.name),
            (MLLabels.compute, job.labels[MLLabels.compute] ?? spec.compute),
        ]
        return pairs.map { key, value in
            ["key": .string(key), "operator": "Equal", "value": .string(value)]
        }
    }

    /// Docker's size suffixes (`2g`, `512m`) as Kubernetes quantities.
    static func quantity(_ size: String) -> String {
        guard let last = size.last, last.isLetter, !size.hasSuffix("i") else { return size }
        let number = String(size.dropLast())
        switch last {
        case "b", "B": return number
        case "k", "K": return number + "Ki"
        case "m", "M": return number + "Mi"
        case "g", "G": return number + "Gi"
        default: return size
        }
    }
}
