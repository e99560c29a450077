import KubeClient
import KubeCore
import KubeServer
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1))) struct ServerTests {
    @Test func `All verbs work over HTTPS`() async throws {
        try await TestCluster.run { cluster in
            try await cluster.withClient { api in
                var made = try await api.create(.configMaps, .configMap("a", labels: ["x": "1"], data: ["k": "v"]))
                #expect(made.uid != "")
                made["data", "k"] = "w"
                let updated = try await api.update(.configMaps, made)
                #expect(updated.resourceVersion != made.resourceVersion)
                let stale = await #expect(throws: APIError.self) { try await api.update(.configMaps, made) }
                #expect(stale?.isConflict == true)
                let patched = try await api.patch(
                    .configMaps,
                    made.key,
                    .merge(["data": ["n": "1"]])
                )
                #expect(patched["data"] == ["k": "w", "n": "1"])
                let json = try await api.patch(
                    .configMaps,
                    made.key,
                    .json([["op": "remove", "path": "/data/n"]])
                )
                #expect(json["data"] == ["k": "w"])
                let applied = try await api.apply(
                    .configMaps,
                    .configMap("b", data: ["z": "1"]),
                    fieldManager: "tester"
                )
                #expect(applied.name == "b")
                let list = try await api.list(
                    .configMaps,
                    namespace: "default",
                    options: ListOptions(labelSelector: "x=1")
                )
                #expect(list.items.map(\.name) == ["a"])
                #expect(list.items.first?.kind == "ConfigMap")
                let missing = try await api.find(.configMaps, namespace: "default", name: "none")
                #expect(missing == nil)
                try await api.delete(.configMaps, namespace: "default", name: "a", options: DeleteOptions())
                try await api.deleteCollection(
                    .configMaps,
                    namespace: "default",
                    selection: ListOptions(),
                    options: DeleteOptions()
                )
                let isEmpty = try await api.list(.configMaps, namespace: "default").items.isEmpty
                #expect(isEmpty)
            }
        }
    }

    @Test func `Pages hold one version`() async throws {
        try await TestCluster.run { cluster in
            try await cluster.withClient { api in
                for index in 0..<5 { try await api.create(.configMaps, .configMap("c\(index)")) }
                let first = try await api.list(.configMaps, namespace: "default", options: ListOptions(limit: 2))
                #expect(first.items.count == 2)
                #expect(first.remainingItemCount == 3)
                try await api.create(.configMaps, .configMap("c9"))
                let second = try await api.list(
                    .configMaps,
                    namespace: "default",
                    options: ListOptions(limit: 9, continueToken: first.continueToken)
                )
                #expect(second.items.map(\.name) == ["c2", "c3", "c4"])
                #expect(second.resourceVersion == first.resourceVersion)
            }
        }
    }

    @Test func `A watch delivers changes and ends with its reader`() async throws {
        try await TestCluster.run { cluster in
            try await cluster.withClient { api in
                let version = try await api.list(.configMaps, namespace: "default").resourceVersion
                let stream = try await api.watch(
                    .configMaps,
                    namespace: "default",
                    options: WatchOptions(resourceVersion: version)
                )
                try await cluster.api.create(.configMaps, .configMap("a"))
                try await cluster.api.create(.configMaps, .configMap("b"))
                try await cluster.api.delete(.configMaps, namespace: "default", name: "a", options: DeleteOptions())
                var seen: [String] = []
                for try await event in stream {
                    switch event {
                    case .added(let object): seen.append("+" + object.name)
                    case .modified(let object): seen.append("~" + object.name)
                    case .deleted(let object): seen.append("-" + object.name)
                    case .bookmark: break
                    }
                    if seen.count == 3 { break }
                }
                #expect(seen == ["+a", "+b", "-a"])
            }
        }
    }

    @Test func `A watch ends at its timeout and a list of initial events with a bookmark`() async throws {
        try await TestCluster.run { cluster in
            try await cluster.api.create(.configMaps, .configMap("a"))
            try await cluster.withClient { api in
                let stream = try await api.watch(
                    .configMaps,
                    namespace: "default",
                    options: WatchOptions(timeoutSeconds: 1, sendInitialEvents: true)
                )
                var added = 0
                var marked = false
                for try await event in stream {
                    if case .added = event { added += 1 }
                    if case .bookmark(let object) = event {
                        marked = marked || object.annotations["k8s.io/initial-events-end"] == "true"
                    }
                }
                #expect(added == 1)
                #expect(marked)
            }
        }
    }

    @Test func `A version that is no number is refused`() async throws {
        try await TestCluster.run { cluster in
            try await cluster.withClient { api in
                let error = await #expect(throws: APIError.self) {
                    try await api.watch(.configMaps, namespace: nil, options: WatchOptions(resourceVersion: "x"))
                }
                #expect(error?.code == 400)
            }
        }
    }

    @Test func `Health, version and discovery are served`() async throws {
        try await TestCluster.run { cluster in
            try await cluster.withClient { api in
                let version = try await api.serverVersion().major
                #expect(version == "1")
                #expect(String(decoding: try await api.raw("/livez"), as: UTF8.self) == "ok")
                let verbose = String(decoding: try await api.raw("/readyz", query: [("verbose", "")]), as: UTF8.self)
                #expect(verbose.hasSuffix("readyz check passed\n"))
                let type = try await api.resource(apiVersion: "apps/v1", kind: "Deployment")
                #expect(type == .deployments)
                let resources = try await api.preferredResources()
                #expect(
                    resources.contains {
                        $0.type == .pods && $0.shortNames == ["po"] && $0.subresources.contains("log")
                    }
                )
                let unknown = try await api.resource(apiVersion: "no.such/v1", kind: "X")
                #expect(unknown == nil)
            }
        }
    }

    @Test func `The default namespaces, the kubernetes service and the roles are there`() async throws {
        try await TestCluster.run { cluster in
            let namespaces = try await cluster.api.list(.namespaces).items.map(\.name)
            #expect(namespaces == ["default", "kube-node-lease", "kube-public", "kube-system"])
            let service = try await cluster.api.get(.services, namespace: "default", name: "kubernetes")
            #expect(service["spec", "clusterIP"] == "10.96.0.1")
            let slice = try await cluster.api.get(.endpointSlices, namespace: "default", name: "kubernetes")
            #expect(slice["ports"]?[0]?["port"]?.intValue == cluster.port)
            let admin = try await cluster.api.get(.clusterRoles, name: "admin")
            #expect((admin["rules"]?.arrayValue ?? []).count > 5)
        }
    }

    @Test func `What was written survives a restart`() async throws {
        try await TestCluster.run(isPersistent: true) { outer in
            let folder = outer.folder + "/inner"
            let uid = try await TestCluster.run(isPersistent: true, folder: folder) { cluster in
                try await cluster.api.create(.configMaps, .configMap("kept")).uid
            }
            try await TestCluster.run(isPersistent: true, folder: folder) { cluster in
                let kept = try await cluster.api.get(.configMaps, namespace: "default", name: "kept")
                #expect(kept.uid == uid)
            }
        }
    }
}
