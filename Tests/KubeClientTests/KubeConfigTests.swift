import Foundation
import KubeCore
import Testing

@testable import KubeClient

@Suite struct KubeConfigTests {
    private let text = """
        apiVersion: v1
        kind: Config
        current-context: dev
        clusters:
        - name: c1
          cluster:
            server: https://10.0.0.1:6443/base/
            certificate-authority-data: Q0EK
            tls-server-name: api.internal
        - {name: c2, cluster: {server: "http://127.0.0.1:8080", insecure-skip-tls-verify: true}}
        users:
        - name: cert
          user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}
        - {name: token, user: {token: abc}}
        - {name: file, user: {tokenFile: token.txt}}
        - {name: half, user: {client-certificate-data: Q0VSVA==}}
        - name: exec
          user:
            exec: {apiVersion: client.authentication.k8s.io/v1, command: ./login, args: [a, b], env: [{name: X, value: "1"}]}
        - name: old
          user: {auth-provider: {name: gcp}}
        contexts:
        - {name: dev, context: {cluster: c1, user: cert, namespace: team}}
        - {name: tok, context: {cluster: c2, user: token}}
        - {name: file, context: {cluster: c2, user: file}}
        - {name: exec, context: {cluster: c2, user: exec}}
        - {name: half, context: {cluster: c2, user: half}}
        - {name: old, context: {cluster: c2, user: old}}
        - {name: lost, context: {cluster: nowhere, user: token}}
        """

    @Test func `The current context is used and its data decoded`() throws {
        let config = try KubeConfig(yaml: text)
        #expect(config.server == "https://10.0.0.1:6443/base/")
        #expect(config.certificateAuthorityPEM == "CA\n")
        #expect(config.tlsServerName == "api.internal")
        #expect(config.clientCertificate == .init(certificatePEM: "CERT", keyPEM: "KEY"))
        #expect(config.namespace == "team")
    }

    @Test func `Another context can be named`() throws {
        let config = try KubeConfig(yaml: text, context: "tok")
        #expect(config.credentials == .token("abc"))
        #expect(config.isInsecure)
        #expect(config.namespace == "default")
    }

    @Test func `Relative files are in the folder of the kubeconfig`() throws {
        let config = try KubeConfig(yaml: text, context: "file", folder: "/etc/kube")
        #expect(config.credentials == .tokenFile("/etc/kube/token.txt"))
        let exec = try KubeConfig(yaml: text, context: "exec", folder: "/etc/kube")
        guard case .exec(let plugin) = exec.credentials else {
            Issue.record("no exec plugin")
            return
        }
        #expect(plugin.command == "/etc/kube/./login")
        #expect(plugin.arguments == ["a", "b"])
        #expect(plugin.environment == ["X": "1"])
    }

    @Test(arguments: [
        ("nope", "context \"nope\" does not exist"), ("half", "a client certificate and its key must both be given"),
        ("lost", "cluster \"nowhere\" has no server"), ("old", "auth-provider"),
    ])
    func `What is wrong is said`(context: String, wantText: String) throws {
        let error = #expect(throws: KubeConfigError.self) { try KubeConfig(yaml: text, context: context) }
        #expect(error?.description.contains(wantText) == true)
    }

    @Test func `Of several files the first entry of a name wins`() throws {
        let folder = NSTemporaryDirectory() + "kubeconfig-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try "clusters: [{name: c1, cluster: {server: 'https://first:1'}}]"
            .write(toFile: folder + "/a", atomically: true, encoding: .utf8)
        try text.write(toFile: folder + "/b", atomically: true, encoding: .utf8)
        let config = try KubeConfig.current(
            environment: ["KUBECONFIG": "\(folder)/a:\(folder)/missing:\(folder)/b"])
        #expect(config.server == "https://first:1")
        #expect(config.clientCertificate?.keyPEM == "KEY")
    }

    @Test func `A pod's service account is found`() throws {
        let folder = NSTemporaryDirectory() + "account-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try "tok".write(toFile: folder + "/token", atomically: true, encoding: .utf8)
        try "CA".write(toFile: folder + "/ca.crt", atomically: true, encoding: .utf8)
        try "ns1\n".write(toFile: folder + "/namespace", atomically: true, encoding: .utf8)
        let config = try KubeConfig.inCluster(
            environment: ["KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"],
            folder: folder
        )
        #expect(config.server == "https://[fd00::1]:443")
        #expect(config.namespace == "ns1")
        #expect(config.credentials == .tokenFile(folder + "/token"))
    }

    @Test func `A written kubeconfig reads back`() throws {
        let config = KubeConfig(
            server: "https://127.0.0.1:7444",
            certificateAuthorityPEM: "-----BEGIN\nx\n",
            clientCertificate: .init(certificatePEM: "c\n", keyPEM: "k\n"),
            namespace: "azureml"
        )
        let read = try KubeConfig(yaml: config.yaml(name: "outrigger"))
        #expect(read.server == config.server)
        #expect(read.certificateAuthorityPEM == config.certificateAuthorityPEM)
        #expect(read.clientCertificate == config.clientCertificate)
        #expect(read.namespace == "azureml")
    }

    @Test(.timeLimit(.minutes(1))) func `An exec plugin is run once and its answer kept until it expires`() async throws
    {
        let folder = NSTemporaryDirectory() + "exec-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let script = """
            #!/bin/sh
            echo run >> \(folder)/runs
            echo "$KUBERNETES_EXEC_INFO" > \(folder)/info
            echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t1","expirationTimestamp":"2999-01-01T00:00:00Z"}}'
            """
        try script.write(toFile: folder + "/login", atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/login")
        var config = try KubeConfig(yaml: text, context: "exec")
        config.credentials = .exec(
            .init(
                apiVersion: "client.authentication.k8s.io/v1",
                command: folder + "/login",
                arguments: [],
                environment: [:],
                providesClusterInfo: true,
                installHint: nil
            )
        )
        let source = CredentialSource(config)
        try await withThrowingTaskGroup(of: String?.self) { group in
            for _ in 0..<4 { group.addTask { try await source.answer().authorization } }
            for try await authorization in group { #expect(authorization == "Bearer t1") }
        }
        let runs = try String(contentsOfFile: folder + "/runs", encoding: .utf8)
        #expect(runs == "run\n")
        let info = try JSON(parsing: try String(contentsOfFile: folder + "/info", encoding: .utf8))
        #expect(info["spec"]?[path: "cluster", "server"]?.stringValue == "http://127.0.0.1:8080")
    }

    @Test func `A plugin's bad answer is an error that names the plugin`() throws {
        let plugin = KubeConfig.ExecPlugin(
            apiVersion: "client.authentication.k8s.io/v1",
            command: "login",
            arguments: [],
            environment: [:],
            providesClusterInfo: false,
            installHint: nil
        )
        for text in [
            "oops", "{}", #"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{}}"#,
        ] {
            let error = #expect(throws: KubeConfigError.self) {
                try ExecCredential(parsing: Array(text.utf8), plugin: plugin)
            }
            #expect(error?.message.contains("exec plugin login") == true)
        }
    }
}
