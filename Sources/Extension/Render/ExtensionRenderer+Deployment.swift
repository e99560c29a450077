internal import KubeCore
internal import MLTypes

extension ExtensionRenderer {
    func deployment(_ component: Component) -> KubeObject {
        var template: [String: JSON] = [
            "labels": JSON(
                selector(component).merging(component.podLabels) { $1 }.merging(Self.systemLabels) { $1 }
            )
        ]
        let mountsMadeSecrets = [
            ComponentCatalogue.gateway, ComponentCatalogue.relayServer, ComponentCatalogue.volcanoAdmission,
        ].contains { $0.nameTemplate == component.nameTemplate }
        if mountsMadeSecrets, !input.gatewaySecretsDigest.isEmpty {
            template["annotations"] = ["outrigger.ml/secrets-digest": .string(input.gatewaySecretsDigest)]
        }
        let spec: [String: JSON] = [
            "replicas": JSON(replicas(component)), "revisionHistoryLimit": 2, "progressDeadlineSeconds": 600,
            "selector": ["matchLabels": JSON(selector(component))], "strategy": strategy(component),
            "template": ["metadata": .object(template), "spec": podSpec(component)],
        ]
        return KubeObject(
            .deployments,
            namespace: Self.namespace,
            name: name(component),
            labels: labels(component),
            body: ["spec": .object(spec)]
        )
    }

    private func isRouter(_ component: Component) -> Bool {
        component.nameTemplate == ComponentCatalogue.router.nameTemplate
    }

    private func strategy(_ component: Component) -> JSON {
        let isRouter = isRouter(component)
        // Kept apart on as many nodes as there are routers, there is no room for a further one.
        if isRouter, replicas(component) > 1 {
            return ["type": "RollingUpdate", "rollingUpdate": ["maxUnavailable": 1, "maxSurge": 0]]
        }
        // What answers requests is replaced before it ends; of the others two at once would only wait for each other.
        let answers =
            isRouter || !component.usesAPI || component.nameTemplate == ComponentCatalogue.gateway.nameTemplate
        return ["type": "RollingUpdate", "rollingUpdate": ["maxUnavailable": answers ? 0 : 1, "maxSurge": 1]]
    }

    // MARK: Pod

    private func podSpec(_ component: Component) -> JSON {
        var spec: [String: JSON] = [
            "serviceAccountName": .string(name(component)),
            "automountServiceAccountToken": .bool(component.usesAPI), "enableServiceLinks": false,
            "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
            // The router finishes the requests it has.
            "terminationGracePeriodSeconds": isRouter(component) ? 60 : 30, "tolerations": systemTolerations,
            "containers": [container(component)], "volumes": .array(volumes(component)),
            "securityContext": podSecurity, "nodeSelector": JSON(ownNodeSelector),
        ]
        if let pullSecrets { spec["imagePullSecrets"] = pullSecrets }
        if replicas(component) > 1 {
            spec["affinity"] = affinity(component)
            spec["topologySpreadConstraints"] = [
                [
                    "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": ["matchLabels": JSON(selector(component))],
                ]
            ]
        }
        return .object(spec)
    }

    /// Routers are never two on a node; others are kept apart where there is room.
    private func affinity(_ component: Component) -> JSON {
        let term: JSON = [
            "labelSelector": ["matchLabels": JSON(selector(component))], "topologyKey": "kubernetes.io/hostname",
        ]
        if isRouter(component) {
            return ["podAntiAffinity": ["requiredDuringSchedulingIgnoredDuringExecution": [term]]]
        }
        let preferred: JSON = ["weight": 100, "podAffinityTerm": term]
        return ["podAntiAffinity": ["preferredDuringSchedulingIgnoredDuringExecution": [preferred]]]
    }

    /// Nodes for pods of the extension.
    var linuxNodeSelector: [String: String] {
        ["kubernetes.io/os": "linux"].merging(input.settings.nodeSelector) { $1 }
    }

    /// Nodes for pods of our own image.
    ///
    /// Nodes of the embedded cluster run whatever built it.
    private var ownNodeSelector: [String: String] {
        guard input.source == .bundles else { return linuxNodeSelector }
        return ["kubernetes.io/arch": "amd64"].merging(linuxNodeSelector) { $1 }
    }

    /// Without an effect: all three are tolerated.
    var systemTolerations: JSON {
        .array(
            ["ml.azure.com/amlarc", "ml.azure.com/amlarc-system"].map { key in
                ["key": .string(key), "operator": "Equal", "value": "true"]
            }
        )
    }

    /// nil when images need no secret.
    var pullSecrets: JSON? { input.settings.imagePullSecret.map { [["name": .string($0)]] } }

    /// OpenShift chooses user ids itself and refuses any other.
    var usesFixedUsers: Bool { !(input.settings.openShift ?? (input.facts.distribution == "openshift")) }

    private var podSecurity: JSON {
        var context: [String: JSON] = ["seccompProfile": ["type": "RuntimeDefault"], "runAsNonRoot": true]
        if let user = input.profile.runAsUser {
            context["runAsNonRoot"] = JSON(user != 0)
            if usesFixedUsers {
                context["runAsUser"] = JSON(user)
                context["runAsGroup"] = JSON(user)
                context["fsGroup"] = JSON(user)
            }
        }
        return .object(context)
    }

    // MARK: Container

    /// Canonical, as servers keep it: any other spelling would look like somebody's change.
    static func quantities(_ amounts: [String: String]) -> JSON {
        JSON(amounts.mapValues { Quantity.canonical(.string($0)) ?? $0 })
    }

    /// With what the settings say of the router's.
    func resources(_ component: Component) -> Component.Resources {
        var resources = component.resources
        guard isRouter(component) else { return resources }
        let given = input.settings.routerResources
        resources.requestCPU = given["requests.cpu"] ?? resources.requestCPU
        resources.requestMemory = given["requests.memory"] ?? resources.requestMemory
        resources.limitCPU = given["limits.cpu"] ?? resources.limitCPU
        resources.limitMemory = given["limits.memory"] ?? resources.limitMemory
        return resources
    }

    func isOpen(_ condition: Component.PortCondition) -> Bool {
        switch condition {
        case .always: true
        case .insecure: input.settings.allowInsecureConnections
        case .tls: input.settings.hasTLS
        }
    }

    private func container(_ component: Component) -> JSON {
        let resources = resources(component)
        var ports = component.ports.filter { isOpen($0.condition) }
        ports.append(.init(name: "health", containerPort: ComponentCatalogue.healthPort))
        let security: JSON = [
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": ["drop": ["ALL"]],
        ]
        let members: [String: JSON] = [
            "name": .string(name(component)), "image": .string(firstPartyImage), "imagePullPolicy": "IfNotPresent",
            "command": ["/usr/local/bin/outrigger"], "args": ["component", .string(component.nameTemplate)],
            "env": environment(component), "securityContext": security,
            "ports": .array(
                ports.map { port in
                    ["name": .string(port.name), "containerPort": JSON(port.containerPort), "protocol": "TCP"]
                }
            ),
            "resources": [
                "requests": Self.quantities(resources.requests), "limits": Self.quantities(resources.limits),
            ],
            "readinessProbe": [
                "httpGet": ["path": "/readyz", "port": "health", "scheme": "HTTP"], "periodSeconds": 2,
                "timeoutSeconds": 2, "successThreshold": 1, "failureThreshold": 3,
            ],
            "livenessProbe": [
                "httpGet": ["path": "/healthz", "port": "health", "scheme": "HTTP"], "periodSeconds": 10,
                "timeoutSeconds": 5, "successThreshold": 1, "failureThreshold": 6, "initialDelaySeconds": 10,
            ],
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": .array(mounts(component)),
        ]
        return .object(members)
    }
}
