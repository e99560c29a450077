internal import KubeCore
internal import MLTypes

/// Settings → objects, in the order in which they are applied.
///
/// Pure: equal inputs give equal objects. Everything an API server would fill in and that a user could change is written out,
/// so that applying the same objects again changes nothing and manual changes are seen.
package struct ExtensionRenderer: Sendable {
    /// Namespace of all components, always.
    package static let namespace = "azureml"
    package static let fieldManager = "outrigger-extension"
    /// On every object, with this value.
    package static let managedByLabel = "app.kubernetes.io/managed-by"
    static let instanceLabel = "app.kubernetes.io/instance"
    package static let componentLabel = "ml.azure.com/infra-app"
    /// On objects of upstream's releases, with the bundle's name.
    package static let bundleLabel = "outrigger.ml/bundle"
    package static let podSecurityLabel = "pod-security.kubernetes.io/enforce"
    static let controlPlaneConfigMap = "outrigger-control-plane"
    static let routerTLSSecret = "azureml-fe-tls"
    static let gatewayTokenSecret = "gateway-token"
    static let gatewayTLSSecret = "gateway-tls"
    /// Keys `tls.crt` and `tls.key`; the agent makes it.
    package static let admissionTLSSecret = "volcano-admission-tls"
    /// The token, key `token`, with which the relay opens its tunnel.
    ///
    /// The agent writes and renews it.
    package static let relayTokenSecret = "relay-token"

    /// Objects that components make for themselves in the namespace; they go with the extension.
    package static let madeByComponents: [ObjectReference] = [
        ObjectReference(type: .secrets, key: ObjectKey(namespace: namespace, name: relayTokenSecret)),
        ObjectReference(type: .secrets, key: ObjectKey(namespace: namespace, name: admissionTLSSecret)),
        // The upstream job that makes the certificate of Volcano's webhooks.
        ObjectReference(type: .secrets, key: ObjectKey(namespace: namespace, name: "volcano-admission-secret")),
        ObjectReference(type: .configMaps, key: ObjectKey(namespace: namespace, name: "outrigger-gateway-commands")),
    ]

    let input: RenderInput
    /// Objects of upstream's releases as we install them, with what is wrong with them.
    let upstream: ThirdPartyTransform.Result

    package init(_ input: RenderInput) {
        self.input = input
        upstream = Self.transformBundles(input)
    }

    /// The components that are enabled and can be installed.
    package var components: [Component] { input.components }

    /// Trouble with upstream's releases that stops the installation.
    package var problems: [SettingProblem] { upstream.problems }

    /// What a user should know of these objects.
    package var remarks: [SettingProblem] {
        var remarks = input.bundleRemarks
        let reasons = privilegedReasons
        if !reasons.isEmpty {
            remarks.append(
                SettingProblem(
                    .podSecurity,
                    Self.namespace,
                    "namespace \(Self.namespace) allows privileged pods, because \(reasons.joined(separator: "; "))",
                    remedy: "Switch these parts off to keep Baseline Pod Security"
                )
            )
        }
        return remarks
    }

    package func render() -> [RenderedObject] {
        var objects = [RenderedObject(.namespaces, namespaceObject)]
        objects += definitions
        objects.append(RenderedObject(.configMaps, controlPlaneObject))
        if let secret = routerTLSObject { objects.append(RenderedObject(.secrets, secret)) }
        let own = components.filter { input.availability($0) == .implemented }
        for component in own { objects += accounts(component) }
        objects += upstream.objects.filter { $0.stage == .accounts }.map(\.object)
        for component in own { objects += services(component) }
        objects += upstream.objects.filter { $0.stage == .services }.map(\.object)
        let deployed = own.filter { $0.workload == .deployment }
        for component in deployed { objects.append(RenderedObject(.deployments, deployment(component))) }
        for component in deployed where replicas(component) > 1 {
            objects.append(RenderedObject(.podDisruptionBudgets, budget(component)))
        }
        objects += upstream.objects.filter { $0.stage == .workloads }.map(\.object)
        objects += upstream.objects.filter { $0.stage == .last }.map(\.object)
        objects += webhooks
        if usesBuiltInVolcano, hasQueues { objects.append(RenderedObject(MLResources.queues, defaultQueue)) }
        objects += monitoring
        return objects
    }

    private var namespaceObject: KubeObject {
        let level = privilegedReasons.isEmpty ? "baseline" : "privileged"
        let security = [
            Self.podSecurityLabel: level, "pod-security.kubernetes.io/enforce-version": "latest",
            "pod-security.kubernetes.io/warn": level, "pod-security.kubernetes.io/warn-version": "latest",
        ]
        return KubeObject(.namespaces, name: Self.namespace, labels: labels(nil).merging(security) { $1 })
    }

    /// Why Baseline Pod Security is not enough, one sentence for each workload.
    private var privilegedReasons: [String] {
        upstream.objects.compactMap { rendered in
            guard let spec = PodTemplate.spec(rendered.object.object) else { return nil }
            let violations = PodSecurity.baselineViolations(spec)
            guard !violations.isEmpty else { return nil }
            return "\(rendered.object.object.name) needs \(violations.joined(separator: ", "))"
        }
    }

    /// CustomResourceDefinitions: our own always, those of Volcano when our own stand-ins run, those of upstream's releases.
    private var definitions: [RenderedObject] {
        let extra = input.profile.extraCRDs.filter {
            usesBuiltInVolcano || !($0["spec", "group"]?.stringValue?.hasSuffix(".volcano.sh") ?? false)
        }
        let own = (MLCRDs.all + extra).map { definition in
            var definition = definition
            definition.labels = definition.labels.merging(labels(nil)) { $1 }
            return RenderedObject(.customResourceDefinitions, definition)
        }
        return own + upstream.objects.filter { $0.stage == .definitions }.map(\.object)
    }

    /// Our own programs do Volcano's work.
    var usesBuiltInVolcano: Bool {
        let component = ComponentCatalogue.volcanoControllers
        return component.isEnabled(input.settings, input.facts) && input.availability(component) == .implemented
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
        var data = ["ca.pem": input.profile.controlPlaneCA, "url": input.profile.controlPlaneURL]
        data["cluster-id"] = input.settings.clusterID
        data["cluster-name"] = input.settings.clusterFriendlyName
        data["location"] = input.settings.location
        return KubeObject(
            .configMaps,
            namespace: Self.namespace,
            name: Self.controlPlaneConfigMap,
            labels: labels(nil),
            body: ["data": JSON(data)]
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

    /// Maintenance takes one pod at a time, and never waits for one that is not ready anyway.
    private func budget(_ component: Component) -> KubeObject {
        let spec: JSON = [
            "maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": ["matchLabels": JSON(selector(component))],
        ]
        return KubeObject(
            .podDisruptionBudgets,
            namespace: Self.namespace,
            name: name(component),
            labels: labels(component),
            body: ["spec": spec]
        )
    }

    // MARK: Shared with the other files

    package func name(_ component: Component) -> String { component.name(extensionName: input.extensionName) }

    func replicas(_ component: Component) -> Int { component.replicas(input.settings, input.facts) }

    /// Image of first-party containers, in the registry that the settings name.
    var firstPartyImage: String { ImageName.rewritten(input.profile.image, registry: input.settings.imageRegistry) }

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

    /// On pods, beside the selector.
    static let systemLabels = [
        "ml.azure.com/amlarc-system": "true", "ml.azure.com/billing-category": "azureml-system",
    ]
}
