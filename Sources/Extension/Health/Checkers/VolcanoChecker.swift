internal import KubeCore
internal import MLTypes

/// Volcano: there when the extension is to use the cluster's own, and not there twice.
enum VolcanoChecker {
    private static let definitions = [
        MLResources.volcanoJobs, MLResources.podGroups, MLResources.queues,
    ].map(\.groupResource)

    /// Kinds whose definitions the observer has to fetch.
    static let names = definitions

    static func run(_ input: HealthInput) throws -> [HealthCheck] {
        guard input.settings.enableTraining else { return [] }
        let scheduler = try scheduler(input)
        return input.settings.installVolcano ? conflict(scheduler) : try reuse(scheduler, input)
    }

    /// A scheduler of Volcano's that is not the extension's.
    private static func scheduler(_ input: HealthInput) throws -> KubeObject? {
        try input.observation.deployments.get().first { deployment in
            deployment.labels[ExtensionRenderer.managedByLabel] != ExtensionRenderer.fieldManager
                && PodTemplateImages.of(deployment).contains { $0.contains("vc-scheduler") }
        }
    }

    private static func version(_ scheduler: KubeObject) -> String {
        PodTemplateImages.of(scheduler).compactMap(PodTemplateImages.tag).first ?? "of an unknown version"
    }

    private static func conflict(_ scheduler: KubeObject?) -> [HealthCheck] {
        let checked = "there is no other Volcano beside the one that is installed (installVolcano)"
        guard let scheduler else { return [.passed("installVolcano", checked: checked, found: "there is none")] }
        return [
            .failed(
                "installVolcano",
                .volcanoConflict,
                checked: checked,
                found:
                    "Volcano \(version(scheduler)) runs already (deployment \(scheduler.key)); two would schedule each other's pods",
                fix: "Set installVolcano=False to use it, or remove it"
            )
        ]
    }

    private static func reuse(_ scheduler: KubeObject?, _ input: HealthInput) throws -> [HealthCheck] {
        let checked = "the cluster has a Volcano to use (installVolcano=False)"
        let fix = "Install Volcano, or set installVolcano=True"
        let missing = try definitions.filter { try input.observation.definition($0) == nil }
        guard missing.isEmpty else {
            return [
                .failed(
                    "installVolcano",
                    .volcanoNotFound,
                    checked: checked,
                    found: "the definitions \(missing.joined(separator: ", ")) are not there",
                    fix: fix
                )
            ]
        }
        guard let scheduler else {
            return [
                .failed(
                    "installVolcano",
                    .volcanoNotFound,
                    checked: checked,
                    found: "its definitions are there, but no deployment runs its scheduler",
                    fix: fix
                )
            ]
        }
        let state = ComponentReadiness.evaluate(name: scheduler.name, deployment: scheduler, pods: [])
        guard state.isReady else {
            return [
                .failed(
                    "installVolcano",
                    .volcanoNotFound,
                    checked: checked,
                    found:
                        "the scheduler of Volcano \(version(scheduler)) (deployment \(scheduler.key)) is not ready: \(state.message)",
                    fix: "Mend it, or set installVolcano=True after removing it"
                )
            ]
        }
        return [
            .passed(
                "installVolcano",
                checked: checked,
                found: "Volcano \(version(scheduler)), deployment \(scheduler.key), is used",
                isNotable: true
            )
        ]
    }
}
