import KubeCore
import Testing

@testable import KubeServer

struct OpenAPITests {
    private let kinds = BuiltInKinds.all

    @Test("Every reference of a document resolves")
    func references() throws {
        for document in OpenAPI.documents(kinds) {
            let json = try JSON(parsing: document.bytes)
            let schemas = json["components"]?["schemas"]?.objectValue ?? [:]
            var missing: Set<String> = []
            func walk(_ value: JSON) {
                switch value {
                case .object(let members):
                    if let target = members["$ref"]?.stringValue {
                        let name = String(target.dropFirst("#/components/schemas/".count))
                        if schemas[name] == nil { missing.insert(name) }
                    }
                    members.values.forEach(walk)
                case .array(let elements): elements.forEach(walk)
                default: break
                }
            }
            walk(json)
            #expect(missing.isEmpty, "\(document.path)")
        }
    }

    @Test("What kubectl looks for: kinds on operations and schemas, fieldValidation, merge keys")
    func kubectl() throws {
        let document = try JSON(parsing: OpenAPI.document(group: "apps", version: "v1", kinds).bytes)
        let patch = document["paths"]?["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]?["patch"]
        #expect(patch?["x-kubernetes-group-version-kind"] == ["group": "apps", "version": "v1", "kind": "Deployment"])
        #expect(
            patch?["parameters"]?.arrayValue?.contains { $0["name"] == "fieldValidation" && $0["in"] == "query" }
                == true
        )
        let schemas = document["components"]?["schemas"]
        #expect(
            schemas?["io.k8s.api.apps.v1.Deployment"]?["x-kubernetes-group-version-kind"] == [
                ["group": "apps", "version": "v1", "kind": "Deployment"]
            ]
        )
        let containers = schemas?["io.k8s.api.core.v1.PodSpec"]?["properties"]?["containers"]
        #expect(containers?["x-kubernetes-patch-merge-key"] == "name")
        #expect(containers?["x-kubernetes-list-map-keys"] == ["name"])
        #expect(containers?["items"] == ["$ref": "#/components/schemas/io.k8s.api.core.v1.Container"])
    }

    @Test("The hash follows the content")
    func hash() {
        let first = OpenAPI.document(group: "batch", version: "v1", kinds)
        #expect(OpenAPI.document(group: "batch", version: "v1", kinds).hash == first.hash)
        #expect(OpenAPI.document(group: "apps", version: "v1", kinds).hash != first.hash)
        let index = OpenAPI.index([first])
        #expect(
            index["paths"]?["apis/batch/v1"]?["serverRelativeURL"]
                == .string("/openapi/v3/apis/batch/v1?hash=\(first.hash)")
        )
    }

    @Test("Discovery lists groups, resources and subresources")
    func discovery() {
        #expect(Discovery.groupList(kinds)["groups"]?.arrayValue?.contains { $0["name"] == "apps" } == true)
        #expect(Discovery.group("none", kinds) == nil)
        let core = Discovery.resourceList(group: "", version: "v1", kinds)
        let pods = core?["resources"]?.arrayValue?.first { $0["name"] == "pods" }
        #expect(pods?["shortNames"] == ["po"])
        let scale = Discovery.resourceList(group: "apps", version: "v1", kinds)?["resources"]?.arrayValue?
            .first { $0["name"] == "deployments/scale" }
        #expect(scale?["group"] == "autoscaling")
        let aggregated = Discovery.aggregated(kinds, core: true)
        let resources = aggregated["items"]?[0]?["versions"]?[0]?["resources"]?.arrayValue
        #expect(
            resources?.first { $0["resource"] == "pods" }?["responseKind"] == [
                "group": "", "version": "", "kind": "Pod",
            ]
        )
    }

    @Test("Versions are ordered by stability")
    func ranks() {
        let versions = ["foo", "v1alpha1", "v2", "v1beta2", "v1", "v2beta1", "v10"]
        #expect(
            versions.sorted { VersionRank($0) > VersionRank($1) } == [
                "v10", "v2", "v1", "v2beta1", "v1beta2", "v1alpha1", "foo",
            ]
        )
    }
}
