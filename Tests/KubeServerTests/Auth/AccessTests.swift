import KubeClient
import KubeCore
import KubeServer
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1))) struct AccessTests {
    private let clusterRoleBinding = ResourceType.clusterRoleBindings

    private func bind(_ cluster: TestCluster, role: String, user: String, namespace: String? = nil) async throws {
        let body: [String: JSON] = [
            "roleRef": ["apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": .string(role)],
            "subjects": [["apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": .string(user)]],
        ]
        let type: ResourceType = namespace == nil ? .clusterRoleBindings : .roleBindings
        try await cluster.api.create(type, KubeObject(type, namespace: namespace, name: "\(user)-\(role)", body: body))
    }

    @Test func `Users without rights are refused until a binding gives them some`() async throws {
        try await TestCluster.run { cluster in
            let jane = cluster.configuration(try cluster.certificate(user: "jane"))
            try await cluster.withClient(jane) { api in
                let refusal = await #expect(throws: APIError.self) { try await api.list(.pods, namespace: "default") }
                #expect(refusal?.code == 403)
                #expect(
                    refusal?.message
                        == "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
                )
                try await bind(cluster, role: "view", user: "jane", namespace: "default")
                try await eventually { try await api.list(.pods, namespace: "default").items.count }
                await #expect(throws: APIError.self) { try await api.list(.secrets, namespace: "default") }
                await #expect(throws: APIError.self) { try await api.list(.pods) }
            }
        }
    }

    @Test func `Without a certificate only health and version are open`() async throws {
        try await TestCluster.run { cluster in
            var anonymous = cluster.configuration()
            anonymous.clientCertificate = nil
            try await cluster.withClient(anonymous) { api in
                let version = try await api.serverVersion().major
                #expect(version == "1")
                let refusal = await #expect(throws: APIError.self) { try await api.list(.namespaces) }
                #expect(refusal?.message.contains("system:anonymous") == true)
                #expect(refusal?.code == 403)
            }
            let wrong = cluster.configuration(token: "nonsense")
            try await cluster.withClient(wrong) { api in
                let refusal = await #expect(throws: APIError.self) { try await api.serverVersion() }
                #expect(refusal?.code == 401)
            }
        }
    }

    @Test func `A certificate of another authority does not get in`() async throws {
        try await TestCluster.run { cluster in
            let other = try PKI.authority(commonName: "other")
            let pair = try PKI.clientCertificate(
                authority: other,
                commonName: "admin",
                organizations: ["system:masters"]
            )
            try await cluster.withClient(cluster.configuration(pair)) { api in
                await #expect(throws: (any Error).self) { try await api.list(.namespaces) }
            }
        }
    }

    @Test func `A service account's token works until the account is gone`() async throws {
        try await TestCluster.run { cluster in
            try await cluster.api.create(.serviceAccounts, .serviceAccount("robot"))
            let request = KubeObject([
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": ["expirationSeconds": 600],
            ])
            let answer = try await cluster.withClient { api in
                try await api.create(
                    .serviceAccounts,
                    namespace: "default",
                    name: "robot",
                    subresource: "token",
                    object: request,
                    options: WriteOptions()
                )
            }
            let token = answer["status", "token"]?.stringValue ?? ""
            try await cluster.withClient(cluster.configuration(token: token)) { api in
                let review = try await api.rawJSON(
                    method: "POST",
                    path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                    body: [:]
                )
                let user = review[path: "status", "userInfo"]
                #expect(user?["username"] == "system:serviceaccount:default:robot")
                try await cluster.api.delete(
                    .serviceAccounts,
                    namespace: "default",
                    name: "robot",
                    options: DeleteOptions()
                )
                let refusal = await #expect(throws: APIError.self) { try await api.serverVersion() }
                #expect(refusal?.code == 401)
            }
        }
    }

    @Test func `Token reviews look at audiences`() async throws {
        try await TestCluster.run { cluster in
            try await cluster.api.create(.serviceAccounts, .serviceAccount("robot"))
            let request = KubeObject([
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": ["audiences": ["vault"]],
            ])
            let answer = try await cluster.api.create(
                .serviceAccounts,
                namespace: "default",
                name: "robot",
                subresource: "token",
                object: request,
                options: WriteOptions()
            )
            let token = answer["status", "token"]?.stringValue ?? ""
            try await cluster.withClient { api in
                func review(_ audiences: [String]) async throws -> JSON? {
                    let spec: JSON = ["token": .string(token), "audiences": JSON(audiences)]
                    return try await api.rawJSON(
                        method: "POST",
                        path: "/apis/authentication.k8s.io/v1/tokenreviews",
                        body: ["spec": spec]
                    )["status"]
                }
                let both = try await review(["vault", "x"])?["audiences"]
                #expect(both == ["vault"])
                let other = try await review(["x"])?["authenticated"]?.boolValue
                #expect(other != true)
                let own = try await review([])?["authenticated"]?.boolValue
                #expect(own != true)
            }
        }
    }

    @Test func `Nobody grants what they do not hold`() async throws {
        try await TestCluster.run { cluster in
            try await bind(cluster, role: "admin", user: "jane", namespace: "default")
            try await cluster.withClient(cluster.configuration(try cluster.certificate(user: "jane"))) { api in
                let allowed = KubeObject(
                    .roles,
                    namespace: "default",
                    name: "ok",
                    body: ["rules": [["apiGroups": [""], "resources": ["pods"], "verbs": ["get"]]]]
                )
                try await eventually { try await api.create(.roles, allowed) }
                let refused = KubeObject(
                    .roles,
                    namespace: "default",
                    name: "no",
                    body: ["rules": [["apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]]]]
                )
                let refusal = await #expect(throws: APIError.self) { try await api.create(.roles, refused) }
                #expect(refusal?.message.contains("is attempting to grant RBAC permissions not currently held") == true)
                let patch = await #expect(throws: APIError.self) {
                    try await api.patch(
                        .roles,
                        allowed.key,
                        .json([["op": "replace", "path": "/rules/0/resources/0", "value": "nodes"]])
                    )
                }
                #expect(patch?.code == 403)
            }
        }
    }

    @Test func `Access reviews answer for oneself and for others`() async throws {
        try await TestCluster.run { cluster in
            try await bind(cluster, role: "view", user: "jane")
            try await cluster.withClient { api in
                func ask(_ user: String, _ verb: String, _ resource: String) async throws -> Bool? {
                    let spec: JSON = [
                        "user": .string(user),
                        "resourceAttributes": [
                            "verb": .string(verb), "resource": .string(resource), "namespace": "default",
                        ],
                    ]
                    return try await api.rawJSON(
                        method: "POST",
                        path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                        body: ["spec": spec]
                    )[
                        path: "status",
                        "allowed"
                    ]?.boolValue
                }
                try await eventuallyTrue { try await ask("jane", "get", "pods") == true }
                let mayDelete = try await ask("jane", "delete", "pods")
                #expect(mayDelete == false)
                let maySee = try await ask("jane", "get", "secrets")
                #expect(maySee == false)
            }
            var acting = cluster.configuration()
            acting.impersonatedUser = "jane"
            try await cluster.withClient(acting) { api in
                _ = try await api.list(.pods)
                let refusal = await #expect(throws: APIError.self) { try await api.list(.secrets) }
                #expect(refusal?.message.contains("User \"jane\"") == true)
            }
            var forbidden = cluster.configuration(try cluster.certificate(user: "jane"))
            forbidden.impersonatedUser = "bob"
            try await cluster.withClient(forbidden) { api in
                let refusal = await #expect(throws: APIError.self) { try await api.list(.pods) }
                #expect(refusal?.message.contains("cannot impersonate resource \"users\"") == true)
            }
        }
    }

    @Test func `Aggregated roles follow the roles they select`() async throws {
        try await TestCluster.run { cluster in
            let role = KubeObject(
                .clusterRoles,
                name: "ml-view",
                labels: ["rbac.authorization.k8s.io/aggregate-to-view": "true"],
                body: ["rules": [["apiGroups": ["ml"], "resources": ["jobs"], "verbs": ["get"]]]]
            )
            try await cluster.api.create(.clusterRoles, role)
            try await eventuallyTrue {
                let view = try await cluster.api.get(.clusterRoles, name: "view")
                return view["rules"]?.arrayValue?.contains { $0["apiGroups"] == ["ml"] } ?? false
            }
        }
    }
}
