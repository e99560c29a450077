import KubeCore
import KubeServer
import Testing
import TestSupport

@testable import KubeControllers

@Suite struct WorkloadClusterTests {
    @Test(.timeLimit(.minutes(1))) func `A deployment rolls out, is reached, rolls over, and leaves nothing behind`()
        async throws
    {
        try await ControllerHarness.run { cluster in
            try await cluster.api.create(.deployments, .deployment("web", replicas: 3))
            try await cluster.api.create(.services, .service("web", selector: ["app": "web"]))
            func deployment() async throws -> KubeObject {
                try await cluster.api.get(.deployments, namespace: "default", name: "web")
            }
            try await cluster.wait("three pods are available") {
                try await deployment()["status", "availableReplicas"] == 3
            }
            try await cluster.wait("the rollout is complete") {
                try await deployment().condition("Progressing")?["reason"] == "NewReplicaSetAvailable"
            }
            try await cluster.wait("the service has three endpoints") {
                let slices = try await cluster.api.list(
                    .endpointSlices,
                    namespace: "default",
                    options: ListOptions(labelSelector: "kubernetes.io/service-name=web")
                ).items
                return slices.flatMap { $0["endpoints"]?.arrayValue ?? [] }.count == 3
            }
            let patch: JSON = [
                "spec": ["template": ["spec": ["containers": [["name": "main", "image": "busybox:2"]]]]]
            ]
            try await cluster.api.patch(.deployments, ObjectKey(namespace: "default", name: "web"), .strategic(patch))
            try await cluster.wait("all pods have the new image") {
                let pods = try await cluster.pods()
                let images = Set(
                    pods.filter { !$0.isTerminating }.compactMap { $0["spec", "containers"]?[0]?["image"]?.stringValue }
                )
                return images == ["busybox:2"] && pods.count == 3
            }
            let revisions = try await cluster.api.list(.replicaSets, namespace: "default").items.map(\.revision)
            #expect(revisions.sorted() == [1, 2])
            try await cluster.api.delete(
                .deployments,
                namespace: "default",
                name: "web",
                options: DeleteOptions(propagation: .background)
            )
            try await cluster.wait("pods and replica sets are gone") {
                let sets = try await cluster.api.list(.replicaSets, namespace: "default").items
                return try await cluster.pods().isEmpty && sets.isEmpty
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func `A namespace gets its account and certificate, and is emptied in the end`()
        async throws
    {
        try await ControllerHarness.run { cluster in
            try await cluster.api.create(.namespaces, .namespace("team"))
            try await cluster.wait("account and certificate are there") {
                let account = try await cluster.api.find(.serviceAccounts, namespace: "team", name: "default")
                let map = try await cluster.api.find(.configMaps, namespace: "team", name: "kube-root-ca.crt")
                return account != nil && map?["data", "ca.crt"] == "PEM"
            }
            try await cluster.api.create(.deployments, .deployment("web", namespace: "team", replicas: 2))
            try await cluster.wait("pods run") { try await cluster.pods("team").count == 2 }
            try await cluster.api.delete(.namespaces, namespace: nil, name: "team", options: DeleteOptions())
            try await cluster.wait("the namespace is gone") {
                try await cluster.api.find(.namespaces, name: "team") == nil
            }
            #expect(try await cluster.pods("team").isEmpty)
        }
    }

    @Test(.timeLimit(.minutes(1))) func `Foreground deletion waits for dependents, orphaning keeps them`() async throws
    {
        try await ControllerHarness.run { cluster in
            try await cluster.api.create(.deployments, .deployment("front", replicas: 1))
            try await cluster.api.create(.deployments, .deployment("orphan", replicas: 1))
            try await cluster.wait("both have a pod") { try await cluster.pods().count == 2 }
            try await cluster.api.delete(
                .deployments,
                namespace: "default",
                name: "front",
                options: DeleteOptions(propagation: .foreground)
            )
            try await cluster.wait("front is gone with all of it") {
                let pods = try await cluster.pods()
                let isGone = try await cluster.api.find(.deployments, namespace: "default", name: "front") == nil
                return isGone && pods.map { $0.labels["app"] } == ["orphan"]
            }
            try await cluster.api.delete(
                .deployments,
                namespace: "default",
                name: "orphan",
                options: DeleteOptions(propagation: .orphan)
            )
            try await cluster.wait("the deployment is gone and its replica set is free") {
                let sets = try await cluster.api.list(.replicaSets, namespace: "default").items
                let isGone = try await cluster.api.find(.deployments, namespace: "default", name: "orphan") == nil
                return isGone && sets.count == 1 && sets[0].ownerReferences.isEmpty
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func `A job counts its pods and completes`() async throws {
        try await ControllerHarness.run { cluster in
            let container: JSON = ["name": "main", "image": "busybox"]
            let template: JSON = [
                "metadata": ["labels": ["test/ends": "Succeeded"]],
                "spec": ["containers": [container], "restartPolicy": "Never"],
            ]
            let spec: JSON = ["completions": 3, "parallelism": 2, "template": template]
            try await cluster.api.create(
                .jobs,
                KubeObject(.jobs, namespace: "default", name: "work", body: ["spec": spec])
            )
            let job = try await eventually("the job completes", timeout: .seconds(40)) { () -> KubeObject? in
                let job = try await cluster.api.get(.jobs, namespace: "default", name: "work")
                return job.isConditionTrue("Complete") ? job : nil
            }
            #expect(job["status", "succeeded"] == 3)
            #expect(job["status", "completionTime"] != nil)
            let pods = try await cluster.pods()
            #expect(pods.allSatisfy { $0.finalizers.isEmpty })
        }
    }

    @Test(.timeLimit(.minutes(1))) func `A pod that does not fit says why and runs once a node comes`() async throws {
        try await ControllerHarness.run(nodes: [.node("small", cpu: "1")]) { cluster in
            try await cluster.api.create(.pods, .pod("large", requests: ["cpu": "2"]))
            try await cluster.wait("the reason is said") {
                let pod = try await cluster.api.get(.pods, namespace: "default", name: "large")
                return pod.condition("PodScheduled")?["message"] == "0/1 nodes are available: 1 Insufficient cpu."
            }
            try await cluster.addNode(.node("big", cpu: "4"))
            try await cluster.wait("the pod runs") {
                let pod = try await cluster.api.get(.pods, namespace: "default", name: "large")
                return PodFacts(pod).nodeName == "big" && PodFacts(pod).phase == "Running"
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func `A stateful set starts in order with claims that get volumes`() async throws {
        try await ControllerHarness.run(volumeFolder: "/var/lib/test") { cluster in
            let claim: JSON = [
                "metadata": ["name": "data"],
                "spec": ["accessModes": ["ReadWriteOnce"], "resources": ["requests": ["storage": "1Gi"]]],
            ]
            let template: JSON = [
                "metadata": ["labels": ["app": "db"]], "spec": ["containers": [["name": "main", "image": "busybox"]]],
            ]
            let spec: JSON = [
                "replicas": 2, "serviceName": "db", "selector": ["matchLabels": ["app": "db"]], "template": template,
                "volumeClaimTemplates": [claim],
            ]
            try await cluster.api.create(
                .statefulSets,
                KubeObject(.statefulSets, namespace: "default", name: "db", body: ["spec": spec])
            )
            try await cluster.wait("both are ready") {
                try await cluster.api.get(.statefulSets, namespace: "default", name: "db")["status", "readyReplicas"]
                    == 2
            }
            try await cluster.wait("the claims are bound") {
                let claims = try await cluster.api.list(.persistentVolumeClaims, namespace: "default").items
                return claims.count == 2 && claims.allSatisfy { $0["status", "phase"] == "Bound" }
            }
            let set = try await cluster.api.get(.statefulSets, namespace: "default", name: "db")
            #expect(set["status", "currentRevision"] == set["status", "updateRevision"])
        }
    }

    @Test(.timeLimit(.minutes(1))) func `A daemon set covers all nodes, new ones too`() async throws {
        try await ControllerHarness.run(nodes: [.node("n1"), .node("n2")]) { cluster in
            let template: JSON = [
                "metadata": ["labels": ["app": "agent"]],
                "spec": ["containers": [["name": "main", "image": "busybox"]]],
            ]
            let spec: JSON = ["selector": ["matchLabels": ["app": "agent"]], "template": template]
            try await cluster.api.create(
                .daemonSets,
                KubeObject(.daemonSets, namespace: "default", name: "agent", body: ["spec": spec])
            )
            try await cluster.wait("two are ready") {
                try await cluster.api.get(.daemonSets, namespace: "default", name: "agent")["status", "numberReady"]
                    == 2
            }
            try await cluster.addNode(.node("n3"))
            try await cluster.wait("three are ready") {
                try await cluster.api.get(.daemonSets, namespace: "default", name: "agent")["status", "numberReady"]
                    == 3
            }
            let nodes = try await cluster.pods().compactMap { PodFacts($0).nodeName }
            #expect(Set(nodes) == ["n1", "n2", "n3"])
        }
    }

    @Test(.timeLimit(.minutes(1))) func `A load balancer is told its address`() async throws {
        try await ControllerHarness.run { cluster in
            var service = KubeObject.service("edge", selector: ["app": "x"])
            service["spec", "type"] = "LoadBalancer"
            try await cluster.api.create(.services, service)
            try await cluster.wait("the address is published") {
                let live = try await cluster.api.get(.services, namespace: "default", name: "edge")
                return live["status", "loadBalancer", "ingress"]?[0]?["ip"] == "10.1.0.1"
            }
        }
    }
}
