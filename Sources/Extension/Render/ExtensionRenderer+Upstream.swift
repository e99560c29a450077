internal import KubeCore

extension ExtensionRenderer {
    /// Objects of all bundles that are wanted and there.
    static func transformBundles(_ input: RenderInput) -> ThirdPartyTransform.Result {
        var all = ThirdPartyTransform.Result()
        guard input.source == .bundles else { return all }
        // What it needs from the renderer does not depend on bundles.
        let renderer = ExtensionRenderer(input, upstream: all)
        for reference in input.neededBundles {
            guard let bundle = ThirdPartyBundle.named(reference.component),
                let objects = input.bundles[reference.component], !objects.isEmpty
            else { continue }
            let transform = ThirdPartyTransform(
                bundle: bundle,
                extensionName: input.extensionName,
                settings: input.settings,
                labels: renderer.labels(nil),
                // Upstream's images exist for more processors than ours.
                nodeSelector: renderer.linuxNodeSelector,
                tolerations: renderer.systemTolerations,
                usesFixedUsers: renderer.usesFixedUsers
            )
            let result = transform.transform(objects)
            all.objects += result.objects
            all.problems += result.problems
        }
        return all
    }

    private init(_ input: RenderInput, upstream: ThirdPartyTransform.Result) {
        self.input = input
        self.upstream = upstream
    }

    /// Names of upstream's workloads with the image of their first container.
    var upstreamWorkloads: [String: String] {
        var images: [String: String] = [:]
        for staged in upstream.objects where staged.stage == .workloads {
            let spec = PodTemplate.spec(staged.object.object)
            images[staged.object.object.name] = spec?["containers"]?[0]?["image"]?.stringValue
        }
        return images
    }

    // MARK: Prometheus

    /// Of the Prometheus that the operator runs.
    static let prometheusPin = (
        version: "v3.14.0",
        image: "quay.io/prometheus/prometheus:v3.14.0@sha256:"
            + "5ce7540c3c00ef4ab0c9d2c995c6a5b9c421f44b4a115d97a2c7af3b1c21cbb0"
    )

    var prometheusImage: String {
        ImageName.rewritten(Self.prometheusPin.image, registry: input.settings.imageRegistry)
    }

    /// What a Prometheus operator makes Prometheus of, and what Prometheus collects.
    var monitoring: [RenderedObject] {
        let component = ComponentCatalogue.prometheus
        guard input.source == .bundles, input.availability(component) == .implemented else { return [] }
        var monitors = [
            podMonitor("outrigger-components", ["ml.azure.com/amlarc-system": "true"], port: "health")
        ]
        for (exporter, port) in [
            (ComponentCatalogue.kubeStateMetrics, "http-metrics"), (ComponentCatalogue.dcgmExporter, "metrics"),
        ] where components.contains(where: { $0.nameTemplate == exporter.nameTemplate }) {
            monitors.append(podMonitor(name(exporter), selector(exporter), port: port))
        }
        return monitors + [RenderedObject(.prometheuses, prometheusObject)]
    }

    private func podMonitor(_ name: String, _ labels: [String: String], port: String) -> RenderedObject {
        let spec: JSON = [
            "selector": ["matchLabels": JSON(labels)], "podMetricsEndpoints": [["port": .string(port)]],
        ]
        return RenderedObject(
            .podMonitors,
            KubeObject(
                .podMonitors,
                namespace: Self.namespace,
                name: name,
                labels: self.labels(nil),
                body: ["spec": spec]
            )
        )
    }

    /// The operator makes StatefulSet `prometheus-NAME` of it.
    private var prometheusObject: KubeObject {
        let component = ComponentCatalogue.prometheus
        let mine: JSON = ["matchLabels": [Self.managedByLabel: .string(Self.fieldManager)]]
        let resources = resources(component)
        var security: [String: JSON] = ["runAsNonRoot": true, "seccompProfile": ["type": "RuntimeDefault"]]
        if usesFixedUsers {
            security["runAsUser"] = 65534
            security["runAsGroup"] = 65534
            security["fsGroup"] = 65534
        }
        var spec: [String: JSON] = [
            "replicas": JSON(replicas(component)), "image": .string(prometheusImage),
            "version": .string(Self.prometheusPin.version), "serviceAccountName": .string(name(component)),
            "scrapeInterval": "30s", "retention": "24h", "podMonitorSelector": mine, "serviceMonitorSelector": mine,
            "podMetadata": ["labels": JSON(selector(component).merging(Self.systemLabels) { $1 })],
            "resources": [
                "requests": Self.quantities(resources.requests), "limits": Self.quantities(resources.limits),
            ],
            "nodeSelector": JSON(linuxNodeSelector), "tolerations": systemTolerations,
            "securityContext": .object(security),
        ]
        if let pullSecrets { spec["imagePullSecrets"] = pullSecrets }
        if let cluster = input.settings.externalClusterName ?? input.settings.clusterID {
            spec["externalLabels"] = ["cluster_name": .string(cluster)]
        }
        return KubeObject(
            .prometheuses,
            namespace: Self.namespace,
            name: "prom-prometheus",
            labels: labels(component),
            body: ["spec": .object(spec)]
        )
    }
}
