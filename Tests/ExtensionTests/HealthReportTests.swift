import ControlPlaneAPI
import KubeCore
import Testing

@testable import Extension

/// What checks come to, and what a cluster is recognised by.
@Suite struct HealthReportTests {
    private static func node(labels: [String: String] = [:], provider: String? = nil) -> KubeObject {
        var spec: [String: JSON] = [:]
        spec["providerID"] = provider.map(JSON.string)
        return KubeObject(.nodes, name: "node", labels: labels, body: ["spec": .object(spec)])
    }

    @Test func `A report names the worst and keeps all`() {
        let failures = [
            HealthCheck.failed("a", .permissionMissing, checked: "x", found: "one", fix: "do"),
            HealthCheck.failed("b", .insufficientNode, checked: "x", found: "two", fix: "add"),
        ]
        var report = HealthReport(
            operation: .install,
            date: "2026-01-01T00:00:00Z",
            durationMs: 1,
            distribution: "k3s",
            kubernetesVersion: "v1.36.0",
            checks: failures + [.passed("c", checked: "x", found: "fine")]
        )
        #expect(report.error?.code == "E40002" && report.error?.details?.count == 2)
        #expect(report.json["checks"]?.arrayValue?.compactMap { HealthCheck($0) } == report.checks)
        report.checks = [failures[0]]
        #expect(report.error?.message == "one. do.")
        report.checks = []
        #expect(report.error == nil)
    }

    @Test func `Distributions are told from nodes`() {
        let cases: [(KubeObject, String)] = [
            (Self.node(labels: ["kubernetes.azure.com/cluster": "x"]), "aks"),
            (Self.node(labels: ["node.openshift.io/os_id": "rhel"]), "openshift"),
            (Self.node(labels: ["eks.amazonaws.com/nodegroup": "x"]), "eks"),
            (Self.node(labels: ["cloud.google.com/gke-nodepool": "x"]), "gke"),
            (Self.node(labels: ["node.kubernetes.io/instance-type": "k3s"]), "k3s"),
            (Self.node(provider: "kind://docker/kind/kind"), "kind"),
            (Self.node(), "generic"),
        ]
        for (node, want) in cases { #expect(ClusterDistribution.detect(nodes: [node]) == want) }
        var embedded = Self.node()
        embedded["status", "nodeInfo", "containerRuntimeVersion"] = "outrigger://1.0"
        #expect(ClusterDistribution.detect(nodes: [embedded]) == "outrigger")
        #expect(ClusterDistribution.detect(nodes: [], version: "v1.35.1+k3s1") == "k3s")
        #expect(KubernetesVersion("v1.9.3")! < KubernetesVersion("1.10.0-gke.1")!)
        #expect(KubernetesVersion("latest") == nil)
    }
}
