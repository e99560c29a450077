/// What users have that stops working, or is lost, with the extension.
enum UserObjectChecker {
    static func run(_ input: HealthInput) throws -> [HealthCheck] {
        let checked = "no jobs, endpoints or deployments depend on the extension"
        let counts = try input.observation.userObjects.get().filter { $0.value > 0 }
        guard !counts.isEmpty else { return [.passed("users", checked: checked, found: "none do")] }
        let list = counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        return [
            .warning(
                "users",
                .inUse,
                checked: checked,
                found: list,
                fix: "They stay, but nobody looks after them; with --purge they are deleted"
            )
        ]
    }
}
