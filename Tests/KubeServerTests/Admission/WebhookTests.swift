import Foundation
import KubeClient
import KubeCore
import KubeServer
import NIOHTTP1
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1))) struct WebhookTests {
    /// A cluster with the fake's Service and the given configuration.
    private func withHook(
        _ type: ResourceType,
        _ entries: (FakeWebhook) -> [JSON],
        respond: @escaping FakeWebhook.Respond,
        _ body: (TestCluster, FakeWebhook) async throws -> Void
    ) async throws {
        try await FakeWebhook.run(respond) { hook in
            try await TestCluster.run { cluster in
                try await hook.serve(in: cluster.api)
                try await cluster.api.create(type, configuration(type, "test", entries(hook)))
                try await body(cluster, hook)
            }
        }
    }

    @Test func `A mutating webhook's patch is applied and its review is complete`() async throws {
        let patch: JSON = [["op": "add", "path": "/metadata/labels", "value": ["by": "hook"]]]
        try await withHook(.mutatingWebhooks, { [$0.entry("add.example.com")] }) { _, review in
            .review(review, patch: patch, ["warnings": ["be careful"]])
        } _: { cluster, hook in
            let made = try await cluster.withClient { try await $0.create(.configMaps, .configMap("a")) }
            #expect(made.labels == ["by": "hook"])
            let request = hook.requests.withLock { $0.first?["request"] } ?? [:]
            #expect(request["operation"] == "CREATE")
            #expect(request["name"] == "a")
            #expect(request["namespace"] == "default")
            #expect(request["kind"] == ["group": "", "version": "v1", "kind": "ConfigMap"])
            #expect(request["resource"] == ["group": "", "version": "v1", "resource": "configmaps"])
            #expect(request["requestResource"] == request["resource"])
            #expect(request["oldObject"] == .null)
            #expect(request["dryRun"] == false)
            #expect(request[path: "object", "metadata", "uid"] == nil)
            #expect(request[path: "userInfo", "username"] == "admin")
            #expect(request[path: "options", "kind"] == "CreateOptions")
        }
    }

    @Test func `A refusal reaches the client in upstream's words, with the webhook's code`() async throws {
        try await withHook(
            .validatingWebhooks,
            { [$0.entry("deny.example.com")] }
        ) { _, review in
            let name = review["request"]?["name"]
            if name == "good" { return .review(review) }
            if name == "bare" { return .review(review, allowed: false) }
            return .review(review, allowed: false, ["status": ["code": 403, "message": "no such luck"]])
        } _: { cluster, _ in
            try await cluster.withClient { api in
                try await api.create(.configMaps, .configMap("good"))
                let coded = await #expect(throws: APIError.self) {
                    try await api.create(.configMaps, .configMap("bad"))
                }
                #expect(coded?.code == 403)
                #expect(coded?.message == "admission webhook \"deny.example.com\" denied the request: no such luck")
                let bare = await #expect(throws: APIError.self) {
                    try await api.create(.configMaps, .configMap("bare"))
                }
                #expect(bare?.code == 400)
                #expect(bare?.reason.rawValue == "")
                #expect(
                    bare?.message == "admission webhook \"deny.example.com\" denied the request without explanation"
                )
            }
            // Callers in process are asked for, too.
            let inside = await #expect(throws: APIError.self) {
                try await cluster.api.create(.configMaps, .configMap("bad"))
            }
            #expect(inside?.code == 403)
        }
    }

    @Test func `A webhook that cannot be called fails the request, or passes it, as its policy says`() async throws {
        try await TestCluster.run { cluster in
            try await FakeWebhook.run { _, review in
                .review(review)
            } _: { hook in
                let closed = hook.entry("closed.example.com")
                let open = hook.entry("open.example.com", ["failurePolicy": "Ignore"])
                try await cluster.api.create(.validatingWebhooks, configuration(.validatingWebhooks, "open", [open]))
                try await cluster.api.create(.configMaps, .configMap("passes"))
                try await cluster.api.create(.validatingWebhooks, configuration(.validatingWebhooks, "shut", [closed]))
                let error = await #expect(throws: APIError.self) {
                    try await cluster.api.create(.configMaps, .configMap("fails"))
                }
                #expect(error?.code == 500)
                #expect(
                    error?.message
                        == "Internal error occurred: failed calling webhook \"closed.example.com\": failed to call webhook: "
                        + "Post \"https://hook.default.svc:443/closed.example.com?timeout=10s\": service \"hook\" not found"
                )
                // Configurations are never held up themselves.
                try await cluster.api.delete(
                    .validatingWebhooks,
                    namespace: nil,
                    name: "shut",
                    options: DeleteOptions()
                )
                try await cluster.api.create(.configMaps, .configMap("again"))
            }
        }
    }

    @Test func `A slow webhook is given up after its time`() async throws {
        try await withHook(
            .validatingWebhooks,
            { [$0.entry("slow.example.com", ["timeoutSeconds": 1])] }
        ) { _, review in
            .review(review, delay: .seconds(20))
        } _: { cluster, _ in
            let error = await #expect(throws: APIError.self) {
                try await cluster.api.create(.configMaps, .configMap("a"))
            }
            #expect(error?.message.hasSuffix("?timeout=1s\": context deadline exceeded") == true)
        }
    }

    @Test func `An authority that did not sign the webhook's certificate is refused`() async throws {
        let other = try PKI.authority(commonName: "other")
        try await withHook(
            .validatingWebhooks,
            { hook in
                let bundle = Data(other.certificatePEM.utf8).base64EncodedString()
                let client: JSON = [
                    "caBundle": .string(bundle), "service": ["namespace": "default", "name": "hook"],
                ]
                return [hook.entry("tls.example.com", ["clientConfig": client])]
            }
        ) { _, review in
            .review(review)
        } _: { cluster, hook in
            let error = await #expect(throws: APIError.self) {
                try await cluster.api.create(.configMaps, .configMap("a"))
            }
            #expect(error?.message.contains("tls: failed to verify certificate: x509") == true)
            #expect(hook.requests.withLock { $0.isEmpty })
        }
    }

    @Test func `Selectors, conditions and rules choose the requests`() async throws {
        try await withHook(
            .validatingWebhooks,
            { hook in
                let condition: JSON = [
                    "name": "not-jane", "expression": "request.userInfo.username != 'jane' && object.data.k != 'skip'",
                ]
                return [
                    hook.entry(
                        "select.example.com",
                        [
                            "namespaceSelector": ["matchLabels": ["watched": "yes"]],
                            "objectSelector": ["matchExpressions": [["key": "off", "operator": "DoesNotExist"]]],
                            "matchConditions": [condition],
                        ]
                    )
                ]
            }
        ) { _, review in
            .review(review, allowed: false)
        } _: { cluster, _ in
            let api = cluster.api
            try await api.create(.configMaps, .configMap("elsewhere", data: ["k": "v"]))
            try await api.create(.namespaces, .namespace("seen", labels: ["watched": "yes"]))
            try await api.create(
                .configMaps,
                .configMap("off", namespace: "seen", labels: ["off": "1"], data: ["k": "v"])
            )
            try await api.create(.configMaps, .configMap("skip", namespace: "seen", data: ["k": "skip"]))
            try await api.create(.secrets, .secret("other", namespace: "seen"))
            await #expect(throws: APIError.self) {
                try await api.create(.configMaps, .configMap("caught", namespace: "seen", data: ["k": "v"]))
            }
            // A condition that has no value fails closed.
            let error = await #expect(throws: APIError.self) {
                try await api.create(.configMaps, .configMap("valueless", namespace: "seen"))
            }
            #expect(error?.message.contains("no such key: k") == true)
        }
    }

    @Test func `Deletions show the old object and cannot be changed`() async throws {
        try await withHook(.validatingWebhooks, { [$0.entry("keep.example.com")] }) { _, review in
            .review(review, allowed: review["request"]?["operation"] != "DELETE")
        } _: { cluster, hook in
            try await cluster.api.create(.configMaps, .configMap("a"))
            let error = await #expect(throws: APIError.self) {
                try await cluster.api.delete(.configMaps, namespace: "default", name: "a", options: DeleteOptions())
            }
            #expect(error?.message == "admission webhook \"keep.example.com\" denied the request without explanation")
            let request = hook.requests.withLock { $0.last?["request"] } ?? [:]
            #expect(request["object"] == .null)
            #expect(request[path: "oldObject", "metadata", "name"] == "a")
        }
    }

    @Test func `A dry run asks only webhooks without side effects, and changes nothing`() async throws {
        try await withHook(
            .mutatingWebhooks,
            { [$0.entry("dry.example.com", ["sideEffects": "NoneOnDryRun"])] }
        ) { _, review in
            .review(review, patch: [["op": "add", "path": "/data", "value": ["k": "hooked"]]])
        } _: { cluster, hook in
            let options = WriteOptions(dryRun: true)
            let shown = try await cluster.api.create(.configMaps, .configMap("a"), options: options)
            #expect(shown["data", "k"] == "hooked")
            #expect(try await cluster.api.find(.configMaps, namespace: "default", name: "a") == nil)
            #expect(hook.requests.withLock { $0.last?["request"]?["dryRun"] } == true)
        }
    }

    @Test func `A webhook that asks for it is called again when a later one changed the object`() async throws {
        try await withHook(
            .mutatingWebhooks,
            { hook in
                [
                    hook.entry("first.example.com", ["reinvocationPolicy": "IfNeeded"]),
                    hook.entry("second.example.com"),
                ]
            }
        ) { path, review in
            let data = review["request"]?["object"]?["data"]
            if path == "/second.example.com" {
                return .review(review, patch: [["op": "add", "path": "/data/second", "value": "1"]])
            }
            let count = data?["second"] == nil ? "1" : "2"
            return .review(review, patch: [["op": "add", "path": "/data/first", "value": .string(count)]])
        } _: { cluster, hook in
            let made = try await cluster.api.create(.configMaps, .configMap("a", data: ["k": "v"]))
            #expect(made["data", "first"] == "2")
            #expect(made["data", "second"] == "1")
            #expect(hook.requests.withLock { $0.count } == 3)
        }
    }

    @Test func `Pods changed by a webhook pass built-in admission and defaults again`() async throws {
        let container: JSON = ["name": "sidecar", "image": "sidecar:1"]
        try await withHook(
            .mutatingWebhooks,
            { [$0.entry("inject.example.com", resources: ["pods"])] }
        ) { _, review in
            .review(review, patch: [["op": "add", "path": "/spec/containers/-", "value": container]])
        } _: { cluster, _ in
            try await cluster.api.create(.serviceAccounts, .serviceAccount("default"))
            let pod = try await cluster.api.create(.pods, .pod("a"))
            let injected = pod["spec", "containers"]?[1]
            #expect(injected?["imagePullPolicy"] == "IfNotPresent")
            #expect(injected?["volumeMounts"]?[0]?["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount")
        }
    }

    @Test func `Subresources have reviews of their own`() async throws {
        try await withHook(
            .validatingWebhooks,
            { [$0.entry("scale.example.com", resources: ["deployments/scale", "pods/binding"])] }
        ) { _, review in
            .review(review, allowed: (review["request"]?["object"]?["spec"]?["replicas"]?.intValue ?? 0) < 5)
        } _: { cluster, hook in
            try await cluster.api.create(.deployments, .deployment("d"))
            #expect(hook.requests.withLock { $0.isEmpty })
            func scale(_ count: Int) async throws {
                _ = try await cluster.api.patch(
                    .deployments,
                    ObjectKey(namespace: "default", name: "d"),
                    subresource: "scale",
                    .merge(["spec": ["replicas": JSON(count)]])
                )
            }
            try await scale(2)
            let request = hook.requests.withLock { $0.last?["request"] } ?? [:]
            #expect(request["kind"] == ["group": "autoscaling", "version": "v1", "kind": "Scale"])
            #expect(request["subResource"] == "scale")
            #expect(request[path: "oldObject", "spec", "replicas"] == 1)
            await #expect(throws: APIError.self) { try await scale(9) }
        }
    }

    @Test func `Another version of a kind matches too, converted, and connections have reviews`() async throws {
        try await withHook(
            .validatingWebhooks,
            { hook in
                let rules: JSON = [
                    [
                        "operations": ["CREATE"], "apiGroups": ["events.k8s.io"], "apiVersions": ["v1"],
                        "resources": ["events"],
                    ],
                    [
                        "operations": ["CONNECT"], "apiGroups": [""], "apiVersions": ["v1"],
                        "resources": ["services/proxy"],
                    ],
                ]
                return [
                    hook.entry("same.example.com", ["rules": rules]),
                    hook.entry("exact.example.com", ["rules": rules, "matchPolicy": "Exact"]),
                ]
            }
        ) { path, review in
            .review(review, allowed: review["request"]?["operation"] != "CONNECT")
        } _: { cluster, hook in
            let event = KubeObject(
                .events,
                namespace: "default",
                name: "e",
                body: ["involvedObject": ["namespace": "default", "kind": "Pod", "name": "p"], "message": "hello"]
            )
            try await cluster.api.create(.events, event)
            let seen = hook.requests.withLock { $0.map { $0["request"] ?? [:] } }
            #expect(seen.count == 1)
            #expect(seen.first?["resource"]?["group"] == "events.k8s.io")
            #expect(seen.first?["requestResource"]?["group"] == "")
            #expect(seen.first?[path: "object", "note"] == "hello")
            #expect(seen.first?[path: "object", "apiVersion"] == "events.k8s.io/v1")
            try await cluster.withClient { api in
                let error = await #expect(throws: APIError.self) {
                    try await api.raw("/api/v1/namespaces/default/services/hook/proxy/x")
                }
                #expect(error?.code == 503 || error?.message.contains("denied the request") == true)
            }
        }
    }

    @Test func `An answer that breaks the protocol fails closed`() async throws {
        try await withHook(.validatingWebhooks, { [$0.entry("odd.example.com")] }) { _, review in
            let name = review["request"]?["name"]
            if name == "uid" { return .review(review, ["uid": "other"]) }
            if name == "patch" { return .review(review, patch: [["op": "test", "path": "/a", "value": 1]]) }
            if name == "status" { return FakeWebhook.Answer(status: .internalServerError, body: "boom") }
            return FakeWebhook.Answer(body: "{}")
        } _: { cluster, _ in
            func message(_ name: String) async -> String {
                let error = await #expect(throws: APIError.self) {
                    try await cluster.api.create(.configMaps, .configMap(name))
                }
                return error?.message ?? ""
            }
            let start = "Internal error occurred: failed calling webhook \"odd.example.com\": "
            #expect(await message("uid").hasSuffix("got \"other\""))
            #expect(
                await message("patch")
                    == start + "received invalid webhook response: validating webhook may not return response.patch"
            )
            #expect(
                await message("status")
                    == start + "failed to call webhook: an error on the server (\"boom\") has prevented the request "
                    + "from succeeding"
            )
            #expect(await message("x") == start + "received invalid webhook response: webhook response was absent")
        }
    }

    @Test func `Configurations that cannot work are refused`() async throws {
        try await TestCluster.run { cluster in
            let bad: JSON = [
                "name": "short", "timeoutSeconds": 40, "clientConfig": ["url": "http://x"],
                "rules": [["operations": ["*", "CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": []]],
                "matchConditions": [["name": "c", "expression": "object.("]],
            ]
            let error = await #expect(throws: APIError.self) {
                try await cluster.api.create(.validatingWebhooks, configuration(.validatingWebhooks, "bad", [bad]))
            }
            let fields = Set(error?.causes.map(\.field) ?? [])
            for field in [
                "name", "timeoutSeconds", "clientConfig.url", "rules[0].operations", "rules[0].resources",
                "sideEffects",
                "admissionReviewVersions", "matchConditions[0].expression",
            ] {
                #expect(fields.contains("webhooks[0]." + field), "\(field) in \(fields)")
            }
        }
    }
}
