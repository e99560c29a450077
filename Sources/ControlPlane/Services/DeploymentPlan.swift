internal import ControlPlaneAPI
internal import KubeCore
internal import MLTypes

/// What a deployment's document means on a cluster.
struct DeploymentPlan {
    var spec: OnlineDeploymentSpec
    /// What the deployment's token may read.
    var readable: [BlobAddress]

    static func make(_ deployment: Document, _ scope: Scope, _ core: Core, _ t: Transaction) throws -> DeploymentPlan {
        try Builder(deployment: deployment, scope: scope, core: core).plan(t)
    }

    private struct Builder {
        let deployment: Document
        let scope: Scope
        let core: Core

        var owner: String { "Deployment '\(deployment.name)'" }
        /// Address of the control plane for the deployment's pods.
        var base: String { core.podURL(cluster: deployment.hidden["cluster"]?.stringValue ?? "") }

        func plan(_ t: Transaction) throws -> DeploymentPlan {
            let endpoint = deployment.hidden["endpoint"]?.stringValue ?? ""
            let references = References(scope: scope, owner: owner)
            var readable: [BlobAddress] = []
            let model = try model(references, t, &readable)
            let code = try code(references, t, &readable)
            let (environment, inference) = try environment(references, model: model, t)
            if code == nil, model?.type != "mlflow_model", inference == nil {
                throw ARMError.invalid(
                    "properties.codeConfiguration",
                    "\(owner) has no code_configuration; give code and scoring_script, an environment with inference_config, or an mlflow_model."
                )
            }
            var spec = OnlineDeploymentSpec(
                endpointName: endpoint,
                deploymentName: deployment.name,
                workspace: WorkspaceReference(
                    subscriptionId: scope.subscription,
                    resourceGroup: scope.resourceGroup,
                    name: scope.name
                ),
                model: model,
                code: code,
                environment: environment,
                inferenceConfig: inference,
                controlPlane: ControlPlaneReference(
                    url: base,
                    caPEM: core.configuration.caPEM,
                    tokenSecret: DeploymentService.tokenSecret(endpoint: endpoint, name: deployment.name)
                )
            )
            let variables = deployment[property: "environmentVariables"]?.objectValue ?? [:]
            spec.environmentVariables = variables.isEmpty ? nil : variables.mapValues { MLflowService.text($0) ?? "" }
            spec.instanceType = deployment[property: "instanceType"]?.stringValue
            spec.instanceCount = try count(deployment.body[path: "sku", "capacity"], "sku.capacity", 1...1000) ?? 1
            spec.resources = resources()
            spec.requestSettings = try requestSettings()
            spec.livenessProbe = try probe("livenessProbe")
            spec.readinessProbe = try probe("readinessProbe")
            spec.scaleSettings = try scaleSettings()
            spec.isAppInsightsEnabled = deployment[property: "appInsightsEnabled"]?.boolValue
            return DeploymentPlan(spec: spec, readable: readable)
        }

        private func model(
            _ references: References,
            _ t: Transaction,
            _ readable: inout [BlobAddress]
        ) throws -> OnlineDeploymentSpec.Model? {
            let field = "properties.model"
            let reference = deployment[property: "model"]
            guard let text = reference?.stringValue ?? reference?["assetId"]?.stringValue, !text.isEmpty else {
                return nil
            }
            let document = try references.version(text, .models, field: field, t)
            let name = ARMPath.value(of: "models", in: document.id) ?? ""
            let uri = document[property: "modelUri"]?.stringValue ?? ""
            guard case .blob(let address) = try Places(scope: scope).resolve(uri, target: field, t),
                let found = try Places.existing(address, t)
            else {
                throw ARMError(
                    400,
                    "ModelFilesNotFound",
                    "\(owner): the files of model '\(name):\(document.name)' are gone ('\(uri)').",
                    target: field
                )
            }
            readable.append(found)
            return OnlineDeploymentSpec.Model(
                name: name,
                version: document.name,
                type: document[property: "modelType"]?.stringValue ?? "custom_model",
                uri: found.url(base: base),
                mountPath: deployment[property: "modelMountPath"]?.stringValue
            )
        }

        private func code(
            _ references: References,
            _ t: Transaction,
            _ readable: inout [BlobAddress]
        ) throws -> OnlineDeploymentSpec.Code? {
            guard let json = deployment[property: "codeConfiguration"], let id = json["codeId"]?.stringValue,
                !id.isEmpty
            else { return nil }
            guard let script = json["scoringScript"]?.stringValue, !script.isEmpty else {
                throw ARMError.invalid(
                    "properties.codeConfiguration.scoringScript",
                    "\(owner) has code but no scoring_script."
                )
            }
            let folder = try references.code(id, field: "properties.codeConfiguration.codeId", t)
            guard try t.blob(folder.container, folder.name + script) != nil else {
                throw ARMError.invalid(
                    "properties.codeConfiguration.scoringScript",
                    "\(owner): the scoring script '\(script)' is not in the code folder."
                )
            }
            readable.append(folder)
            return OnlineDeploymentSpec.Code(uri: folder.url(base: base), scoringScript: script)
        }

        private func environment(
            _ references: References,
            model: OnlineDeploymentSpec.Model?,
            _ t: Transaction
        ) throws
            -> (EnvironmentSpec, OnlineDeploymentSpec.InferenceConfig?)
        {
            let field = "properties.environmentId"
            guard let id = deployment[property: "environmentId"]?.stringValue, !id.isEmpty else {
                guard model?.type == "mlflow_model" else {
                    throw ARMError.invalid(field, "\(owner) has no environment.")
                }
                // The model brings its own requirements; the cluster side reads them from the model's folder.
                return (
                    EnvironmentSpec(
                        name: nil,
                        image: "mcr.microsoft.com/azureml/mlflow-ubuntu20.04-py38-cpu-inference:latest"
                    ), nil
                )
            }
            let spec = try references.environment(id, field: field, t)
            let document = try references.environmentDocument(id, field: field, t)
            guard let json = document[property: "inferenceConfig"]?.objectValue else { return (spec, nil) }
            func route(_ key: String) throws -> OnlineDeploymentSpec.Route {
                guard let port = json[key]?["port"]?.intValue, let path = json[key]?["path"]?.stringValue else {
                    throw ARMError.invalid(
                        field,
                        "\(owner): inference_config of its environment has no \(key) with port and path."
                    )
                }
                return OnlineDeploymentSpec.Route(port: port, path: path)
            }
            let config = OnlineDeploymentSpec.InferenceConfig(
                scoringRoute: try route("scoringRoute"),
                livenessRoute: try route("livenessRoute"),
                readinessRoute: try route("readinessRoute")
            )
            return (spec, config)
        }

        private func resources() -> ComputeResources? {
            // Defaults are the cluster side's to apply when an instance type is named.
            if deployment.hidden["usesDefaultResources"] == true,
                deployment[property: "instanceType"]?.stringValue != nil
            {
                return nil
            }
            guard let json = deployment[property: "containerResourceRequirements"] else { return nil }
            func map(_ key: String) -> [String: String]? {
                guard let values = json[key]?.objectValue else { return nil }
                var quantities: [String: String] = [:]
                for (name, value) in values {
                    guard let text = MLflowService.text(value) else { continue }
                    quantities[name == "gpu" ? "nvidia.com/gpu" : name] = text
                }
                return quantities.isEmpty ? nil : quantities
            }
            return ComputeResources(requests: map("containerResourceRequests"), limits: map("containerResourceLimits"))
        }

        private func count(_ json: JSON?, _ field: String, _ range: ClosedRange<Int>) throws -> Int? {
            guard let json, !json.isNull else { return nil }
            guard let number = json.intValue, range.contains(number) else {
                throw ARMError.invalid(
                    field,
                    "\(owner): \(field) is \(json.text); use a whole number from \(range.lowerBound) to \(range.upperBound)."
                )
            }
            return number
        }

        private func requestSettings() throws -> OnlineDeploymentSpec.RequestSettings {
            let json = deployment[property: "requestSettings"] ?? .object([:])
            var settings = OnlineDeploymentSpec.RequestSettings()
            let base = "properties.requestSettings."
            if let value = try DurationText.milliseconds(
                json["requestTimeout"]?.stringValue,
                field: base + "requestTimeout",
                object: owner
            ) {
                settings.requestTimeoutMs = value
            }
            if let value = try DurationText.milliseconds(
                json["maxQueueWait"]?.stringValue,
                field: base + "maxQueueWait",
                object: owner
            ) {
                settings.maxQueueWaitMs = value
            }
            if let value = try count(
                json["maxConcurrentRequestsPerInstance"],
                base + "maxConcurrentRequestsPerInstance",
                1...1000
            ) {
                settings.maxConcurrentRequestsPerInstance = value
            }
            return settings
        }

        private func probe(_ key: String) throws -> OnlineDeploymentSpec.Probe {
            let json = deployment[property: key] ?? .object([:])
            var probe = OnlineDeploymentSpec.Probe()
            let base = "properties.\(key)."
            if let text = json["initialDelay"]?.stringValue {
                guard let seconds = DurationText.seconds(text), seconds >= 0 else {
                    throw ARMError.invalid(
                        base + "initialDelay",
                        "\(owner): '\(text)' is no ISO 8601 duration such as PT10S."
                    )
                }
                probe.initialDelay = Int(seconds.rounded(.up))
            }
            probe.period =
                try DurationText.wholeSeconds(json["period"]?.stringValue, field: base + "period", object: owner)
                ?? probe.period
            probe.timeout =
                try DurationText.wholeSeconds(json["timeout"]?.stringValue, field: base + "timeout", object: owner)
                ?? probe.timeout
            probe.successThreshold =
                try count(json["successThreshold"], base + "successThreshold", 1...1000) ?? probe.successThreshold
            probe.failureThreshold =
                try count(json["failureThreshold"], base + "failureThreshold", 1...1000) ?? probe.failureThreshold
            return probe
        }

        private func scaleSettings() throws -> OnlineDeploymentSpec.ScaleSettings? {
            guard let json = deployment[property: "scaleSettings"], let type = json["scaleType"]?.stringValue else {
                return nil
            }
            guard ["default", "targetutilization"].contains(type.lowercased()) else {
                throw ARMError.invalid(
                    "properties.scaleSettings.scaleType",
                    "\(owner): scale type '\(type)' is not known; use default or target_utilization."
                )
            }
            guard type.lowercased() == "targetutilization" else {
                return OnlineDeploymentSpec.ScaleSettings(type: "Default")
            }
            let base = "properties.scaleSettings."
            let settings = OnlineDeploymentSpec.ScaleSettings(
                type: "TargetUtilization",
                minInstances: try count(json["minInstances"], base + "minInstances", 0...1000) ?? 1,
                maxInstances: try count(json["maxInstances"], base + "maxInstances", 1...1000) ?? 1,
                pollingIntervalSeconds: try DurationText.wholeSeconds(
                    json["pollingInterval"]?.stringValue,
                    field: base + "pollingInterval",
                    object: owner
                ) ?? 1,
                targetUtilizationPercentage: try count(
                    json["targetUtilizationPercentage"],
                    base + "targetUtilizationPercentage",
                    1...100
                ) ?? 70
            )
            if let least = settings.minInstances, let most = settings.maxInstances, least > most {
                throw ARMError.invalid(
                    base + "minInstances",
                    "\(owner): min_instances \(least) is more than max_instances \(most)."
                )
            }
            return settings
        }
    }
}
