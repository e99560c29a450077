internal import Foundation
internal import KubeCore
internal import Testing

/// A control plane and, apart from it, a cluster that it knows only by kubeconfig or by what dials in: two instances, of which
/// the second stands for a cluster elsewhere.
struct ClusterPair: Sendable {
    let home: Instance
    let away: Instance
    /// Where pods of the other cluster reach the control plane.
    let url: String

    static func with(nodes: Int = 1, _ body: (ClusterPair) async throws -> Void) async throws {
        try await Instance.with { home in
            try await Instance.with { away in
                try await home.up()
                try await away.outrigger(
                    "up",
                    "--detach",
                    "--port",
                    "\(away.port)",
                    "--nodes",
                    "\(nodes)",
                    limit: .seconds(90)
                )
                let bridge = "or" + (try home.networkID)
                let addresses = try await Program.run("ip", ["-4", "-o", "addr", "show", bridge]).output
                let words = addresses.split(whereSeparator: \.isWhitespace).map(String.init)
                let position = try #require(words.firstIndex(of: "inet"))
                let address = try #require(words[position + 1].split(separator: "/").first)
                try await body(ClusterPair(home: home, away: away, url: "https://\(address):\(home.port)"))
            }
        }
    }

    /// Flags that name the other cluster.
    func cluster(_ type: String) -> [String] {
        ["--cluster-type", type, "--cluster-name", "edge", "--resource-group", "local"]
    }

    func connect() async throws {
        try await home.outrigger(
            "connectedk8s",
            "connect",
            "--name",
            "edge",
            "--resource-group",
            "local",
            "--kube-config",
            away.kubeconfig,
            "--url",
            url,
            limit: .seconds(120)
        )
    }

    func install(_ type: String, limit: Duration = .seconds(120)) async throws -> JSON {
        let arguments = [
            "k8s-extension", "create", "--name", "amlext", "--extension-type", "Microsoft.AzureML.Kubernetes",
            "--config", "enableTraining=True", "enableInference=True", "inferenceRouterServiceType=NodePort",
            "allowInsecureConnections=True", "inferenceRouterHA=False",
            // Both are on one machine, and building an environment for each pod would only take time.
            "environmentCache=hostPath:" + away.data + "/environments",
        ]
        return try JSON(parsing: try await home.outrigger(arguments + cluster(type), limit: limit).output)
    }

    /// Attaches the other cluster as compute `edge`.
    func attach(_ id: String) async throws {
        try await home.outrigger("ml", "compute", "attach", "--name", "edge", "--resource-id", id)
    }

    /// ARM id of the other cluster, from an extension on it.
    static func clusterID(of shown: JSON) throws -> String {
        let id = try #require(shown["id"]?.stringValue)
        let end = try #require(id.range(of: "/providers/Microsoft.KubernetesConfiguration", options: .caseInsensitive))
        return String(id[..<end.lowerBound])
    }

    /// A job on the other cluster that prints a line every 100 ms.
    func startTicking(_ name: String, ticks: Int) async throws {
        let script = """
            import time
            for tick in range(\(ticks)):
                print("tick", tick, flush=True)
                time.sleep(0.1)
            """
        let file = try EndToEnd.OneInstance.JobFaults.job(home, name: name, script: script)
        let text = try String(contentsOfFile: file, encoding: .utf8).replacing("azureml:local", with: "azureml:edge")
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        try await home.outrigger("ml", "job", "create", "--file", file, "--name", name)
    }
}
