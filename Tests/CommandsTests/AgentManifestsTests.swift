internal import Extension
internal import KubeCore
internal import Testing

@testable import Commands

@Suite struct AgentManifestsTests {
    private func manifests(url: String = "https://cp:7443") -> AgentManifests {
        AgentManifests(
            identity: .init(
                clusterID: "/subscriptions/s/resourceGroups/g/providers/Microsoft.Kubernetes/connectedClusters/c",
                url: url,
                caPEM: "CA",
                privateKeyPEM: "KEY"
            ),
            image: "registry/outrigger:1",
            rules: [AgentRule("apps", ["deployments"], ["get", "patch"])]
        )
    }

    private func object(_ type: ResourceType) throws -> KubeObject {
        try #require(manifests().objects().first { $0.type == type }).object
    }

    @Test func `Objects come in the order in which they can be applied`() {
        let kinds = manifests().objects().map(\.type.kind)
        #expect(
            kinds == [
                "Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Secret",
                "Deployment",
            ]
        )
    }

    @Test func `Every object says who manages it`() {
        for object in manifests().objects() {
            #expect(object.object.labels[AgentManifests.managedByLabel] == AgentManifests.managedBy)
        }
    }

    @Test func `The pod passes the restricted Pod Security standard`() throws {
        let pod = try #require(try object(.deployments)["spec", "template", "spec"])
        #expect(pod[path: "securityContext", "runAsNonRoot"] == true)
        #expect(pod[path: "securityContext", "seccompProfile", "type"] == "RuntimeDefault")
        let containers = try #require(pod["containers"]?.arrayValue)
        for container in containers {
            #expect(container[path: "securityContext", "allowPrivilegeEscalation"] == false)
            #expect(container[path: "securityContext", "capabilities", "drop"] == ["ALL"])
            #expect(container[path: "securityContext", "readOnlyRootFilesystem"] == true)
            #expect(container[path: "resources", "limits", "memory"] != nil)
            #expect(container["readinessProbe"] != nil)
            #expect(container["livenessProbe"] != nil)
        }
        for volume in pod["volumes"]?.arrayValue ?? [] {
            #expect(volume["emptyDir"] != nil || volume["secret"] != nil)
        }
    }

    @Test func `The agent's files are in a Secret and nowhere else`() throws {
        let secret = try object(.secrets)
        let names = secret["data"]?.objectValue?.keys.sorted()
        #expect(names == ["ca.pem", "cluster-id", "private.pem", "url"])
        #expect(secret["data", "url"] == "aHR0cHM6Ly9jcDo3NDQz")
        for object in manifests().objects() where object.type != .secrets {
            #expect(!object.object.json.text.contains("KEY"))
        }
    }

    @Test func `Another identity starts the pod anew`() throws {
        func digest(_ manifests: AgentManifests) throws -> JSON {
            let deployment = try #require(manifests.objects().last).object
            return try #require(deployment["spec", "template", "metadata", "annotations"])
        }
        #expect(try digest(manifests()) == digest(manifests()))
        #expect(try digest(manifests()) != digest(manifests(url: "https://other:7443")))
    }

    @Test func `The selector is a part of the pod's labels`() throws {
        let deployment = try object(.deployments)
        let selector = try #require(deployment["spec", "selector", "matchLabels"]?.stringMap)
        let labels = try #require(deployment["spec", "template", "metadata", "labels"]?.stringMap)
        for (key, value) in selector { #expect(labels[key] == value) }
    }

    @Test func `Applying needs three rights for each object, deleting two`() {
        let objects = manifests().objects()
        #expect(AccessRight.applying(objects).count == objects.count * 3)
        #expect(AccessRight.deleting(objects).count == objects.count * 2)
        let right = AccessRight(verb: "create", group: "apps", resource: "deployments", namespace: "azure-arc")
        #expect(AccessRight.applying(objects).contains(right))
        #expect(right.description == "create deployments.apps in namespace azure-arc")
    }

    @Test func `What is granted is asked for one by one`() {
        let rules = [
            AgentRule("", ["pods", "pods/log"], ["get"]), AgentRule("", ["configmaps"], ["update"], names: ["a", "b"]),
        ]
        let rights = AccessRight.granting(rules)
        #expect(rights.count == 4)
        let log = rights.first { $0.resource == "pods/log" }
        #expect(log?.review["spec", "resourceAttributes", "subresource"] == "log")
        #expect(log?.review["spec", "resourceAttributes", "resource"] == "pods")
    }

    @Test func `A key survives its text form`() throws {
        let key = AgentKey()
        let again = try AgentKey(pem: key.privatePEM)
        #expect(again.publicKeyText == key.publicKeyText)
        #expect(throws: CommandError.self) { try AgentKey(pem: "garbage") }
    }
}
