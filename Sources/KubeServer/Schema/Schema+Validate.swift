package import KubeCore

extension Schema {
    /// Everything that is wrong with a value by its type.
    ///
    /// Custom resources: all rules of their schema; `old` turns on ratcheting (what an update leaves unchanged is not
    /// complained about) and transition rules. Built-in kinds: JSON types, and in the specs of workloads and the like required
    /// fields and enumerations; what else they demand is their strategy's.
    package func validate(_ value: JSON, path: String = "", old: JSON? = nil) -> [FieldError] {
        if let constraint {
            var errors: [FieldError] = []
            if let metadata = value["metadata"] {
                BuiltInSchemas.objectMeta?.collectTypeErrors(metadata, path: "metadata", &errors)
            }
            var checker = ConstraintChecker()
            checker.check(value, constraint, path: path, old: old)
            return errors + checker.errors
        }
        var errors: [FieldError] = []
        collectTypeErrors(value, path: path, &errors)
        guard errors.isEmpty, let name, Schema.checkedKinds.contains(name) else { return errors }
        for key in ["spec", "template", "webhooks"] {
            guard let field = fields[key], let child = value[key] else { continue }
            field.schema.collectRuleErrors(child, path: path.isEmpty ? key : path + "." + key, &errors)
        }
        return errors
    }

    /// Kinds whose spec upstream validates throughout; the status of no kind is.
    private static let checkedKinds: Set<String> = [
        "core.v1.Pod", "core.v1.PodTemplate", "core.v1.ReplicationController", "core.v1.Service",
        "core.v1.PersistentVolume", "core.v1.PersistentVolumeClaim", "apps.v1.Deployment", "apps.v1.ReplicaSet",
        "apps.v1.StatefulSet", "apps.v1.DaemonSet", "batch.v1.Job", "batch.v1.CronJob", "networking.v1.NetworkPolicy",
        "admissionregistration.v1.MutatingWebhookConfiguration",
        "admissionregistration.v1.ValidatingWebhookConfiguration",
    ]

    /// Marked as required upstream for its clients, not by its validation.
    private static let leniently: Set<String> = ["serviceName", "status", "from", "ports"]

    private func collectRuleErrors(_ value: JSON, path: String, _ errors: inout [FieldError]) {
        switch (form, value) {
        case (.object, .object(let members)):
            // In order, so that messages are stable.
            for field in fields.values.sorted(by: { $0.name < $1.name }) {
                let childPath = path + "." + field.name
                guard let child = members[field.name] else {
                    let isChecked = field.isRequired && field.schema.form != .integer && field.schema.form != .boolean
                    if isChecked, !Schema.leniently.contains(field.name) {
                        errors.append(FieldError(childPath, .required))
                    }
                    continue
                }
                if field.isRequired, child == "", !Schema.leniently.contains(field.name) {
                    errors.append(FieldError(childPath, .required))
                } else if field.isRequired, child == [], field.name == "containers" {
                    errors.append(FieldError(childPath, .required))
                } else if !field.enumeration.isEmpty {
                    collectEnumErrors(child, field, path: childPath, &errors)
                } else {
                    field.schema.collectRuleErrors(child, path: childPath, &errors)
                }
            }
        case (.list, .array(let elements)):
            for (index, child) in elements.enumerated() {
                element?.collectRuleErrors(child, path: "\(path)[\(index)]", &errors)
            }
        case (.map, .object(let members)):
            guard element?.form == .object else { return }
            for (key, child) in members { element?.collectRuleErrors(child, path: "\(path)[\(key)]", &errors) }
        default: break
        }
    }

    private func collectEnumErrors(_ value: JSON, _ field: Field, path: String, _ errors: inout [FieldError]) {
        func check(_ text: String, _ path: String) {
            guard !field.enumeration.contains(text), !text.isEmpty else { return }
            let list = field.enumeration.sorted().map { "\"\($0)\"" }.joined(separator: ", ")
            errors.append(FieldError(path, .notSupported, "supported values: \(list)", badValue: .string(text)))
        }
        switch value {
        case .string(let text): check(text, path)
        case .array(let elements):
            for (index, element) in elements.enumerated() {
                if let text = element.stringValue { check(text, "\(path)[\(index)]") }
            }
        default: break
        }
    }

    private func collectTypeErrors(_ value: JSON, path: String, _ errors: inout [FieldError]) {
        if value.isNull { return }
        switch (form, value) {
        case (.object, .object(let members)):
            for (key, child) in members {
                fields[key]?.schema.collectTypeErrors(child, path: path.isEmpty ? key : path + "." + key, &errors)
            }
        case (.map, .object(let members)):
            guard let element else { return }
            for (key, child) in members { element.collectTypeErrors(child, path: "\(path)[\(key)]", &errors) }
        case (.list, .array(let elements)):
            guard let element else { return }
            for (index, child) in elements.enumerated() {
                element.collectTypeErrors(child, path: "\(path)[\(index)]", &errors)
            }
        default:
            guard let problem = scalarError(value) else { return }
            errors.append(FieldError(path, .typeInvalid, problem, badValue: value))
        }
    }

    /// What is wrong with a scalar (or with an object where none belongs); nil when nothing is.
    private func scalarError(_ value: JSON) -> String? {
        switch (form, value) {
        case (.string, .string(let text)): return stringError(text)
        case (.string, .int), (.string, .double):
            return format == .quantity ? nil : "must be a string, not a number"
        case (.integer, .int(let number)):
            return format == .int32 && Int32(exactly: number) == nil ? "must be a 32-bit integer" : nil
        case (.integer, .double(let number)):
            return number.rounded() == number && abs(number) < 9e15 ? nil : "must be an integer"
        case (.number, .int), (.number, .double), (.boolean, .bool): return nil
        case (.any, _):
            guard format == .intOrString else { return nil }
            switch value {
            case .string, .int: return nil
            default: return "must be an integer or a string"
            }
        default:
            let wanted =
                switch form {
                case .object, .map: "an object"
                case .list: "a list"
                case .integer: "an integer"
                case .number: "a number"
                case .boolean: "a boolean"
                case .string, .any: "a string"
                }
            return "must be \(wanted), not \(Schema.describe(value))"
        }
    }
}
