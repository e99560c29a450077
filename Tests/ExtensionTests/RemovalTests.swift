import KubeCore
import Testing

@testable import Extension

@Suite struct RemovalTests {
    @Test(
        arguments: [
            ("users", [:], "Opaque", true), ("istio-ca-root-cert", [:], nil, false),
            ("kube-root-ca.crt", [:], nil, false),
            ("default-token", ["kubernetes.io/service-account.name": "default"], "kubernetes.io/dockercfg", false),
            ("pull", [:], "kubernetes.io/dockerconfigjson", true),
        ] as [(String, [String: String], String?, Bool)]
    )
    func `What clusters put into every namespace is nobody's`(
        _ name: String,
        _ annotations: [String: String],
        _ type: String?,
        _ want: Bool
    ) {
        var object = KubeObject(.secrets, namespace: "azureml", name: name, annotations: annotations)
        if let type { object["type"] = .string(type) }
        #expect(ExtensionReconciler.isForeign(object) == want)
    }

    @Test func `What has an owner goes with it`() {
        var object = KubeObject(.configMaps, namespace: "azureml", name: "prometheus-rules")
        object["metadata", "ownerReferences"] = [["kind": "Prometheus", "name": "prom", "uid": "u"]]
        #expect(!ExtensionReconciler.isForeign(object))
    }
}
