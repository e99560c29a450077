package import KubeCore

extension Schema {
    /// Dotted paths of fields that the type does not have, for strict field validation.
    package func unknownFields(_ value: JSON) -> [String] { [] }

    /// Drops unknown fields and the nulls that mean "not set".
    package func prune(_ value: inout JSON) {}

    /// Fills in defaults and brings quantities and times into their canonical form.
    package func applyDefaults(_ value: inout JSON) {}

    /// Type errors, and for custom resources all value rules. `old` enables ratcheting and transition rules.
    package func validate(_ value: JSON, path: String = "", old: JSON? = nil) -> [FieldError] { [] }
}
