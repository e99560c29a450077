internal import KubeCore

/// What the agent may not do and will have to.
enum PermissionChecker {
    private static let named = 8

    static func run(_ input: HealthInput) throws -> [HealthCheck] {
        let checked = "the agent may do on the cluster what the operation takes"
        let missing = try input.observation.missingPermissions.get()
        guard let first = missing.first else {
            return [.passed("permissions", checked: checked, found: "nothing is missing")]
        }
        let list = missing.prefix(named).map(\.description).joined(separator: "; ")
        let more = missing.count > named ? "; and \(missing.count - named) more" : ""
        return [
            .failed(
                "permissions",
                .permissionMissing,
                checked: checked,
                found: "the agent\(input.observation.user.map { " ('\($0)')" } ?? "") may not: \(list)\(more)",
                fix:
                    "Connect the cluster again with an administrator's kubeconfig, or grant each, for the first with \(first.grant(to: input.observation.user))"
            )
        ]
    }
}
