internal import Foundation
internal import KubeCore
internal import Testing

extension EndToEnd {
    /// Clusters elsewhere: those that dial in, and those whose API server is reached.
    @Suite(.serialized) struct RegisteredClusters {
        @Test(.timeLimit(.minutes(6)))
        func `A connected cluster runs jobs although packets are dropped again and again`()
            async throws
        {
            try await ClusterPair.with { pair in
                try await pair.connect()
                let listed = try await pair.home.json("connectedk8s", "list", "--resource-group", "local")
                let edge = try #require(listed.arrayValue?.first { $0["name"]?.stringValue == "edge" })
                #expect(edge["connectivityStatus"]?.stringValue == "Connected", Comment(rawValue: edge.prettyText))

                let cutter = try PacketCutter(
                    table: "cut\(try pair.home.networkID)",
                    bridge: "or" + (try pair.away.networkID),
                    port: pair.home.port
                )
                let shown = try await cutter.cutting {
                    let shown = try await pair.install("connectedClusters", limit: .seconds(180))
                    #expect(shown["provisioningState"]?.stringValue == "Succeeded", Comment(rawValue: shown.prettyText))
                    try await pair.attach(try ClusterPair.clusterID(of: shown))
                    try await pair.startTicking("far", ticks: 60)
                    let job = try await OneInstance.JobFaults.end(pair.home, "far", limit: .seconds(150))
                    #expect(job["status"]?.stringValue == "Completed", Comment(rawValue: job.prettyText))
                    return shown
                }
                #expect(cutter.cuts >= 3)
                // Nothing lost and nothing twice.
                let log = try await pair.home.outrigger("ml", "job", "stream", "--name", "far").output
                #expect(log.split(separator: "\n").map(String.init) == (0..<60).map { "tick \($0)" })
                let jobs = try JSON(
                    parsing: try await pair.away.kubectl("get", "amljobs,pods", "-n", "default", "-o", "json").output
                )
                let names = (jobs["items"]?.arrayValue ?? []).compactMap { $0["metadata"]?["name"]?.stringValue }
                #expect(names.filter { $0 == "far" }.count == 1, Comment(rawValue: "\(names)"))
                #expect(names.filter { $0.hasPrefix("far-worker") }.count == 1, Comment(rawValue: "\(names)"))
                #expect(shown["statuses"]?.arrayValue?.contains { $0["code"]?.stringValue == "relayserver" } == true)

                try await pair.home.outrigger(
                    ["k8s-extension", "delete", "--name", "amlext", "--yes"] + pair.cluster("connectedClusters")
                )
                try await pair.home.outrigger("ml", "compute", "detach", "--name", "edge", "--yes")
                try await pair.home.outrigger(
                    "connectedk8s",
                    "delete",
                    "--name",
                    "edge",
                    "--resource-group",
                    "local",
                    "--kube-config",
                    pair.away.kubeconfig,
                    "--yes"
                )
                try await pair.away.kubectl("get", "namespace", "azure-arc", expecting: 1)
            }
        }

        @Test(.timeLimit(.minutes(4))) func `Settings reach an agent that was offline`() async throws {
            try await ClusterPair.with { pair in
                try await pair.connect()
                try await pair.away.kubectl("scale", "deployment/outrigger-agent", "-n", "azure-arc", "--replicas=0")
                try await pair.home.outrigger(
                    [
                        "k8s-extension", "create", "--name", "amlext", "--extension-type",
                        "Microsoft.AzureML.Kubernetes", "--config", "enableTraining=True", "--no-wait",
                    ] + pair.cluster("connectedClusters")
                )
                try await pair.away.kubectl("scale", "deployment/outrigger-agent", "-n", "azure-arc", "--replicas=1")
                let shown = try await Poll.until("the extension", limit: .seconds(60)) {
                    let shown = try JSON(
                        parsing: try await pair.home.outrigger(
                            ["k8s-extension", "show", "--name", "amlext"] + pair.cluster("connectedClusters")
                        ).output
                    )
                    return shown["provisioningState"]?.stringValue == "Creating" ? nil : shown
                }
                #expect(shown["provisioningState"]?.stringValue == "Succeeded", Comment(rawValue: shown.prettyText))
            }
        }

        @Test(.timeLimit(.minutes(4))) func `A registered cluster is reached through its API server`() async throws {
            try await ClusterPair.with { pair in
                try await pair.home.outrigger(
                    "aks",
                    "register",
                    "--name",
                    "edge",
                    "--resource-group",
                    "local",
                    "--kube-config",
                    pair.away.kubeconfig,
                    "--url",
                    pair.url
                )
                let shown = try await pair.install("managedClusters")
                #expect(shown["provisioningState"]?.stringValue == "Succeeded", Comment(rawValue: shown.prettyText))
                try await pair.attach(try ClusterPair.clusterID(of: shown))
                try await pair.startTicking("near", ticks: 5)
                let job = try await OneInstance.JobFaults.end(pair.home, "near")
                #expect(job["status"]?.stringValue == "Completed", Comment(rawValue: job.prettyText))
                // The kubeconfig's key is nowhere to be read.
                let key = try String(contentsOfFile: pair.away.kubeconfig, encoding: .utf8)
                    .split(separator: "\n").first { $0.contains("client-key-data") }
                let secret = try #require(key?.split(separator: " ").last)
                let found = try await Program.run("grep", ["-rlF", String(secret), pair.home.data])
                #expect(found.output.isEmpty, Comment(rawValue: found.output))
            }
        }
    }
}
