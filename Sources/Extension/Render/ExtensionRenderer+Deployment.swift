internal import KubeCore

extension ExtensionRenderer {
    func deployment(_ component: Component) -> KubeObject {
        let name = name(component)
        var podLabels = selector(component).merging(component.podLabels) { $1 }
        podLabels["ml.azure.com/amlarc-system"] = "true"
        podLabels["ml.azure.com/billing-category"] = "azureml-system"
        var template: [String: JSON] = ["labels": JSON(podLabels)]
        if component.nameTemplate == ComponentCatalogue.gateway.nameTemplate, !input.gatewaySecretsDigest.isEmpty {
            template["annotations"] = ["outrigger.ml/secrets-digest": .string(input.gatewaySecretsDigest)]
        }
        let isRouter = component.nameTemplate == ComponentCatalogue.router.nameTemplate
        // A router's replacement starts before the old one ends; of the others two at once would only wait for each other.
        let strategy: JSON =
            isRouter
            ? ["type": "RollingUpdate", "rollingUpdate": ["maxUnavailable": 0, "maxSurge": 1]]
            : ["type": "RollingUpdate", "rollingUpdate": ["maxUnavailable": 1, "maxSurge": 1]]
        let spec: [String: JSON] = [
            "replicas": JSON(replicas(component)), "revisionHistoryLimit": 2,
            "selector": ["matchLabels": JSON(selector(component))],
            "strategy": strategyThatFits(strategy, isRouter: isRouter),
            "template": ["metadata": .object(template), "spec": podSpec(component)],
        ]
        return KubeObject(
            .deployments,
            namespace: Self.namespace,
            name: name,
            labels: labels(component),
            body: ["spec": .object(spec)]
        )
    }

    /// With anti-affinity on as many nodes as routers there is no room for a further one.
    private func strategyThatFits(_ strategy: JSON, isRouter: Bool) -> JSON {
        guard isRouter, input.settings.routerReplicas(input.facts) > 1 else { return strategy }
        return ["type": "RollingUpdate", "rollingUpdate": ["maxUnavailable": 1, "maxSurge": 0]]
    }

    private func podSpec(_ component: Component) -> JSON {
        var spec: [String: JSON] = [
            "serviceAccountName": .string(name(component)), "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 30, "tolerations": systemTolerations, "containers": [container(component)],
            "volumes": .array(volumes(component)), "securityContext": podSecurity,
        ]
        if !input.settings.nodeSelector.isEmpty { spec["nodeSelector"] = JSON(input.settings.nodeSelector) }
        if replicas(component) > 1 {
            let term: JSON = [
                "labelSelector": ["matchLabels": JSON(selector(component))], "topologyKey": "kubernetes.io/hostname",
            ]
            spec["affinity"] = ["podAntiAffinity": ["requiredDuringSchedulingIgnoredDuringExecution": [term]]]
        }
        return .object(spec)
    }

    private var systemTolerations: JSON {
        .array(
            ["ml.azure.com/amlarc", "ml.azure.com/amlarc-system"].map { key in
                ["key": .string(key), "operator": "Equal", "value": "true"]
            }
        )
    }

    private var podSecurity: JSON {
        var context: [String: JSON] = ["seccompProfile": ["type": "RuntimeDefault"]]
        if let user = input.profile.runAsUser {
            context["runAsNonRoot"] = JSON(user != 0)
            context["runAsUser"] = JSON(user)
            context["runAsGroup"] = JSON(user)
            context["fsGroup"] = JSON(user)
        }
        return .object(context)
    }

    /// Canonical, as servers keep it: any other spelling would look like somebody's change.
    private func quantity(_ text: String) -> JSON {
        .string(Quantity.canonical(.string(text)) ?? text)
    }

    private func container(_ component: Component) -> JSON {
        var resources = component.resources
        let isRouter = component.nameTemplate == ComponentCatalogue.router.nameTemplate
        if isRouter {
            let given = input.settings.routerResources
            resources.requestCPU = given["requests.cpu"] ?? resources.requestCPU
            resources.requestMemory = given["requests.memory"] ?? resources.requestMemory
            resources.limitCPU = given["limits.cpu"] ?? resources.limitCPU
            resources.limitMemory = given["limits.memory"] ?? resources.limitMemory
        }
        var ports = component.ports.filter { !isRouter || $0.name != "https" || input.settings.hasTLS }
        ports.append(.init(name: "health", containerPort: ComponentCatalogue.healthPort))
        let security: JSON = [
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": ["drop": ["ALL"]],
        ]
        let members: [String: JSON] = [
            "name": .string(name(component)), "image": .string(input.profile.image), "imagePullPolicy": "IfNotPresent",
            "command": ["/usr/local/bin/outrigger"], "args": ["component", .string(component.nameTemplate)],
            "env": environment(component), "securityContext": security,
            "ports": .array(
                ports.map { port in
                    ["name": .string(port.name), "containerPort": JSON(port.containerPort), "protocol": "TCP"]
                }
            ),
            "resources": [
                "requests": ["cpu": quantity(resources.requestCPU), "memory": quantity(resources.requestMemory)],
                "limits": ["cpu": quantity(resources.limitCPU), "memory": quantity(resources.limitMemory)],
            ],
            "readinessProbe": [
                "httpGet": ["path": "/readyz", "port": "health"], "periodSeconds": 2, "timeoutSeconds": 2,
                "failureThreshold": 3,
            ],
            "livenessProbe": [
                "httpGet": ["path": "/healthz", "port": "health"], "periodSeconds": 10, "timeoutSeconds": 5,
                "failureThreshold": 6, "initialDelaySeconds": 10,
            ],
            "volumeMounts": .array(mounts(component)),
        ]
        return .object(members)
    }

    private func mounts(_ component: Component) -> [JSON] {
        var mounts: [JSON] = [
            ["name": "tmp", "mountPath": "/tmp"],
            ["name": "control-plane", "mountPath": "/etc/outrigger/control-plane", "readOnly": true],
        ]
        for secret in secretVolumes(component) {
            mounts.append(["name": .string(secret.name), "mountPath": .string(secret.path), "readOnly": true])
        }
        return mounts
    }

    private func volumes(_ component: Component) -> [JSON] {
        var volumes: [JSON] = [
            ["name": "tmp", "emptyDir": [:]],
            ["name": "control-plane", "configMap": ["name": .string(Self.controlPlaneConfigMap)]],
        ]
        for secret in secretVolumes(component) {
            // Readable by the pod's group only.
            let source: JSON = [
                "secretName": .string(secret.secret),
                "defaultMode": JSON(input.profile.runAsUser == nil ? 0o400 : 0o440),
            ]
            volumes.append(["name": .string(secret.name), "secret": source])
        }
        return volumes
    }

    private func secretVolumes(_ component: Component) -> [(name: String, secret: String, path: String)] {
        switch component.nameTemplate {
        case ComponentCatalogue.gateway.nameTemplate:
            return [
                ("gateway-tls", Self.gatewayTLSSecret, ComponentEnvironment.gatewayTLSFolder),
                ("gateway-token", Self.gatewayTokenSecret, "/etc/outrigger/gateway-token"),
            ]
        case ComponentCatalogue.router.nameTemplate:
            if input.settings.certificatePair != nil {
                return [("tls", Self.routerTLSSecret, ComponentEnvironment.routerTLSFolder)]
            }
            return input.settings.sslSecret.map { [("tls", $0, ComponentEnvironment.routerTLSFolder)] } ?? []
        default: return []
        }
    }

    private func environment(_ component: Component) -> JSON {
        typealias Name = ComponentEnvironment
        let settings = input.settings
        var values: [(String, String)] = [
            (Name.healthPort, String(ComponentCatalogue.healthPort)), (Name.image, input.profile.image),
            (Name.controlPlaneURL, input.profile.controlPlaneURL), (Name.clusterType, input.facts.clusterType.rawValue),
        ]
        switch component.nameTemplate {
        case ComponentCatalogue.gateway.nameTemplate: values.append((Name.gatewayPort, "5004"))
        case ComponentCatalogue.amlOperator.nameTemplate:
            values.append((Name.environmentCache, input.profile.environmentCachePath))
            values += workloadPlacement
            if settings.skipResourceValidation { values.append((Name.skipResourceValidation, "True")) }
        case ComponentCatalogue.inferenceOperator.nameTemplate:
            values.append((Name.environmentCache, input.profile.environmentCachePath))
            values += workloadPlacement
            values.append((Name.scoringScheme, settings.scoringScheme))
            if let host = settings.sslCname, settings.hasTLS { values.append((Name.scoringHost, host)) }
            values.append((Name.routerService, Self.namespace + "/azureml-fe"))
        case ComponentCatalogue.router.nameTemplate:
            values.append((Name.routerHTTPPort, "8080"))
            if settings.hasTLS { values.append((Name.routerHTTPSPort, "8443")) }
            values.append((Name.allowInsecureConnections, settings.allowInsecureConnections ? "True" : "False"))
            values.append((Name.routerReplicas, String(replicas(component))))
        case ComponentCatalogue.volcanoScheduler.nameTemplate:
            if let map = settings.volcanoSchedulerConfigMap { values.append((Name.schedulerConfigMap, map)) }
        default: break
        }
        var entries: [JSON] = values.map { ["name": .string($0.0), "value": .string($0.1)] }
        let fields = [
            (Name.podName, "metadata.name"), (Name.podNamespace, "metadata.namespace"), (Name.podIP, "status.podIP"),
            (Name.nodeName, "spec.nodeName"),
        ]
        for (name, path) in fields {
            entries.append([
                "name": .string(name), "valueFrom": ["fieldRef": ["apiVersion": "v1", "fieldPath": .string(path)]],
            ])
        }
        return .array(entries)
    }

    /// Where user workloads may run: the extension's node selector holds for them too.
    private var workloadPlacement: [(String, String)] {
        var values: [(String, String)] = []
        let settings = input.settings
        if !settings.nodeSelector.isEmpty {
            values.append((ComponentEnvironment.workloadNodeSelector, JSON(settings.nodeSelector).text))
        }
        if !settings.workloadTolerations.isEmpty {
            let list: [JSON] = settings.workloadTolerations.map { toleration in
                let members: [String: String?] = [
                    "key": toleration.key, "operator": toleration.operator, "value": toleration.value,
                    "effect": toleration.effect,
                ]
                return JSON(members.compactMapValues { $0 })
            }
            values.append((ComponentEnvironment.workloadTolerations, JSON.array(list).text))
        }
        return values
    }
}
