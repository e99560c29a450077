internal import KubeCore

/// Validation of a container's environment.
enum EnvironmentRules {
    static func errors(_ container: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        for (index, variable) in (container["env"]?.arrayValue ?? []).enumerated() {
            errors += variableErrors(variable, "\(path).env[\(index)]")
        }
        for (index, source) in (container["envFrom"]?.arrayValue ?? []).enumerated() {
            errors += sourceErrors(source, "\(path).envFrom[\(index)]")
        }
        return errors
    }

    /// Printable ASCII without `=`; what shells take is not asked for.
    static func nameProblem(_ name: String) -> String? {
        if name.utf8.allSatisfy({ (0x20...0x7E).contains($0) && $0 != UInt8(ascii: "=") }) { return nil }
        return "a valid environment variable name must consist only of printable ASCII characters other than '='"
    }

    private static func variableErrors(_ variable: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        let name = variable["name"]?.stringValue ?? ""
        if name.isEmpty {
            errors.append(FieldError(path + ".name", .required))
        } else if let problem = nameProblem(name) {
            errors.append(FieldError(path + ".name", .invalid, problem, badValue: .string(name)))
        }
        guard let from = variable["valueFrom"], case .object(let members) = from else { return errors }
        let place = path + ".valueFrom"
        let given = members.filter { !$0.value.isNull }.keys.sorted()
        if !(variable["value"]?.stringValue ?? "").isEmpty, !given.isEmpty {
            let text = "may not be specified when `value` is not empty"
            errors.append(FieldError(place, .invalid, text, badValue: ""))
        }
        if given.isEmpty {
            let text = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
            errors.append(FieldError(place, .invalid, text, badValue: ""))
        }
        if given.count > 1 {
            errors.append(
                FieldError(place, .invalid, "may not have more than one field specified at a time", badValue: "")
            )
        }
        for field in ["configMapKeyRef", "secretKeyRef"] {
            guard let reference = from[field], !reference.isNull else { continue }
            if (reference["name"]?.stringValue ?? "").isEmpty {
                errors.append(FieldError("\(place).\(field).name", .required))
            }
            let key = reference["key"]?.stringValue ?? ""
            if key.isEmpty {
                errors.append(FieldError("\(place).\(field).key", .required))
            } else if !DataRules.isKey(key) {
                errors.append(FieldError("\(place).\(field).key", .invalid, DataRules.keyText, badValue: .string(key)))
            }
        }
        if let reference = from["fieldRef"], !reference.isNull {
            errors += fieldErrors(reference, place + ".fieldRef", environmentFields)
        }
        if let reference = from["resourceFieldRef"], !reference.isNull {
            errors += resourceErrors(reference, place + ".resourceFieldRef")
        }
        return errors
    }

    static let environmentFields: Set<String> = [
        "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
        "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
    ]

    static let volumeFields: Set<String> = [
        "metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations",
    ]

    static func fieldErrors(_ reference: JSON, _ path: String, _ allowed: Set<String>) -> [FieldError] {
        let field = reference["fieldPath"]?.stringValue ?? ""
        if field.isEmpty { return [FieldError(path + ".fieldPath", .required)] }
        for prefix in ["metadata.labels['", "metadata.annotations['"] where field.hasPrefix(prefix) {
            let key = field.dropFirst(prefix.count).dropLast(2)
            if field.hasSuffix("']"), LabelSyntax.isQualifiedName(String(key).lowercased()) { return [] }
        }
        if allowed.contains(field) { return [] }
        let list = allowed.sorted().map { "\"\($0)\"" }.joined(separator: ", ")
        return [
            FieldError(path + ".fieldPath", .notSupported, "supported values: \(list)", badValue: .string(field))
        ]
    }

    static func resourceErrors(_ reference: JSON, _ path: String) -> [FieldError] {
        let resource = reference["resource"]?.stringValue ?? ""
        if resource.isEmpty { return [FieldError(path + ".resource", .required)] }
        let parts = resource.split(separator: ".", maxSplits: 1)
        let isKnown =
            parts.count == 2 && ["requests", "limits"].contains(parts[0])
            && (["cpu", "memory", "ephemeral-storage"].contains(parts[1]) || parts[1].hasPrefix("hugepages-"))
        if isKnown { return [] }
        let list = ["limits", "requests"].flatMap { field in
            ["cpu", "ephemeral-storage", "memory"].map { "\"\(field).\($0)\"" }
        }
        .joined(separator: ", ")
        return [
            FieldError(path + ".resource", .notSupported, "supported values: \(list)", badValue: .string(resource))
        ]
    }

    private static func sourceErrors(_ source: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        if let prefix = source["prefix"]?.stringValue, !prefix.isEmpty, let problem = nameProblem(prefix) {
            errors.append(FieldError(path + ".prefix", .invalid, problem, badValue: .string(prefix)))
        }
        let given = ["configMapRef", "secretRef"].filter { !(source[$0]?.isNull ?? true) }
        if given.isEmpty {
            let text = "must specify one of: `configMapRef` or `secretRef`"
            errors.append(FieldError(path, .invalid, text, badValue: ""))
        }
        if given.count > 1 {
            errors.append(
                FieldError(path, .invalid, "may not have more than one field specified at a time", badValue: "")
            )
        }
        for field in given where (source[field]?["name"]?.stringValue ?? "").isEmpty {
            errors.append(FieldError("\(path).\(field).name", .required))
        }
        return errors
    }
}
