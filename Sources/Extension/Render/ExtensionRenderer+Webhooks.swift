internal import KubeCore

extension ExtensionRenderer {
    /// Webhooks of the built-in Volcano.
    ///
    /// They may fail: its controllers check jobs again, and training must not stop with them.
    var webhooks: [RenderedObject] {
        guard usesBuiltInVolcano, !input.componentCA.isEmpty else { return [] }
        let component = ComponentCatalogue.volcanoAdmission
        let service = component.services[0].name
        func hook(_ name: String, _ path: String, _ rules: [JSON], _ more: [String: JSON] = [:]) -> JSON {
            let client: JSON = [
                "caBundle": .string(Base64.encode(input.componentCA)),
                "service": [
                    "namespace": .string(Self.namespace), "name": .string(service), "path": .string(path), "port": 443,
                ],
            ]
            let members: [String: JSON] = [
                "name": .string(name), "clientConfig": client, "rules": .array(rules), "failurePolicy": "Ignore",
                "matchPolicy": "Equivalent", "sideEffects": "None", "timeoutSeconds": 5,
                "admissionReviewVersions": ["v1"],
            ]
            return .object(members.merging(more) { $1 })
        }
        func rule(_ group: String, _ version: String, _ resource: String, _ operations: [String]) -> JSON {
            [
                "apiGroups": [.string(group)], "apiVersions": [.string(version)], "resources": [.string(resource)],
                "operations": JSON(operations), "scope": "*",
            ]
        }
        func object(_ type: ResourceType, _ name: String, _ hook: JSON) -> RenderedObject {
            RenderedObject(
                type,
                KubeObject(type, name: name, labels: labels(component), body: ["webhooks": [hook]])
            )
        }
        let batch = ComponentCatalogue.volcanoBatch
        return [
            object(
                .mutatingWebhookConfigurations,
                service + "-jobs-mutate",
                hook(
                    "mutatejob.volcano.sh",
                    "/jobs/mutate",
                    [rule(batch, "v1alpha1", "jobs", ["CREATE"])],
                    ["reinvocationPolicy": "Never"]
                )
            ),
            object(
                .validatingWebhookConfigurations,
                service,
                hook(
                    "validate.volcano.sh",
                    "/validate",
                    [
                        rule(batch, "v1alpha1", "jobs", ["CREATE", "UPDATE"]),
                        rule(ComponentCatalogue.volcanoScheduling, "v1beta1", "queues", ["DELETE"]),
                    ]
                )
            ),
        ]
    }
}
