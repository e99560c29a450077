internal import KubeCore
internal import MLTypes

/// The container that holds the model: the inference server for a scoring script, or the user's own.
///
/// Pure.
struct ScoringContainer {
    static let name = "inference-server"
    static let defaultPort = 5001

    let spec: OnlineDeploymentSpec
    let delivery: DeliveryPlan
    let instanceType: InstanceTypeSpec

    var port: Int { spec.inferenceConfig?.scoringRoute.port ?? ScoringContainer.defaultPort }

    /// What the init containers fetch.
    static func downloads(_ spec: OnlineDeploymentSpec) -> [DeliveryManifest.Item] {
        var items: [DeliveryManifest.Item] = []
        if let code = spec.code { items.append(DeliveryManifest.Item(uri: code.uri, path: RuntimePaths.code)) }
        if let model = spec.model {
            items.append(
                DeliveryManifest.Item(uri: model.uri, path: modelFolder(model) + "/" + lastComponent(model.uri))
            )
        }
        return items
    }

    /// `AZUREML_MODEL_DIR`; the model's file, or folder, lies below it under its own name.
    static func modelFolder(_ model: OnlineDeploymentSpec.Model) -> String {
        RuntimePaths.model + "/" + model.name + "/" + model.version
    }

    private static func lastComponent(_ uri: String) -> String {
        let path = uri.prefix { $0 != "?" && $0 != "#" }
        return path.split(separator: "/").last.map(String.init) ?? "model"
    }

    var json: JSON {
        var members: [String: JSON] = [
            "name": .string(ScoringContainer.name), "image": .string(spec.environment.image),
            "ports": [["name": "http", "containerPort": JSON(port), "protocol": "TCP"]],
            "env": .array(environment), "resources": resources,
            "volumeMounts": .array(mounts), "terminationMessagePolicy": "FallbackToLogsOnError",
            "readinessProbe": readiness, "livenessProbe": liveness,
            // Routers learn within this time that the pod leaves, so none of them sends it another request.
            "lifecycle": ["preStop": ["exec": ["command": ["/bin/sh", "-c", "sleep 5"]]]],
        ]
        if spec.code != nil {
            members["command"] = ["/bin/sh", "-c", .string(ScoringContainer.startScript)]
            members["workingDir"] = .string(RuntimePaths.code)
        }
        return .object(members)
    }

    /// Says what is missing when the environment has no inference server; the image's shell finds it on PATH.
    private static let startScript = """
        command -v azmlinfsrv >/dev/null 2>&1 || {
          echo "azmlinfsrv is not in the environment: add azureml-inference-server-http to its pip requirements" >&2
          exit 127
        }
        set -- --entry_script "$OUTRIGGER_ENTRY_SCRIPT" --port "$OUTRIGGER_SCORING_PORT"
        [ -z "$AZUREML_MODEL_DIR" ] || set -- "$@" --model_dir "$AZUREML_MODEL_DIR"
        [ -z "$WORKER_COUNT" ] || set -- "$@" --worker_count "$WORKER_COUNT"
        exec azmlinfsrv "$@"
        """

    private var environment: [JSON] {
        var values: [String: String] = [
            "AZUREML_ENDPOINT_NAME": spec.endpointName, "AZUREML_DEPLOYMENT_NAME": spec.deploymentName,
            "AZUREML_ARM_WORKSPACE_NAME": spec.workspace.name,
            "AZUREML_ARM_SUBSCRIPTION": spec.workspace.subscriptionId,
            "AZUREML_ARM_RESOURCEGROUP": spec.workspace.resourceGroup, "WORKSPACE_NAME": spec.workspace.name,
            "SERVICE_NAME": spec.endpointName, "SERVICE_VERSION": spec.deploymentName, "PYTHONUNBUFFERED": "1",
            "HOME": "/tmp",
        ]
        if let model = spec.model {
            values["AZUREML_MODEL_DIR"] = model.mountPath ?? ScoringContainer.modelFolder(model)
        }
        if let code = spec.code {
            values["AML_APP_ROOT"] = RuntimePaths.code
            values["AZUREML_ENTRY_SCRIPT"] = code.scoringScript
            values["OUTRIGGER_ENTRY_SCRIPT"] = RuntimePaths.code + "/" + code.scoringScript
            values["OUTRIGGER_SCORING_PORT"] = String(port)
            values["SCORING_TIMEOUT_MS"] = String(spec.requestSettings?.requestTimeoutMs ?? 5000)
        }
        if spec.isAppInsightsEnabled == true { values["AML_APP_INSIGHTS_ENABLED"] = "true" }
        if let path = delivery.environmentPath {
            values["VIRTUAL_ENV"] = path
            values["PATH"] = path + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        }
        values.merge(spec.environmentVariables ?? [:]) { _, users in users }
        return values.sorted { $0.key < $1.key }.map { ["name": .string($0.key), "value": .string($0.value)] }
    }

    private var mounts: [JSON] {
        guard let model = spec.model, let path = model.mountPath else { return delivery.mounts }
        let inside = ScoringContainer.modelFolder(model).dropFirst(RuntimePaths.root.count + 1)
        let mount: JSON = [
            "name": "outrigger", "mountPath": .string(path), "subPath": .string(String(inside)), "readOnly": true,
        ]
        return delivery.mounts + [mount]
    }

    /// The deployment's own numbers where it gives any, the instance type's otherwise.
    private var resources: JSON {
        var members: [String: JSON] = [:]
        let requests = (instanceType.resources.requests ?? [:]).merging(spec.resources?.requests ?? [:]) { $1 }
        let limits = (instanceType.resources.limits ?? [:]).merging(spec.resources?.limits ?? [:]) { $1 }
        if !requests.isEmpty { members["requests"] = JSON(requests) }
        if !limits.isEmpty { members["limits"] = JSON(limits) }
        return .object(members)
    }

    /// Without a setting, asked often so that a model serves as soon as it can; it is given as long as the reference's default.
    private var readiness: JSON {
        let probe =
            spec.readinessProbe
            ?? OnlineDeploymentSpec.Probe(
                initialDelay: 1,
                period: 2,
                timeout: 2,
                successThreshold: 1,
                failureThreshold: 150
            )
        return json(probe, route: spec.inferenceConfig?.readinessRoute)
    }

    private var liveness: JSON {
        var probe = spec.livenessProbe ?? OnlineDeploymentSpec.Probe()
        probe.successThreshold = 1  // Kubernetes allows no other value for liveness.
        return json(probe, route: spec.inferenceConfig?.livenessRoute)
    }

    private func json(_ probe: OnlineDeploymentSpec.Probe, route: OnlineDeploymentSpec.Route?) -> JSON {
        let get: JSON = ["path": .string(route?.path ?? "/"), "port": JSON(route?.port ?? port), "scheme": "HTTP"]
        return [
            "httpGet": get, "initialDelaySeconds": JSON(probe.initialDelay), "periodSeconds": JSON(probe.period),
            "timeoutSeconds": JSON(probe.timeout), "successThreshold": JSON(probe.successThreshold),
            "failureThreshold": JSON(probe.failureThreshold),
        ]
    }
}
