import Foundation
import KubeClient
import KubeCore
import KubeServer
import TestSupport
import Testing

/// What works here must work on a real cluster: rights and no-ops that a lenient server would let pass.
@Suite(.timeLimit(.minutes(1))) struct StrictnessTests {
    private func rule(_ groups: [String], _ resources: [String], _ verbs: [String]) -> JSON {
        ["apiGroups": JSON(groups), "resources": JSON(resources), "verbs": JSON(verbs)]
    }

    private func grant(_ cluster: TestCluster, user: String, name: String, _ rules: [JSON]) async throws {
        let role = KubeObject(.clusterRoles, name: name, body: ["rules": .array(rules)])
        try await cluster.api.create(.clusterRoles, role)
        let body: [String: JSON] = [
            "roleRef": ["apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": .string(name)],
            "subjects": [["kind": "User", "name": .string(user)]],
        ]
        try await cluster.api.create(.clusterRoleBindings, KubeObject(.clusterRoleBindings, name: name, body: body))
    }

    @Test func `Applying the same object again changes nothing`() async throws {
        try await TestCluster.run { cluster in
            try await cluster.withClient { api in
                var given = KubeObject.deployment("d")
                given["spec", "template", "spec", "containers"] = [
                    [
                        "name": "main", "image": "busybox", "env": [["name": "A", "value": "1"]],
                        "resources": ["requests": ["cpu": "0.5", "memory": "1024Mi"]],
                    ]
                ]
                let first = try await api.apply(.deployments, given, fieldManager: "tester")
                // A second later the time of the write would differ.
                try await Task.sleep(for: .milliseconds(1100))
                let second = try await api.apply(.deployments, given, fieldManager: "tester")
                #expect(second.resourceVersion == first.resourceVersion)
                #expect(second == first)
                let service = KubeObject.service("s", selector: ["a": "b"])
                let made = try await api.apply(.services, service, fieldManager: "tester")
                let again = try await api.apply(.services, service, fieldManager: "tester")
                #expect(again.resourceVersion == made.resourceVersion)
                // An update of what is there is none either.
                let updated = try await api.update(.services, again)
                #expect(updated.resourceVersion == made.resourceVersion)
            }
        }
    }

    @Test func `A conflict names the manager and the field, as upstream does`() async throws {
        try await TestCluster.run { cluster in
            try await cluster.withClient { api in
                try await api.apply(.configMaps, .configMap("a", data: ["k": "1"]), fieldManager: "one")
                let error = await #expect(throws: APIError.self) {
                    try await api.patch(
                        .configMaps,
                        ObjectKey(namespace: "default", name: "a"),
                        .apply(KubeObject.configMap("a", data: ["k": "2"]).json),
                        options: WriteOptions(fieldManager: "two")
                    )
                }
                #expect(error?.code == 409)
                #expect(error?.message == "Apply failed with 1 conflict: conflict with \"one\": .data.k")
                #expect(error?.causes.first?.field == ".data.k")
            }
        }
    }

    @Test func `An apply that makes its object needs the right to create`() async throws {
        try await TestCluster.run { cluster in
            try await grant(
                cluster,
                user: "jane",
                name: "patcher",
                [rule([""], ["configmaps"], ["get", "patch", "update"])]
            )
            try await grant(
                cluster,
                user: "jane",
                name: "leaser",
                [rule(["coordination.k8s.io"], ["leases"], ["get", "update"])]
            )
            try await cluster.withClient(cluster.configuration(try cluster.certificate(user: "jane"))) { api in
                try await eventuallyTrue {
                    try await api.find(.configMaps, namespace: "default", name: "none") == nil
                }
                let error = await #expect(throws: APIError.self) {
                    try await api.apply(.configMaps, .configMap("a"), fieldManager: "tester")
                }
                #expect(error?.code == 403)
                #expect(
                    error?.message
                        == "configmaps \"a\" is forbidden: User \"jane\" cannot create resource \"configmaps\" in API "
                        + "group \"\" in the namespace \"default\""
                )
                try await cluster.api.create(.configMaps, .configMap("a"))
                try await api.apply(.configMaps, .configMap("a", data: ["k": "v"]), fieldManager: "tester")
                let lease = KubeObject(.leases, namespace: "default", name: "l", body: ["spec": [:]])
                let refused = await #expect(throws: APIError.self) { try await api.update(.leases, lease) }
                #expect(refused?.code == 403)
            }
        }
    }

    @Test func `Who blocks an owner's deletion must be allowed to update its finalizers`() async throws {
        try await TestCluster.run { cluster in
            try await grant(
                cluster,
                user: "jane",
                name: "owner",
                [rule([""], ["configmaps"], ["get", "create", "update", "delete"])]
            )
            let owner = try await cluster.api.create(.secrets, .secret("owner"))
            try await cluster.withClient(cluster.configuration(try cluster.certificate(user: "jane"))) { api in
                try await eventuallyTrue {
                    try await api.find(.configMaps, namespace: "default", name: "none") == nil
                }
                var owned = KubeObject.configMap("owned")
                owned.ownerReferences = [owner.controllerReference()]
                let given = owned
                let error = await #expect(throws: APIError.self) { try await api.create(.configMaps, given) }
                #expect(error?.code == 403)
                #expect(error?.message.contains("you can't set finalizers on") == true)
                owned.ownerReferences = [owner.controllerReference(blockOwnerDeletion: false)]
                try await api.create(.configMaps, owned)
            }
        }
    }

    @Test func `Rights that are not held cannot be granted, unless escalate or bind is`() async throws {
        try await TestCluster.run { cluster in
            let roles = rule(["rbac.authorization.k8s.io"], ["roles", "rolebindings"], ["create", "get", "update"])
            try await grant(cluster, user: "jane", name: "roles", [roles, rule([""], ["pods"], ["get"])])
            try await grant(
                cluster,
                user: "jane",
                name: "bind",
                [
                    [
                        "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["bind"],
                        "resourceNames": ["view"],
                    ]
                ]
            )
            try await cluster.withClient(cluster.configuration(try cluster.certificate(user: "jane"))) { api in
                func role(_ name: String, _ rule: JSON) -> KubeObject {
                    KubeObject(.roles, namespace: "default", name: name, body: ["rules": [rule]])
                }
                try await eventually { try await api.create(.roles, role("fine", rule([""], ["pods"], ["get"]))) }
                let error = await #expect(throws: APIError.self) {
                    try await api.create(.roles, role("more", rule([""], ["pods"], ["get", "delete"])))
                }
                #expect(
                    error?.message.hasSuffix("{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\"]}") == true
                )
                func binding(_ role: String) -> KubeObject {
                    let body: [String: JSON] = [
                        "roleRef": [
                            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": .string(role),
                        ], "subjects": [["kind": "User", "name": "joe"]],
                    ]
                    return KubeObject(.roleBindings, namespace: "default", name: role, body: body)
                }
                try await api.create(.roleBindings, binding("view"))
                await #expect(throws: APIError.self) { try await api.create(.roleBindings, binding("edit")) }
            }
        }
    }

    @Test func `A node's agent keeps to its own`() async throws {
        try await TestCluster.run { cluster in
            try await cluster.api.create(.serviceAccounts, .serviceAccount("default"))
            try await cluster.api.create(.nodes, .node("other"))
            try await cluster.api.create(.pods, .pod("mine", node: "n1"))
            try await cluster.api.create(.pods, .pod("theirs", node: "other"))
            let pair = try cluster.certificate(user: "system:node:n1", groups: ["system:nodes"])
            try await cluster.withClient(cluster.configuration(pair)) { api in
                try await api.create(.nodes, .node("n1"))
                let status: Patch = .merge(["status": ["phase": "Running"]])
                try await api.patch(.pods, ObjectKey(namespace: "default", name: "mine"), subresource: "status", status)
                func refused(_ body: () async throws -> Void) async -> String {
                    let error = await #expect(throws: APIError.self) { try await body() }
                    #expect(error?.code == 403)
                    return error?.message ?? ""
                }
                let theirs = await refused {
                    _ = try await api.patch(
                        .pods,
                        ObjectKey(namespace: "default", name: "theirs"),
                        subresource: "status",
                        status
                    )
                }
                #expect(theirs.contains("can only update pod status for pods with spec.nodeName set to itself"))
                let node = await refused {
                    _ = try await api.patch(
                        .nodes,
                        ObjectKey(name: "other"),
                        .merge(["metadata": ["labels": ["a": "b"]]])
                    )
                }
                #expect(node == "nodes \"other\" is forbidden: node \"n1\" is not allowed to modify node \"other\"")
                _ = await refused {
                    _ = try await api.patch(
                        .nodes,
                        ObjectKey(name: "n1"),
                        .merge(["metadata": ["labels": ["node-role.kubernetes.io/control-plane": ""]]])
                    )
                }
                _ = await refused { try await api.create(.pods, .pod("new", node: "n1")) }
                _ = await refused {
                    try await api.delete(.pods, namespace: "default", name: "theirs", options: DeleteOptions())
                }
                try await api.delete(
                    .pods,
                    namespace: "default",
                    name: "mine",
                    options: DeleteOptions(gracePeriodSeconds: 0)
                )
            }
        }
    }
}
