import KubeCore
import Testing

@testable import KubeServer

@Suite struct RBACIndexTests {
    private func role(
        _ name: String,
        namespace: String? = nil,
        labels: [String: String] = [:],
        _ rules: [PolicyRule]
    ) -> KubeObject {
        KubeObject(
            namespace == nil ? .clusterRoles : .roles,
            namespace: namespace,
            name: name,
            labels: labels,
            body: ["rules": .array(rules.map(\.json))]
        )
    }

    private func binding(
        _ name: String,
        namespace: String? = nil,
        role: String,
        kind: String = "ClusterRole",
        subject: JSON
    ) -> KubeObject {
        KubeObject(
            namespace == nil ? .clusterRoleBindings : .roleBindings,
            namespace: namespace,
            name: name,
            body: [
                "roleRef": ["apiGroup": "rbac.authorization.k8s.io", "kind": .string(kind), "name": .string(role)],
                "subjects": [subject],
            ]
        )
    }

    private func asks(
        _ user: RequestUser,
        _ verb: String,
        _ resource: String,
        group: String = "",
        namespace: String = "",
        name: String = "",
        subresource: String = ""
    ) -> AuthorizationAttributes {
        AuthorizationAttributes(
            user: user,
            verb: verb,
            isResource: true,
            group: group,
            version: "v1",
            resource: resource,
            subresource: subresource,
            namespace: namespace,
            name: name
        )
    }

    private let jane = RequestUser(name: "jane", groups: ["devs", "system:authenticated"])

    @Test func `A binding in a namespace grants there only`() {
        var index = RBACIndex()
        let reader = role("reader", [PolicyRule(["get", "list"], ["pods", "pods/log"])])
        index.setClusterRole("reader", reader)
        let grant = binding("b", namespace: "a", role: "reader", subject: ["kind": "Group", "name": "devs"])
        index.setBinding(grant.key, grant)
        #expect(index.decide(asks(jane, "get", "pods", namespace: "a")).isAllowed)
        #expect(index.decide(asks(jane, "get", "pods", namespace: "a", subresource: "log")).isAllowed)
        #expect(!index.decide(asks(jane, "get", "pods", namespace: "a", subresource: "exec")).isAllowed)
        #expect(!index.decide(asks(jane, "get", "pods", namespace: "b")).isAllowed)
        #expect(!index.decide(asks(jane, "list", "pods")).isAllowed)
        #expect(!index.decide(asks(jane, "get", "pods", group: "apps", namespace: "a")).isAllowed)
        index.setBinding(grant.key, nil)
        #expect(!index.decide(asks(jane, "get", "pods", namespace: "a")).isAllowed)
    }

    @Test func `Names, stars and subresource stars narrow and widen`() {
        let named = PolicyRule(["get"], ["secrets"], names: ["one"])
        #expect(named.allows(asks(jane, "get", "secrets", name: "one")))
        #expect(!named.allows(asks(jane, "get", "secrets", name: "two")))
        #expect(!named.allows(asks(jane, "list", "secrets")))
        let scales = PolicyRule(["*"], groups: ["*"], ["*/scale"])
        #expect(scales.allows(asks(jane, "update", "deployments", group: "apps", subresource: "scale")))
        #expect(!scales.allows(asks(jane, "update", "deployments", group: "apps")))
        let everything = PolicyRule(["*"], groups: ["*"], ["*"])
        #expect(everything.allows(asks(jane, "delete", "x", group: "y", subresource: "z")))
        var path = AuthorizationAttributes(user: jane, verb: "get", isResource: false)
        path.path = "/healthz/etcd"
        #expect(PolicyRule(["get"], urls: ["/healthz/*"]).allows(path))
        #expect(!PolicyRule(["get"], urls: ["/healthz"]).allows(path))
        #expect(!everything.allows(path))
    }

    @Test func `Service accounts are subjects by namespace and name`() {
        var index = RBACIndex()
        let own = role("r", namespace: "a", [PolicyRule(["create"], ["events"])])
        index.setRole(own.key, own)
        let grant = binding(
            "b",
            namespace: "a",
            role: "r",
            kind: "Role",
            subject: ["kind": "ServiceAccount", "name": "robot", "namespace": "c"]
        )
        index.setBinding(grant.key, grant)
        let robot = RequestUser(name: "system:serviceaccount:c:robot", groups: ["system:serviceaccounts"])
        #expect(index.decide(asks(robot, "create", "events", namespace: "a")).isAllowed)
        #expect(!index.decide(asks(robot, "create", "events", namespace: "c")).isAllowed)
    }

    @Test func `A role that does not exist is named in the refusal`() {
        var index = RBACIndex()
        let grant = binding("b", role: "lost", subject: ["kind": "User", "name": "jane"])
        index.setBinding(grant.key, grant)
        let decision = index.decide(asks(jane, "get", "pods"))
        #expect(decision.problems == ["clusterrole.rbac.authorization.k8s.io \"lost\" not found"])
        let error = asks(jane, "get", "pods").forbidden(detail: Authorizer.detail(decision.problems))
        #expect(
            error.message
                == "pods is forbidden: User \"jane\" cannot get resource \"pods\" in API group \"\" at the cluster scope: "
                + "RBAC: clusterrole.rbac.authorization.k8s.io \"lost\" not found"
        )
    }

    @Test func `Refusals read as upstream's`() {
        let one = asks(jane, "delete", "deployments", group: "apps", namespace: "x", name: "web").forbidden()
        #expect(
            one.message
                == "deployments.apps \"web\" is forbidden: User \"jane\" cannot delete resource \"deployments\" in API group "
                + "\"apps\" in the namespace \"x\""
        )
        var path = AuthorizationAttributes(user: .anonymous, verb: "get", isResource: false)
        path.path = "/metrics"
        #expect(path.forbidden().message == "forbidden: User \"system:anonymous\" cannot get path \"/metrics\"")
    }

    @Test func `Aggregated roles take in what their selectors find, also through each other`() {
        var index = RBACIndex()
        for entry in BootstrapRoles.entries { index.setClusterRole(entry.name, entry.role) }
        let extra = role(
            "crd-view",
            labels: ["rbac.authorization.k8s.io/aggregate-to-view": "true"],
            [PolicyRule(["get"], groups: ["ml"], ["jobs"])]
        )
        index.setClusterRole("crd-view", extra)
        for name in ["view", "edit", "admin"] {
            let rules = index.aggregatedRules(name) ?? []
            #expect(rules.contains(PolicyRule(["get"], groups: ["ml"], ["jobs"])), "\(name)")
        }
        #expect(index.aggregatedRules("view")?.contains { $0.resources.contains("secrets") } == false)
        index.setClusterRole("crd-view", nil)
        #expect(index.aggregatedRules("admin")?.contains(PolicyRule(["get"], groups: ["ml"], ["jobs"])) == false)
    }

    @Test func `What a role grants beyond what is held is found piece by piece`() {
        let held = [PolicyRule(["get", "list"], ["pods"]), PolicyRule(["*"], groups: ["apps"], ["*"])]
        let wanted = [
            PolicyRule(["get", "watch"], ["pods"]), PolicyRule(["update"], groups: ["apps"], ["deployments/scale"]),
            PolicyRule(["get"], ["pods"], names: ["a"]),
        ]
        let excess = PolicyRule.excess(of: wanted, over: held)
        #expect(excess == [PolicyRule(["watch"], ["pods"])])
        #expect(excess.first?.refusalText == #"{APIGroups:[""], Resources:["pods"], Verbs:["watch"]}"#)
    }
}
