package import KubeCore

/// CustomResourceDefinitions of our own group.
package enum MLCRDs {
    package static let all: [KubeObject] = [
        definition(
            MLResources.amlJobs,
            required: ["jobId", "command", "environment", "compute"],
            columns: [
                column("Phase", ".status.phase"), column("Compute", ".spec.compute"),
                column("Reason", ".status.reason"), column("Age", ".metadata.creationTimestamp", type: "date"),
            ]
        ),
        definition(
            MLResources.instanceTypes,
            required: ["resources"],
            hasStatus: false,
            columns: [
                column("CPU", ".spec.resources.limits.cpu"), column("Memory", ".spec.resources.limits.memory"),
                column("Age", ".metadata.creationTimestamp", type: "date"),
            ]
        ),
        definition(
            MLResources.onlineEndpoints,
            required: ["authMode", "keysSecret"],
            columns: [
                column("State", ".status.provisioningState"), column("Scoring URI", ".status.scoringUri"),
                column("Age", ".metadata.creationTimestamp", type: "date"),
            ]
        ),
        definition(
            MLResources.onlineDeployments,
            required: ["endpointName", "deploymentName", "environment"],
            columns: [
                column("Endpoint", ".spec.endpointName"), column("State", ".status.provisioningState"),
                column("Ready", ".status.readyReplicas", type: "integer"), column("Reason", ".status.reason"),
                column("Age", ".metadata.creationTimestamp", type: "date"),
            ]
        ),
    ]

    private static func column(_ name: String, _ path: String, type: String = "string") -> JSON {
        ["name": .string(name), "jsonPath": .string(path), "type": .string(type)]
    }

    private static func definition(
        _ type: ResourceType,
        required: [String],
        hasStatus: Bool = true,
        columns: [JSON]
    ) -> KubeObject {
        var properties: [String: JSON] = [
            "spec": [
                "type": "object", "required": JSON(required), "x-kubernetes-preserve-unknown-fields": true,
            ]
        ]
        if hasStatus { properties["status"] = ["type": "object", "x-kubernetes-preserve-unknown-fields": true] }
        let schema: JSON = ["type": "object", "required": ["spec"], "properties": .object(properties)]
        var version: [String: JSON] = [
            "name": .string(type.version), "served": true, "storage": true, "schema": ["openAPIV3Schema": schema],
            "additionalPrinterColumns": .array(columns),
        ]
        if hasStatus { version["subresources"] = ["status": [:]] }
        let names: JSON = [
            "plural": .string(type.plural), "singular": .string(type.kind.lowercased()), "kind": .string(type.kind),
            "listKind": .string(type.kind + "List"), "categories": ["azureml"],
        ]
        let spec: JSON = [
            "group": .string(type.group), "scope": .string(type.isNamespaced ? "Namespaced" : "Cluster"),
            "names": names, "versions": [.object(version)],
        ]
        return KubeObject(
            .customResourceDefinitions,
            name: type.groupResource,
            labels: [MLLabels.managedBy: "outrigger"],
            body: ["spec": spec]
        )
    }
}
