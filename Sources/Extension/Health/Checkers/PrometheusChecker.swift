internal import KubeCore

/// E45002: Prometheus operators: not two, and one when the cluster's own is to be used.
enum PrometheusChecker {
    static let definition = "prometheuses.monitoring.coreos.com"

    static func run(_ input: HealthInput) throws -> [HealthCheck] {
        let other = try input.observation.deployments.get().first(where: isForeign)
        let isInstalled = input.render.availability(ComponentCatalogue.prometheusOperator)
        let version = other.map { PodTemplateImages.of($0).compactMap(PodTemplateImages.tag).first ?? "?" } ?? ""
        if input.settings.installPromOp {
            let checked = "there is no other Prometheus operator beside the one that is installed (installPromOp)"
            guard let other else {
                return [.passed("installPromOp", checked: checked, found: "there is none")]
            }
            if case .absent = isInstalled {
                return [
                    .passed(
                        "installPromOp",
                        checked: checked,
                        found: "one runs (\(version), deployment \(other.key)), and none is installed here"
                    )
                ]
            }
            return [
                .warning(
                    "installPromOp",
                    .prometheusConflict,
                    checked: checked,
                    found: "operator \(version) runs already (deployment \(other.key)); two reconcile the same objects",
                    fix: "Set installPromOp=False to use it"
                )
            ]
        }
        let checked = "the cluster has a Prometheus operator to use (installPromOp=False)"
        let hasDefinition = try input.observation.definition(definition) != nil
        guard let other, hasDefinition else {
            return [
                .warning(
                    "installPromOp",
                    .prometheusConflict,
                    checked: checked,
                    found: other == nil ? "none was found" : "one runs, but the definition \(definition) is missing",
                    fix: "Install one, or set installPromOp=True; until then metrics of jobs are not collected"
                )
            ]
        }
        return [
            .passed(
                "installPromOp",
                checked: checked,
                found: "operator \(version), deployment \(other.key), is used",
                isNotable: true
            )
        ]
    }

    private static func isForeign(_ deployment: KubeObject) -> Bool {
        deployment.labels[ExtensionRenderer.managedByLabel] != ExtensionRenderer.fieldManager
            && PodTemplateImages.of(deployment).contains { ImageName($0).path.hasSuffix("prometheus-operator") }
    }
}
