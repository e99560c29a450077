internal import KubeCore
internal import MLTypes

/// Everything that decides what is installed.
package struct RenderInput: Sendable {
    /// Name of the extension; part of some components' names.
    package var extensionName: String
    package var settings: ExtensionSettings
    package var facts: ClusterFacts
    package var profile: ClusterProfile
    /// Changes when the gateway's certificate or token was renewed, so that its pods start anew with it.
    package var gatewaySecretsDigest: String

    package init(
        extensionName: String,
        settings: ExtensionSettings,
        facts: ClusterFacts,
        profile: ClusterProfile,
        gatewaySecretsDigest: String = ""
    ) {
        self.extensionName = extensionName
        self.settings = settings
        self.facts = facts
        self.profile = profile
        self.gatewaySecretsDigest = gatewaySecretsDigest
    }
}

/// Settings → objects, in the order in which they are applied.
///
/// Pure: equal inputs give equal objects.
package struct ExtensionRenderer: Sendable {
    /// Namespace of all components, always.
    package static let namespace = "azureml"
    package static let fieldManager = "outrigger-extension"
    /// On every object, with this value.
    package static let managedByLabel = "app.kubernetes.io/managed-by"
    static let instanceLabel = "app.kubernetes.io/instance"
    package static let componentLabel = "ml.azure.com/infra-app"
    static let controlPlaneConfigMap = "outrigger-control-plane"
    static let routerTLSSecret = "azureml-fe-tls"
    static let gatewayTokenSecret = "gateway-token"
    static let gatewayTLSSecret = "gateway-tls"

    let input: RenderInput

    package init(_ input: RenderInput) { self.input = input }

    /// The components that are enabled and exist.
    package var components: [Component] {
        ComponentCatalogue.enabled(input.settings, input.facts).filter(\.isImplemented)
    }

    package func render() -> [RenderedObject] {
        var objects = [RenderedObject(.namespaces, namespaceObject)]
        objects += definitions
        objects.append(RenderedObject(.configMaps, controlPlaneObject))
        if let secret = routerTLSObject { objects.append(RenderedObject(.secrets, secret)) }
        let components = components
        for component in components { objects += accounts(component) }
        for component in components { objects += services(component) }
        for component in components { objects.append(RenderedObject(.deployments, deployment(component))) }
        if input.settings.enableInference, replicas(ComponentCatalogue.router) > 1 {
            objects.append(RenderedObject(.podDisruptionBudgets, routerBudget))
        }
        if input.settings.enableTraining, input.settings.installVolcano, hasQueues {
            objects.append(RenderedObject(MLResources.queues, defaultQueue))
        }
        return objects
    }

    private var namespaceObject: KubeObject {
        KubeObject(
            .namespaces,
            name: Self.namespace,
            labels: labels(nil).merging(["pod-security.kubernetes.io/enforce": "baseline"]) { $1 }
        )
    }

    /// CustomResourceDefinitions: our own always, those of Volcano when it is installed.
    private var definitions: [RenderedObject] {
        let usesVolcano = input.settings.enableTraining && input.settings.installVolcano
        let extra = input.profile.extraCRDs.filter {
            usesVolcano || !($0["spec", "group"]?.stringValue?.hasSuffix(".volcano.sh") ?? false)
        }
        return (MLCRDs.all + extra).map { definition in
            var definition = definition
            definition.labels = definition.labels.merging(labels(nil)) { $1 }
            return RenderedObject(.customResourceDefinitions, definition)
        }
    }

    private var hasQueues: Bool {
        input.profile.extraCRDs.contains { $0.name == MLResources.queues.groupResource }
    }

    /// All jobs go to this queue.
    private var defaultQueue: KubeObject {
        KubeObject(
            MLResources.queues,
            name: "default",
            labels: labels(nil),
            body: ["spec": ["weight": 1, "reclaimable": true]]
        )
    }

    private var controlPlaneObject: KubeObject {
        let data: JSON = [
            "ca.pem": .string(input.profile.controlPlaneCA), "url": .string(input.profile.controlPlaneURL),
        ]
        return KubeObject(
            .configMaps,
            namespace: Self.namespace,
            name: Self.controlPlaneConfigMap,
            labels: labels(nil),
            body: ["data": data]
        )
    }

    /// The pair given as PEM; it wins over `sslSecret`.
    private var routerTLSObject: KubeObject? {
        guard input.settings.enableInference, let pair = input.settings.certificatePair else { return nil }
        let data: JSON = [
            "cert.pem": .string(Base64.encode(pair.certificate)), "key.pem": .string(Base64.encode(pair.key)),
        ]
        return KubeObject(
            .secrets,
            namespace: Self.namespace,
            name: Self.routerTLSSecret,
            labels: labels(nil),
            body: ["type": "Opaque", "data": data]
        )
    }

    private var routerBudget: KubeObject {
        let router = ComponentCatalogue.router
        let spec: JSON = [
            "maxUnavailable": 1, "selector": ["matchLabels": JSON(selector(router))],
        ]
        return KubeObject(
            .podDisruptionBudgets,
            namespace: Self.namespace,
            name: router.nameTemplate,
            labels: labels(router),
            body: ["spec": spec]
        )
    }

    // MARK: Shared with the other files

    func name(_ component: Component) -> String { component.name(extensionName: input.extensionName) }

    func replicas(_ component: Component) -> Int {
        component.nameTemplate == ComponentCatalogue.router.nameTemplate
            ? input.settings.routerReplicas(input.facts) : 1
    }

    /// On the objects themselves.
    func labels(_ component: Component?) -> [String: String] {
        var labels = [
            Self.managedByLabel: Self.fieldManager, "app.kubernetes.io/part-of": "azureml",
            Self.instanceLabel: input.extensionName,
        ]
        if let component { labels["app.kubernetes.io/name"] = name(component) }
        return labels
    }

    func selector(_ component: Component) -> [String: String] { [Self.componentLabel: name(component)] }
}
