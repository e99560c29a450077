internal import KubeClient
internal import KubeCore
internal import Testing

@testable import Commands

@Suite struct ClusterTests {
    private func node(labels: [String: String] = [:], provider: String = "", isReady: Bool = true) -> KubeObject {
        KubeObject(
            .nodes,
            name: "n",
            labels: labels,
            body: [
                "spec": ["providerID": .string(provider)],
                "status": ["conditions": [["type": "Ready", "status": isReady ? "True" : "False"]]],
            ]
        )
    }

    private let amd64 = ["kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"]

    @Test func `The infrastructure is found by the nodes' provider`() {
        #expect(ClusterInfrastructure.detect([node(provider: "aws:///eu/i-1")]) == "aws")
        #expect(ClusterInfrastructure.detect([node()]) == "generic")
    }

    @Test func `A cluster needs a ready linux node for amd64`() throws {
        try AgentPreflight.checkNodes([node(labels: amd64)])
        let none = #expect(throws: CommandError.self) { try AgentPreflight.checkNodes([]) }
        #expect(none?.cause == "it has no nodes")
        let arm = ["kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64"]
        let other = #expect(throws: CommandError.self) { try AgentPreflight.checkNodes([node(labels: arm)]) }
        #expect(other?.cause == "its nodes are linux/arm64")
        let down = #expect(throws: CommandError.self) {
            try AgentPreflight.checkNodes([node(labels: amd64, isReady: false)])
        }
        #expect(down?.message.contains("ready") == true)
    }

    @Test func `Missing permissions are named`() throws {
        try AgentPreflight.refuse([], server: "https://s")
        let right = AccessRight(verb: "create", group: "apps", resource: "deployments", namespace: "azure-arc")
        let error = #expect(throws: CommandError.self) { try AgentPreflight.refuse([right], server: "https://s") }
        #expect(error?.cause == "may not create deployments.apps in namespace azure-arc")
        let others = ["get", "patch", "get"].map { AccessRight(verb: $0, group: "", resource: "secrets") }
        #expect(
            AccessRight.texts([right] + others) == [
                "create deployments.apps in namespace azure-arc", "get, patch secrets",
            ]
        )
    }

    @Test func `A kubeconfig that runs a program cannot be stored`() throws {
        let text = """
            apiVersion: v1
            kind: Config
            clusters: [{name: c, cluster: {server: "https://s"}}]
            users:
            - name: u
              user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: kubelogin, interactiveMode: Never}}
            contexts: [{name: c, context: {cluster: c, user: u}}]
            current-context: c
            """
        let configuration = try KubeConfig(yaml: text)
        let error = #expect(throws: CommandError.self) { try StoredKubeConfig.inlined(configuration) }
        #expect(error?.message.contains("kubelogin") == true)
        #expect(error?.exitStatus == 2)
    }

    @Test func `A kubeconfig without credentials, or for somebody else, cannot be stored`() {
        #expect(throws: CommandError.self) { try StoredKubeConfig.inlined(KubeConfig(server: "https://s")) }
        #expect(throws: CommandError.self) {
            try StoredKubeConfig.inlined(
                KubeConfig(server: "https://s", credentials: .token("t"), impersonatedUser: "x")
            )
        }
    }

    @Test func `A stored kubeconfig keeps its proxy and is read back as it was`() throws {
        let configuration = KubeConfig(
            server: "https://s:6443",
            certificateAuthorityPEM: "CA",
            proxyURL: "http://proxy:3128",
            credentials: .token("t")
        )
        let text = StoredKubeConfig.yaml(try StoredKubeConfig.inlined(configuration), name: "prod")
        let again = try KubeConfig(yaml: text)
        #expect(again.server == "https://s:6443")
        #expect(again.proxyURL == "http://proxy:3128")
        #expect(again.credentials == .token("t"))
        #expect(again.certificateAuthorityPEM == "CA")
    }

    @Test(arguments: ["http://h", "https://", "h:7443", "https://h/path", "https://h?x=1", ""])
    func `An address must be of the control plane, not of something on it`(url: String) {
        #expect(throws: CommandError.self) { try ControlPlaneAddress.check(url) }
    }

    @Test func `An address loses its trailing slash`() throws {
        #expect(try ControlPlaneAddress.check("https://h:7443/") == "https://h:7443")
    }

    @Test func `What connect stores`() {
        let body = ConnectedK8s.Connect.body(
            location: "local",
            tags: ["a": "b"],
            publicKey: "KEY",
            distribution: "k3s",
            infrastructure: "generic",
            url: "https://h:7443"
        )
        #expect(body[path: "properties", "agentPublicKeyCertificate"] == "KEY")
        #expect(body[path: "properties", "controlPlaneUrl"] == "https://h:7443")
        #expect(body["tags"] == ["a": "b"])
    }

    @Test func `Objects are printed as documents or as one list`() {
        let objects = [node(), node()]
        #expect(ObjectStream.yaml(objects).hasPrefix("---\napiVersion: v1\n"))
        #expect(ObjectStream.yaml(objects).split(separator: "---\n").count == 2)
        #expect(ObjectStream.list(objects)["items"]?.arrayValue?.count == 2)
    }
}
