internal import KubeCore
internal import MLTypes

extension ExtensionRenderer {
    /// `env` of a component's container.
    func environment(_ component: Component) -> JSON {
        typealias Name = ComponentEnvironment
        let settings = input.settings
        var values: [(String, String)] = [
            (Name.healthPort, String(ComponentCatalogue.healthPort)), (Name.image, firstPartyImage),
            (Name.controlPlaneURL, input.profile.controlPlaneURL), (Name.clusterType, input.facts.clusterType.rawValue),
        ]
        switch component.nameTemplate {
        case ComponentCatalogue.gateway.nameTemplate:
            values.append((Name.gatewayPort, String(ComponentCatalogue.gatewayPort)))
        case ComponentCatalogue.volcanoAdmission.nameTemplate:
            values.append((Name.admissionPort, String(ComponentCatalogue.admissionPort)))
        case ComponentCatalogue.amlOperator.nameTemplate:
            values += workloadSettings
            if settings.skipResourceValidation { values.append((Name.skipResourceValidation, "True")) }
        case ComponentCatalogue.inferenceOperator.nameTemplate:
            values += workloadSettings
            values.append((Name.scoringScheme, settings.scoringScheme))
            if let host = settings.sslCname, settings.hasTLS { values.append((Name.scoringHost, Self.urlHost(host))) }
            values.append((Name.routerService, Self.namespace + "/azureml-fe"))
        case ComponentCatalogue.router.nameTemplate:
            for port in component.ports where isOpen(port.condition) {
                let name = port.condition == .tls ? Name.routerHTTPSPort : Name.routerHTTPPort
                values.append((name, String(port.containerPort)))
            }
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

    /// An IPv6 address in a URL has brackets.
    private static func urlHost(_ host: String) -> String {
        IPAddress(host)?.isVersion6 == true ? "[\(host)]" : host
    }

    /// What operators put on user workloads: the extension's node selector holds for them too.
    private var workloadSettings: [(String, String)] {
        let settings = input.settings
        let cache = settings.environmentCache ?? input.profile.environmentCache
        var values = [(ComponentEnvironment.environmentCache, cache.description)]
        if let secret = settings.imagePullSecret { values.append((ComponentEnvironment.imagePullSecret, secret)) }
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
