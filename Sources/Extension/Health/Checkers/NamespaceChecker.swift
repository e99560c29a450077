internal import KubeCore

/// The components' namespace: not on its way out, and with security labels that let pods in; and that of jobs.
enum NamespaceChecker {
    static func run(_ input: HealthInput) throws -> [HealthCheck] {
        let name = ExtensionRenderer.namespace
        var checks: [HealthCheck] = []
        let namespace = try input.observation.namespace.get()
        if let namespace, namespace.isTerminating {
            let conditions = namespace["status", "conditions"]?.arrayValue ?? []
            let reasons = conditions.filter { $0["status"]?.stringValue == "True" }
                .compactMap { $0["message"]?.stringValue }.filter { !$0.isEmpty }
            checks.append(
                .warning(
                    "namespace",
                    .namespaceTerminating,
                    checked: "namespace \(name) can take objects",
                    found: "it is being deleted" + (reasons.isEmpty ? "" : ": " + reasons.joined(separator: "; ")),
                    fix: "Wait; the extension goes on when it is gone"
                )
            )
        } else {
            checks.append(
                .passed(
                    "namespace",
                    checked: "namespace \(name) can take objects",
                    found: namespace == nil ? "it will be made" : "it is there"
                )
            )
        }
        checks.append(components(input, namespace))
        if input.settings.enableTraining, let jobs = try input.observation.workloadNamespace.get() {
            checks.append(workloads(jobs))
        }
        return checks
    }

    private static let levels = ["privileged": 0, "baseline": 1, "restricted": 2]

    /// Labels that somebody else put on the namespace and that the extension's own replace.
    private static func components(_ input: HealthInput, _ namespace: KubeObject?) -> HealthCheck {
        let label = ExtensionRenderer.podSecurityLabel
        let wanted = input.objects.first { $0.type == .namespaces }?.object.labels[label] ?? "baseline"
        let checked = "Pod Security of namespace \(ExtensionRenderer.namespace) allows the components (\(wanted))"
        let isOurs = namespace?.labels[ExtensionRenderer.managedByLabel] == ExtensionRenderer.fieldManager
        guard !isOurs, let present = namespace?.labels[label], levels[present, default: 0] > levels[wanted, default: 1]
        else { return .passed("podSecurity", checked: checked, found: "it does") }
        return .warning(
            "podSecurity",
            .podSecurity,
            checked: checked,
            found: "somebody labelled it \(label)=\(present); the extension changes that to \(wanted)",
            fix: "If a policy puts the label back, make an exception for this namespace"
        )
    }

    /// Users' containers often run as root, which `restricted` forbids.
    private static func workloads(_ namespace: KubeObject) -> HealthCheck {
        let label = ExtensionRenderer.podSecurityLabel
        let checked = "Pod Security of namespace \(namespace.name) allows jobs (baseline)"
        guard let present = namespace.labels[label], levels[present, default: 0] > levels["baseline", default: 1] else {
            return .passed("jobNamespace", checked: checked, found: namespace.labels[label] ?? "no restriction")
        }
        return .warning(
            "jobNamespace",
            .podSecurity,
            checked: checked,
            found: "it is labelled \(label)=\(present), so pods whose image runs as root are refused",
            fix: "Give computes a namespace of their own, or label this one \(label)=baseline"
        )
    }
}
