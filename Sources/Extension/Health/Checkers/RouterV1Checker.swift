internal import KubeCore

/// E45004 and E45005: remains of the first router, which had the same name.
enum RouterV1Checker {
    static let role = "azureml-fe-role"
    static let binding = "azureml-fe-binding"
    private static let deployment = "azureml-fe"
    private static let upgradeAnnotation = "azureml-fe-enable-upgrade"

    static func run(_ input: HealthInput) throws -> [HealthCheck] {
        guard input.settings.enableInference else { return [] }
        return [try roles(input), try deployments(input)]
    }

    private static func roles(_ input: HealthInput) throws -> HealthCheck {
        let checked = "no ClusterRole '\(role)' or binding '\(binding)' of the first router is in use"
        let isForeign = { (object: KubeObject) in
            object.labels[ExtensionRenderer.managedByLabel] != ExtensionRenderer.fieldManager
        }
        let foundRole = try input.observation.routerV1Role.get().map(isForeign) ?? false
        let foundBinding = try input.observation.routerV1Binding.get().flatMap { isForeign($0) ? $0 : nil }
        guard foundRole || foundBinding != nil else {
            return .passed("routerRole", checked: checked, found: "there is none")
        }
        let subjects = (foundBinding?["subjects"]?.arrayValue ?? []).map { subject in
            [subject["kind"], subject["namespace"], subject["name"]].compactMap { $0?.stringValue }
                .joined(separator: "/")
        }
        return .warning(
            "routerRole",
            .routerRoleConflict,
            checked: checked,
            found: "there is one" + (subjects.isEmpty ? "" : ", held by \(subjects.joined(separator: ", "))"),
            fix: "When the first router is no more: `kubectl delete clusterrole/\(role) clusterrolebinding/\(binding)`"
        )
    }

    private static func deployments(_ input: HealthInput) throws -> HealthCheck {
        let checked = "no deployment '\(deployment)' of the first router runs"
        let found = try input.observation.deployments.get().first { object in
            object.name == deployment
                && object.labels[ExtensionRenderer.managedByLabel] != ExtensionRenderer.fieldManager
                && object.annotations[upgradeAnnotation]?.lowercased() != "true"
        }
        guard let found else { return .passed("routerDeployment", checked: checked, found: "there is none") }
        return .warning(
            "routerDeployment",
            .routerDeploymentConflict,
            checked: checked,
            found: "one runs in namespace \(found.namespace ?? "")",
            fix: "Remove it when it serves nobody, or annotate it \(upgradeAnnotation)=true to let it be replaced"
        )
    }
}
