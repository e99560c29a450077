internal import Foundation
internal import KubeCore
internal import Testing

extension EndToEnd.OneInstance {
    /// What people do with the cluster by hand: real kubectl against plain workloads.
    @Suite(.serialized) struct Kubectl {
        /// A web server that answers its pod's name, with a Service.
        static let web = """
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: web}
            spec:
              replicas: 2
              selector: {matchLabels: {app: web}}
              template:
                metadata: {labels: {app: web}}
                spec:
                  terminationGracePeriodSeconds: 5
                  containers:
                  - name: web
                    image: python:3.11-slim
                    command:
                    - sh
                    - -c
                    - mkdir -p /tmp/web && cd /tmp/web && hostname > name && echo serving && exec python3 -u -m http.server 8080
                    ports: [{containerPort: 8080}]
                    readinessProbe: {httpGet: {path: /name, port: 8080}, periodSeconds: 1}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: web}
            spec:
              selector: {app: web}
              ports: [{port: 80, targetPort: 8080}]

            """

        /// Applies the web server and waits for it.
        private func cluster() async throws -> Instance {
            let instance = try await Cluster.ready().instance
            try await instance.kubectl("apply", "-f", try instance.write("web.yml", Self.web))
            try await instance.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
            return instance
        }

        private func webPods(_ instance: Instance) async throws -> [String] {
            try await instance.kubectl("get", "pods", "-l", "app=web", "-o", "name").output.split(separator: "\n")
                .map { String($0.dropFirst("pod/".count)) }
        }

        @Test(.timeLimit(.minutes(3))) func `Lists show pods, deployments, services and events`() async throws {
            let instance = try await cluster()
            let components = try await instance.kubectl("get", "pods,deployments", "-n", "azureml").output
            #expect(components.contains("aml-operator"))
            #expect(components.contains("1/1"))
            let services = try await instance.kubectl("get", "services", "-A").output
            #expect(services.contains("kubernetes"))
            #expect(services.contains("azureml-fe"))
            let events = try await instance.kubectl("get", "events").output
            #expect(events.contains("Scaled up replica set"))
            #expect(events.contains("Successfully assigned"))
            let nodes = try await instance.kubectl("get", "nodes").output
            #expect(nodes.contains("Ready"))
        }

        @Test(.timeLimit(.minutes(2))) func `Describe shows state and events`() async throws {
            let instance = try await cluster()
            let pod = try #require(try await webPods(instance).first)
            let description = try await instance.kubectl("describe", "pod", pod).output
            #expect(description.contains("Status:           Running"))
            #expect(description.contains("Container started"))
            let deployment = try await instance.kubectl("describe", "deployment", "web").output
            #expect(deployment.contains("2 desired | 2 updated | 2 total | 2 available | 0 unavailable"))
        }

        @Test(.timeLimit(.minutes(2))) func `Logs are followed until the container ends`() async throws {
            let instance = try await Cluster.ready().instance
            let pod = """
                apiVersion: v1
                kind: Pod
                metadata: {name: counter}
                spec:
                  restartPolicy: Never
                  containers:
                  - name: main
                    image: python:3.11-slim
                    command: [sh, -c, "echo one; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo two"]
                """
            try await instance.kubectl("apply", "-f", try instance.write("counter.yml", pod))
            try await instance.kubectl("wait", "pod/counter", "--for=condition=Ready", "--timeout=30s")
            async let followed = instance.kubectl("logs", "-f", "counter", limit: .seconds(30))
            try await instance.kubectl("exec", "counter", "--", "touch", "/tmp/go")
            #expect(try await followed.output == "one\ntwo\n")
            let tail = try await instance.kubectl("logs", "counter", "--tail=1").output
            #expect(tail == "two\n")
            try await instance.kubectl("delete", "pod", "counter")
        }

        @Test(.timeLimit(.minutes(2))) func `Exec passes arguments, output, input and exit status`() async throws {
            let instance = try await cluster()
            let pod = try #require(try await webPods(instance).first)
            let name = try await instance.kubectl("exec", pod, "--", "cat", "/tmp/web/name")
            #expect(name.output.trimmed == pod)
            let failed = try await instance.kubectl(
                "exec",
                pod,
                "--",
                "sh",
                "-c",
                "echo lost >&2; exit 7",
                expecting: nil
            )
            #expect(failed.status == 7)
            #expect(failed.errors.contains("lost"))
        }

        @Test(.timeLimit(.minutes(2))) func `A service is reached from another pod by its DNS names`() async throws {
            let instance = try await cluster()
            let pod = """
                apiVersion: v1
                kind: Pod
                metadata: {name: caller}
                spec:
                  restartPolicy: Never
                  containers:
                  - name: main
                    image: python:3.11-slim
                    command: [sh, -c, "curl -sSf -m 5 http://web/name && curl -sSf -m 5 http://web.default.svc.cluster.local/name"]
                """
            try await instance.kubectl("apply", "-f", try instance.write("caller.yml", pod))
            try await instance.kubectl(
                "wait",
                "pod/caller",
                "--for=jsonpath={.status.phase}=Succeeded",
                "--timeout=30s"
            )
            let answers = try await instance.kubectl("logs", "caller").output.split(separator: "\n").map(String.init)
            let pods = try await webPods(instance)
            #expect(answers.count == 2)
            #expect(answers.allSatisfy { pods.contains($0) })
            try await instance.kubectl("delete", "pod", "caller")
        }

        @Test(.timeLimit(.minutes(2))) func `A deployment is scaled and rolled out anew`() async throws {
            let instance = try await cluster()
            try await instance.kubectl("scale", "deployment", "web", "--replicas=3")
            try await instance.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
            #expect(try await webPods(instance).count == 3)
            try await instance.kubectl("set", "env", "deployment/web", "COLOUR=blue")
            try await instance.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
            let history = try await instance.kubectl("rollout", "history", "deployment/web").output
            #expect(history.contains("2"))
            let colour = try await instance.kubectl("exec", "deployment/web", "--", "printenv", "COLOUR").output
            #expect(colour.trimmed == "blue")
            try await instance.kubectl("scale", "deployment", "web", "--replicas=2")
            _ = try await Poll.until("two pods of web") { try await webPods(instance).count == 2 ? true : nil }
        }

        @Test(.timeLimit(.minutes(2))) func `A deleted pod is gone within its grace and replaced`() async throws {
            let instance = try await cluster()
            let pod = try #require(try await webPods(instance).first)
            let started = ContinuousClock.now
            try await instance.kubectl("delete", "pod", pod)
            // Python as process 1 takes no notice of SIGTERM, so it is killed when its grace of 5 s is over.
            #expect(ContinuousClock.now - started < .seconds(8))
            let gone = try await instance.kubectl("get", "pod", pod, expecting: 1)
            #expect(gone.errors.contains("NotFound"))
            try await instance.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
            #expect(try await webPods(instance).count == 2)
        }

        @Test(.timeLimit(.minutes(2))) func `Deleting a deployment takes its pods along`() async throws {
            let instance = try await cluster()
            try await instance.kubectl("delete", "-f", instance.folder + "/web.yml")
            _ = try await Poll.until("the end of web's pods") { try await webPods(instance).isEmpty ? true : nil }
            let id = try instance.networkID
            let left = try await Program.run("nft", ["list", "ruleset"]).output.split(separator: "\n")
                .filter { $0.contains(id) && $0.contains("web") }
            #expect(left.isEmpty)
        }

        @Test(.timeLimit(.minutes(1))) func `Wrong manifests are refused with the field that is wrong`() async throws {
            let instance = try await Cluster.ready().instance
            let pod = """
                apiVersion: v1
                kind: Pod
                metadata: {name: wrong}
                spec:
                  containers: [{name: main, imagee: python}]
                """
            let outcome = try await instance.kubectl("apply", "-f", try instance.write("wrong.yml", pod), expecting: 1)
            #expect(outcome.errors.contains("imagee"), Comment(rawValue: outcome.description))
            try await instance.kubectl("get", "pod", "wrong", expecting: 1)
        }
    }
}
