/// The third-party releases that the extension installs on real clusters.
///
/// The addresses name commits of the release tags; the sums are those of the files at these commits. A digest is given where
/// more than one independent source agrees on it.
package enum BundleCatalogue {
    package static let all: [BundlePin] = [
        volcano, prometheusOperator, kubeStateMetrics, nvidiaDevicePlugin, dcgmExporter, fluentBit, prometheus,
    ]

    /// The pinned release of a component.
    package static func pin(_ component: String) throws -> BundlePin {
        guard let pin = all.first(where: { $0.component == component }) else {
            throw PackagingError(
                .unknownBundle,
                "'\(component)' is no third-party component",
                remedy: "use one of " + all.map(\.component).joined(separator: ", ")
            )
        }
        return pin
    }

    /// The pin of exactly this release; nil when the catalogue names another or none.
    package static func pin(_ component: String, version: String) -> BundlePin? {
        all.first { $0.component == component && $0.version == version }
    }

    private static func files(
        _ repository: String,
        _ commit: String,
        _ sums: KeyValuePairs<String, String>
    ) -> [BundlePin.File] {
        sums.map { path, sum in
            BundlePin.File(url: "https://raw.githubusercontent.com/\(repository)/\(commit)/\(path)", sha256: sum)
        }
    }

    static let volcano = BundlePin(
        component: "volcano",
        version: "v1.15.1",
        kubernetes: "1.35",
        files: files(
            "volcano-sh/volcano",
            "0a56ed331897f5455916a44d3075671376d731d6",
            [
                "installer/volcano-development.yaml":
                    "b5fb45a57bcd1132be7055354999d244266873710609afd1f162005772d15c41"
            ]
        ),
        images: [
            .init("docker.io/volcanosh/vc-controller-manager:v1.15.1"),
            .init("docker.io/volcanosh/vc-scheduler:v1.15.1"),
            .init("docker.io/volcanosh/vc-webhook-manager:v1.15.1"),
        ]
    )

    static let prometheusOperator = BundlePin(
        component: "prometheus-operator",
        version: "v0.93.0",
        kubernetes: "1.36",
        files: files(
            "prometheus-operator/prometheus-operator",
            "f8fafd475f3d132e239432ae6172de60a6cb6516",
            [
                "example/prometheus-operator-crd/monitoring.coreos.com_alertmanagerconfigs.yaml":
                    "fed47c462483a47a4d1912bf8a7a3767618644cfdee86dc73d7624c55d6a8b9d",
                "example/prometheus-operator-crd/monitoring.coreos.com_alertmanagers.yaml":
                    "0e8eccd22699818c93f619c8fe2d92dbbd783a7e9232827a886dedeac1fb5dc1",
                "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml":
                    "45a93443daa687d3654f7e9631909ff7edcdf3ec09c5e60251b74aa2722aee5d",
                "example/prometheus-operator-crd/monitoring.coreos.com_probes.yaml":
                    "f4ead9704bd4c6303d53e4cc15670faaf0609022a5e08c0ce496286f453666b7",
                "example/prometheus-operator-crd/monitoring.coreos.com_prometheusagents.yaml":
                    "6bb4afd89a2721ba02327336623344358c57b5a1a2ecaeccd792e0234ef6b612",
                "example/prometheus-operator-crd/monitoring.coreos.com_prometheuses.yaml":
                    "c0eed4b2c38a58e3a5be7e2f5846df067804c694b0c9316b35029ab68fa183a4",
                "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml":
                    "78be98554b9c8506ab2b4f4feb91c5f3a56e536a0a510f3a8e876a459970d56d",
                "example/prometheus-operator-crd/monitoring.coreos.com_scrapeconfigs.yaml":
                    "d525ef261d8a3a050528a7d90cecab13f1f3f9020eb0f1f54850b6f5c1f2e641",
                "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml":
                    "a99047972c9dd7679ce2050b9968e8a08773492e671b3e17abd476d42aa78a32",
                "example/prometheus-operator-crd/monitoring.coreos.com_thanosrulers.yaml":
                    "160bcffd1ce4904b5fde97ac40676019aa02427f0d64432f4dd71a711275b82c",
                "example/rbac/prometheus-operator/prometheus-operator-service-account.yaml":
                    "a90e8523ef5a9331adce15b3b80628975243e4f925e3ba1a493135199246bf60",
                "example/rbac/prometheus-operator/prometheus-operator-cluster-role.yaml":
                    "71b687fdd73cc1872f9c924e295b7ca7f6af7fe06f3a6e40a8817ad0bf4c5b58",
                "example/rbac/prometheus-operator/prometheus-operator-cluster-role-binding.yaml":
                    "3d0d7e0ffc83dee5064e2e1e720810ef6f59dab3e1511a9e499e2a0c7d30f20c",
                "example/rbac/prometheus-operator/prometheus-operator-deployment.yaml":
                    "30ba5701975f1d79fbb9b8688e94e969e6a76840c4dd4128bee24a942e17f9b2",
                "example/rbac/prometheus-operator/prometheus-operator-service.yaml":
                    "611e0c9f07fee8291a7773cb495f81e5a2047ef80367bde58d8e4b0605a78f91",
                "example/rbac/prometheus-operator/prometheus-operator-service-monitor.yaml":
                    "183a062efc83cab657129d70e10d005f768ce15913fb3c5fd33f630cc631eb5d",
            ]
        ),
        images: [
            .init("quay.io/prometheus-operator/prometheus-operator:v0.93.0"),
            // Named in an argument of the operator, which starts it beside each Prometheus.
            .init("quay.io/prometheus-operator/prometheus-config-reloader:v0.93.0"),
        ]
    )

    static let kubeStateMetrics = BundlePin(
        component: "kube-state-metrics",
        version: "v2.20.0",
        kubernetes: "1.36",
        files: files(
            "kubernetes/kube-state-metrics",
            "4ffeda2ef866b0fef372849825a803296483b336",
            [
                "examples/standard/service-account.yaml":
                    "91f24588ac4f8944b9211fccefdce9ee70434676e8a4a55a14d69bc7f68ae0a5",
                "examples/standard/cluster-role.yaml":
                    "4447544443859be7f70deca48e4cb75d30b0b7da090cb9e914c9c08f97f7e62c",
                "examples/standard/cluster-role-binding.yaml":
                    "afd513a9dba5ffe1a4128e4f612788dcccc314fb58afaef7a627c506229570df",
                "examples/standard/deployment.yaml":
                    "08d57682c0117bda50b8e894be1669001e49ce0ff3e60c11fccc6f56dfbc9f2e",
                "examples/standard/service.yaml":
                    "efa9813fb6a6a2d11b509cf4f2eb0ab044935b4153b425e697d4b31c7f6f42a4",
            ]
        ),
        images: [
            .init(
                "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.20.0",
                digest: "sha256:42cfe3723a5f058171c627537fb57a3ea0f26e4380fa18555a95cb1a1b4cfc5b"
            )
        ]
    )

    static let nvidiaDevicePlugin = BundlePin(
        component: "nvidia-device-plugin",
        version: "v0.19.3",
        kubernetes: nil,
        files: files(
            "NVIDIA/k8s-device-plugin",
            "570e776d6813cb9f3e9c8c105cf8d79989db6650",
            [
                "deployments/static/nvidia-device-plugin.yml":
                    "3b298ec5a81fb4289479ebee7955d287176cefa6ca977ea485c227e80e41dee5"
            ]
        ),
        images: [
            .init(
                "nvcr.io/nvidia/k8s-device-plugin:v0.19.3",
                digest: "sha256:25cc340fe6fd53c101e16fc452f503e7a92c219c64a80ed5381784b522dbbf77"
            )
        ]
    )

    static let dcgmExporter = BundlePin(
        component: "dcgm-exporter",
        version: "4.5.3-4.8.2",
        kubernetes: nil,
        files: files(
            "NVIDIA/dcgm-exporter",
            "691c92762eb551313c825f6efe4ceeee20982801",
            ["dcgm-exporter.yaml": "8f5b1580b55bc5a09a831184b0957e7671edb1e5c5f60cb17a0b4f58ffd76450"]
        ),
        images: [
            .init(
                "nvcr.io/nvidia/k8s/dcgm-exporter:4.5.3-4.8.2-distroless",
                digest: "sha256:60d3b00ac80b4ae77f94dae2f943685605585ad9e92fdccda3154d009ae317cc"
            )
        ]
    )

    static let fluentBit = BundlePin(
        component: "fluent-bit",
        version: "5.1.1",
        kubernetes: nil,
        files: [],
        images: [.init("docker.io/fluent/fluent-bit:5.1.1")]
    )

    static let prometheus = BundlePin(
        component: "prometheus",
        version: "v3.14.0",
        kubernetes: nil,
        files: [],
        images: [
            .init(
                "quay.io/prometheus/prometheus:v3.14.0",
                digest: "sha256:5ce7540c3c00ef4ab0c9d2c995c6a5b9c421f44b4a115d97a2c7af3b1c21cbb0"
            )
        ]
    )
}
