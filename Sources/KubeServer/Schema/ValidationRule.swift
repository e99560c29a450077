internal import KubeCore

/// One `x-kubernetes-validations` rule.
struct ValidationRule: Sendable {
    /// nil after adding to `errors` what keeps the rule from being compiled: rules are never skipped.
    init?(_ json: JSON, path: String, errors: inout [FieldError]) {
        errors.append(
            FieldError(path + ".rule", .invalid, "CEL rules are not supported", badValue: json["rule"]))
        return nil
    }

    func check(_ value: JSON, old: JSON?, path: String) -> FieldError? { nil }
}
