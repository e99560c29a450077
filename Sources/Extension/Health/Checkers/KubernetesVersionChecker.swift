/// Whether the cluster's version is one of those that are tested: the newest and the two before it.
enum KubernetesVersionChecker {
    static let newest = KubernetesVersion(major: 1, minor: 36)
    private static let span = 2

    static func run(_ input: HealthInput) throws -> [HealthCheck] {
        let oldest = KubernetesVersion(major: newest.major, minor: newest.minor - span)
        let checked = "Kubernetes is \(oldest) to \(newest)"
        guard let text = try input.observation.kubernetesVersion.get(), let version = KubernetesVersion(text) else {
            return [
                .warning(
                    "kubernetesVersion",
                    .kubernetesVersion,
                    checked: checked,
                    found: "the cluster does not say its version",
                    fix: "Make sure that it is \(oldest) or newer"
                )
            ]
        }
        guard version >= oldest, version <= newest else {
            return [
                .warning(
                    "kubernetesVersion",
                    .kubernetesVersion,
                    checked: checked,
                    found: "it is \(text), with which this version was not tested",
                    fix: version < oldest
                        ? "Upgrade the cluster" : "Upgrade the extension when there is a newer version"
                )
            ]
        }
        return [.passed("kubernetesVersion", checked: checked, found: text)]
    }
}
