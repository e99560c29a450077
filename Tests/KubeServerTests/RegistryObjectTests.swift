import KubeCore
import KubeStore
import Synchronization
import Testing

@testable import KubeServer

@Suite(.timeLimit(.minutes(1)))
struct RegistryObjectTests {
    @Test("A pod gets its account, token volume, tolerations, priority and class of service")
    func podAdmission() async throws {
        let api = try await RegistryFixture().registry
        let made = try await api.create(.pods, pod("one"))
        #expect(made["spec", "serviceAccountName"] == "default")
        let mounts = made["spec", "containers"]?[0]?["volumeMounts"]?.arrayValue ?? []
        #expect(mounts.first?["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount")
        let volume = made["spec", "volumes"]?[0]
        #expect(volume?["name"] == mounts.first?["name"])
        #expect(volume?["projected"]?["sources"]?.arrayValue?.count == 3)
        let keys = made["spec", "tolerations"]?.arrayValue?.compactMap { $0["key"]?.stringValue }
        #expect(keys == ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"])
        #expect(made["spec", "priority"] == 0)
        #expect(made["spec", "restartPolicy"] == "Always")
        #expect(made["status", "phase"] == "Pending")
        #expect(made["status", "qosClass"] == "BestEffort")
        var critical = pod("two")
        critical["spec", "priorityClassName"] = "system-node-critical"
        #expect(try await api.create(.pods, critical)["spec", "priority"] == 2_000_001_000)
        critical["spec", "priorityClassName"] = "none"
        critical.name = "three"
        let given = critical
        let refused = await failure { try await api.create(.pods, given) }
        #expect(refused?.message == "pods \"three\" is forbidden: no PriorityClass with name none was found")
    }

    @Test("Mistakes in a pod come back with their paths")
    func podValidation() async throws {
        let api = try await RegistryFixture().registry
        var wrong = pod("one")
        wrong["spec", "containers"] = [
            ["name": "Main", "image": ""], ["name": "b", "image": "x", "ports": [["containerPort": 70000]]],
            [
                "name": "b", "image": "x", "volumeMounts": [["name": "none", "mountPath": "/x"]],
                "resources": ["requests": ["cpu": "2"], "limits": ["cpu": "1"]],
            ],
        ]
        let given = wrong
        let error = await failure { try await api.create(.pods, given) }
        #expect(error?.code == 422)
        #expect(
            Set(error?.causes.map(\.field) ?? []) == [
                "spec.containers[0].name", "spec.containers[0].image", "spec.containers[1].ports[0].containerPort",
                "spec.containers[2].name", "spec.containers[2].volumeMounts[0].name",
                "spec.containers[2].resources.requests",
            ]
        )
        let none = KubeObject(.pods, namespace: "default", name: "two", body: ["spec": [:]])
        let required = await failure { try await api.create(.pods, none) }
        #expect(required?.causes.contains { $0.field == "spec.containers" && $0.message == "Required value" } == true)
    }

    @Test("A pod's image may change, its command may not")
    func podUpdate() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(.pods, pod("one"))
        let key = ObjectKey(namespace: "default", name: "one")
        let image = try await api.patch(
            .pods,
            key,
            .json([["op": "replace", "path": "/spec/containers/0/image", "value": "busybox:2"]])
        )
        #expect(image.generation == 2)
        let error = await failure {
            try await api.patch(
                .pods,
                key,
                .json([["op": "add", "path": "/spec/containers/0/command", "value": ["sh"]]])
            )
        }
        #expect(error?.code == 422)
        #expect(error?.causes.first?.field == "spec")
        #expect(error?.message.contains("pod updates may not change fields other than") == true)
    }

    @Test("A running pod ends in two steps, an unscheduled one at once")
    func podDeletion() async throws {
        let fixture = try await RegistryFixture()
        let api = fixture.registry
        try await api.create(.pods, pod("queued"))
        try await api.delete(.pods, namespace: "default", name: "queued", options: DeleteOptions())
        #expect(try await api.find(.pods, namespace: "default", name: "queued") == nil)
        try await api.create(.pods, pod("running", node: "n1"))
        let ending = try await api.delete(.pods, namespace: "default", name: "running", options: DeleteOptions())
        #expect(ending?["metadata", "deletionGracePeriodSeconds"] == 30)
        #expect(ending?.deletionTimestamp == "2023-11-14T22:13:50Z")
        fixture.clock.advance(5)
        let shorter = try await api.delete(
            .pods,
            namespace: "default",
            name: "running",
            options: DeleteOptions(gracePeriodSeconds: 10)
        )
        #expect(shorter?.deletionTimestamp == "2023-11-14T22:13:30Z")
        let version = api.store.revision
        try await api.delete(.pods, namespace: "default", name: "running", options: DeleteOptions())
        #expect(api.store.revision == version)
        try await api.delete(
            .pods,
            namespace: "default",
            name: "running",
            options: DeleteOptions(gracePeriodSeconds: 0)
        )
        #expect(try await api.find(.pods, namespace: "default", name: "running") == nil)
    }

    @Test("Finalizers hold an object; removing the last one ends it; none may be added meanwhile")
    func finalizers() async throws {
        let api = try await RegistryFixture().registry
        var held = map("one")
        held.finalizers = ["example.com/hold"]
        try await api.create(.configMaps, held)
        let ending = try await api.delete(.configMaps, namespace: "default", name: "one", options: DeleteOptions())
        #expect(ending?.isTerminating == true)
        let key = ObjectKey(namespace: "default", name: "one")
        let more: JSON = ["metadata": ["finalizers": ["example.com/hold", "example.com/more"]]]
        let refused = await failure { try await api.patch(.configMaps, key, .merge(more)) }
        #expect(refused?.causes.first?.field == "metadata.finalizers")
        try await api.patch(.configMaps, key, .merge(["metadata": ["finalizers": .null]]))
        #expect(try await api.find(.configMaps, namespace: "default", name: "one") == nil)
    }

    @Test("Propagation policies become finalizers")
    func propagation() async throws {
        let api = try await RegistryFixture().registry
        for (policy, finalizer) in [(DeleteOptions.Propagation.orphan, "orphan"), (.foreground, "foregroundDeletion")] {
            try await api.create(.deployments, deployment("web-" + finalizer.lowercased()))
            let ending = try await api.delete(
                .deployments,
                namespace: "default",
                name: "web-" + finalizer.lowercased(),
                options: DeleteOptions(propagation: policy)
            )
            #expect(ending?.finalizers == [finalizer])
        }
        let wrong = await failure {
            try await api.delete(
                .deployments,
                namespace: "default",
                name: "web-orphan",
                options: DeleteOptions(preconditionUID: "x")
            )
        }
        #expect(wrong?.message.contains("the UID in the precondition (x) does not match the UID in record") == true)
    }

    @Test("A namespace ends when its content is gone and its finalizer is removed")
    func namespaces() async throws {
        let api = try await RegistryFixture().registry
        let made = try await api.create(.namespaces, KubeObject(.namespaces, name: "team"))
        #expect(made["spec", "finalizers"] == ["kubernetes"])
        #expect(made.labels == ["kubernetes.io/metadata.name": "team"])
        #expect(made["status", "phase"] == "Active")
        let ending = try await api.delete(.namespaces, namespace: nil, name: "team", options: DeleteOptions())
        #expect(ending?["status", "phase"] == "Terminating")
        let refused = await failure { try await api.create(.configMaps, map("one", namespace: "team")) }
        #expect(refused?.code == 403)
        #expect(refused?.causes.first?.reason == "NamespaceTerminating")
        var empty = try #require(ending)
        empty["spec", "finalizers"] = []
        let body = empty
        _ = try await api.update(
            .namespaces,
            namespace: nil,
            name: "team",
            subresource: "finalize",
            object: body,
            options: WriteOptions()
        )
        #expect(try await api.find(.namespaces, name: "team") == nil)
        let protected = await failure {
            try await api.delete(.namespaces, namespace: nil, name: "default", options: DeleteOptions())
        }
        #expect(protected?.code == 403)
    }

    @Test("Services get addresses and ports that nobody else has, and give them back")
    func services() async throws {
        let api = try await RegistryFixture().registry
        let first = try await api.create(.services, service("one"))
        let second = try await api.create(.services, service("two", type: "LoadBalancer"))
        #expect(first["spec", "clusterIP"]?.stringValue?.hasPrefix("10.96.") == true)
        #expect(first["spec", "clusterIP"] != second["spec", "clusterIP"])
        let port = second["spec", "ports"]?[0]?["nodePort"]?.intValue ?? 0
        #expect((30000...32767).contains(port))
        let taken = service("three", type: "NodePort", ["ports": [["port": 80, "nodePort": JSON(port)]]])
        #expect(await failure { try await api.create(.services, taken) }?.message.contains("already allocated") == true)
        let headless = try await api.create(.services, service("four", ["clusterIP": "None"]))
        #expect(headless["spec", "clusterIPs"] == ["None"])
        let changed = await failure {
            try await api.patch(
                .services,
                ObjectKey(namespace: "default", name: "one"),
                .merge(["spec": ["clusterIP": "10.96.9.9"]])
            )
        }
        #expect(changed?.causes.first?.message.contains("may not change once set") == true)
        let kept = try await api.update(.services, service("one", ["selector": ["a": "b"]]))
        #expect(kept["spec", "clusterIP"] == first["spec", "clusterIP"])
        try await api.delete(.services, namespace: "default", name: "two", options: DeleteOptions())
        let free = try await api.create(.services, taken)
        #expect(free["spec", "ports"]?[0]?["nodePort"]?.intValue == port)
        #expect(free["spec", "ports"]?[0]?["targetPort"] == 80)
        // A failed creation under a taken name does not free the address of the one that has it.
        let address = first["spec", "clusterIP"] ?? .null
        #expect(await failure { try await api.create(.services, service("one", ["clusterIP": address])) }?.code == 409)
        #expect(await failure { try await api.create(.services, service("six", ["clusterIP": address])) }?.code == 422)
    }

    @Test("stringData becomes data; immutable stays")
    func secrets() async throws {
        let api = try await RegistryFixture().registry
        let secret = KubeObject(
            .secrets,
            namespace: "default",
            name: "s",
            body: ["stringData": ["a": "hello"], "immutable": true]
        )
        let made = try await api.create(.secrets, secret)
        #expect(made["data", "a"] == "aGVsbG8=")
        #expect(made["stringData"] == nil)
        #expect(made["type"] == "Opaque")
        let refused = await failure {
            try await api.patch(
                .secrets,
                ObjectKey(namespace: "default", name: "s"),
                .merge(["stringData": ["a": "other"]])
            )
        }
        #expect(refused?.causes.first?.message == "Forbidden: field is immutable when `immutable` is set")
    }

    @Test("A selector must match its template and may not change")
    func selectors() async throws {
        let api = try await RegistryFixture().registry
        let mismatch = await failure { try await api.create(.deployments, deployment("web", selector: ["app": "b"])) }
        #expect(mismatch?.causes.first?.field == "spec.template.metadata.labels")
        #expect(mismatch?.message.contains("`selector` does not match template `labels`") == true)
        try await api.create(.deployments, deployment("web"))
        var other = deployment("web", selector: ["app": "b"])
        other["spec", "template", "metadata", "labels"] = ["app": "b"]
        let given = other
        let immutable = await failure { try await api.update(.deployments, given) }
        #expect(immutable?.message.contains("field is immutable") == true)
    }

    @Test("A job's selector is the server's")
    func jobs() async throws {
        let api = try await RegistryFixture().registry
        let template: JSON = [
            "spec": ["restartPolicy": "Never", "containers": [["name": "main", "image": "busybox"]]]
        ]
        let job = KubeObject(.jobs, namespace: "default", name: "train", body: ["spec": ["template": template]])
        let made = try await api.create(.jobs, job)
        let uid = JSON.string(made.uid)
        #expect(made["spec", "selector", "matchLabels", "batch.kubernetes.io/controller-uid"] == uid)
        #expect(made["spec", "template", "metadata", "labels", "job-name"] == "train")
        #expect(made["spec", "backoffLimit"] == 6)
        var always = job
        always.name = "other"
        always["spec", "template", "spec", "restartPolicy"] = "Always"
        let given = always
        let error = await failure { try await api.create(.jobs, given) }
        #expect(error?.causes.first?.field == "spec.template.spec.restartPolicy")
    }

    @Test("Scale reads and writes the replicas")
    func scale() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(.deployments, deployment("web"))
        let scale = try await api.get(.deployments, namespace: "default", name: "web", subresource: "scale")
        #expect(scale.kind == "Scale")
        #expect(scale["spec", "replicas"] == 1)
        #expect(scale["status", "selector"] == "app=a")
        let changed = try await api.patch(
            .deployments,
            ObjectKey(namespace: "default", name: "web"),
            subresource: "scale",
            .merge(["spec": ["replicas": 4]])
        )
        #expect(changed["spec", "replicas"] == 4)
        #expect(try await api.get(.deployments, namespace: "default", name: "web")["spec", "replicas"] == 4)
    }

    @Test("A pod is bound once")
    func binding() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(.pods, pod("one"))
        let binding = KubeObject(
            .bindings,
            namespace: "default",
            name: "one",
            body: ["target": ["kind": "Node", "name": "n1"]]
        )
        _ = try await api.create(
            .pods,
            namespace: "default",
            name: "one",
            subresource: "binding",
            object: binding,
            options: WriteOptions()
        )
        let bound = try await api.get(.pods, namespace: "default", name: "one")
        #expect(bound["spec", "nodeName"] == "n1")
        #expect(bound.isConditionTrue("PodScheduled"))
        let again = await failure {
            _ = try await api.create(
                .pods,
                namespace: "default",
                name: "one",
                subresource: "binding",
                object: binding,
                options: WriteOptions()
            )
        }
        #expect(again?.message.contains("pod one is already assigned to node \"n1\"") == true)
    }

    @Test("Eviction spends the disruption budget, then is refused")
    func eviction() async throws {
        let api = try await RegistryFixture().registry
        let budget = KubeObject(
            .podDisruptionBudgets,
            namespace: "default",
            name: "b",
            body: ["spec": ["minAvailable": 1, "selector": ["matchLabels": ["app": "a"]]]]
        )
        var made = try await api.create(.podDisruptionBudgets, budget)
        made["status"] = [
            "disruptionsAllowed": 1, "observedGeneration": 1, "currentHealthy": 2, "desiredHealthy": 1,
            "expectedPods": 2,
        ]
        try await api.updateStatus(.podDisruptionBudgets, made)
        for name in ["one", "two"] {
            var running = try await api.create(.pods, pod(name, node: "n", labels: ["app": "a"]))
            running["status", "phase"] = "Running"
            try await api.updateStatus(.pods, running)
        }
        func evict(_ name: String) async throws {
            let body = KubeObject(["apiVersion": "policy/v1", "kind": "Eviction", "metadata": ["name": .string(name)]])
            _ = try await api.create(
                .pods,
                namespace: "default",
                name: name,
                subresource: "eviction",
                object: body,
                options: WriteOptions()
            )
        }
        try await evict("one")
        #expect(try await api.get(.pods, namespace: "default", name: "one").isTerminating)
        let refused = await failure { try await evict("two") }
        #expect(refused?.code == 429)
        #expect(refused?.causes.first?.reason == "DisruptionBudget")
    }

    private final class Issuer: TokenIssuer {
        let orders = Mutex<[TokenOrder]>([])
        func issue(_ order: TokenOrder) async throws -> IssuedToken {
            orders.withLock { $0.append(order) }
            return IssuedToken(token: "t", expirationTimestamp: "2023-11-14T23:13:20Z", audiences: ["api"])
        }
    }

    @Test("A token is issued for an account and bound to its pod")
    func tokens() async throws {
        let api = try await RegistryFixture().registry
        let issuer = Issuer()
        api.setTokenIssuer(issuer)
        let made = try await api.create(.pods, pod("one", node: "n1"))
        let request = KubeObject([
            "spec": [
                "expirationSeconds": 600, "boundObjectRef": ["kind": "Pod", "name": "one", "uid": .string(made.uid)],
            ]
        ])
        let answer = try await api.create(
            .serviceAccounts,
            namespace: "default",
            name: "default",
            subresource: "token",
            object: request,
            options: WriteOptions()
        )
        #expect(answer["status", "token"] == "t")
        let order = try #require(issuer.orders.withLock { $0.first })
        #expect(order.boundObject?.uid == made.uid)
        #expect(order.node?.name == "n1")
        #expect(order.expirationSeconds == 600)
    }
}
