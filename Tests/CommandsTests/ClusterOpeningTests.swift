internal import ControlPlane
internal import KubeClient
internal import KubeCore
internal import Testing

@testable import Commands

@Suite struct ClusterOpeningTests {
    private static func kubeconfig(user: String, cluster: String = "server: https://127.0.0.1:1") -> String {
        """
        apiVersion: v1
        kind: Config
        current-context: c
        contexts: [{name: c, context: {cluster: k, user: u}}]
        clusters: [{name: k, cluster: {\(cluster)}}]
        users: [{name: u, user: {\(user)}}]
        """
    }

    @Test func `An inlined kubeconfig opens a client`() async throws {
        let api = try ClusterOpening.open(Self.kubeconfig(user: "token: abc"))
        await api.close()
    }

    @Test(arguments: [
        ("exec: {apiVersion: client.authentication.k8s.io/v1, command: sh}", "'exec'"),
        ("auth-provider: {name: gcp}", "'auth-provider'"),
        ("tokenFile: /etc/passwd", "'tokenFile'"),
        ("client-certificate: /etc/a.pem, client-key: /etc/a.key", "'client-certificate'"),
    ])
    func `What would run a program or read a file here is refused`(_ user: String, _ want: String) {
        let error = #expect(throws: KubeConfigError.self) { try ClusterOpening.open(Self.kubeconfig(user: user)) }
        #expect(error?.message.contains(want) == true)
    }

    @Test func `A file for the certificate authority, no cluster and no YAML are refused`() {
        let file = #expect(throws: KubeConfigError.self) {
            try ClusterOpening.open(
                Self.kubeconfig(user: "token: a", cluster: "server: https://x, certificate-authority: /etc/ca.pem")
            )
        }
        #expect(file?.message.contains("certificate-authority") == true)
        #expect(throws: (any Error).self) { try ClusterOpening.open("just text") }
        #expect(throws: (any Error).self) { try ClusterOpening.open("a: [") }
    }

    @Test(arguments: ["server: http://127.0.0.1:1", "server: https://127.0.0.1:1, insecure-skip-tls-verify: true"])
    func `A server that proves nothing is refused`(_ cluster: String) {
        let error = #expect(throws: KubeConfigError.self) {
            try ClusterOpening.open(Self.kubeconfig(user: "token: a", cluster: cluster))
        }
        #expect(error?.message.contains("verified certificate") == true)
    }
}
