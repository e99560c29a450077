internal import KubeCore

/// Validation of `metadata`, the same for all kinds.
enum MetadataRules {
    static func errors(_ object: KubeObject, rule: NameRule, old: KubeObject?) -> [FieldError] {
        var errors: [FieldError] = []
        if old == nil {
            if object.name.isEmpty {
                errors.append(FieldError("metadata.name", .required, "name or generateName is required"))
            } else if let problem = rule.problem(object.name) {
                errors.append(FieldError("metadata.name", .invalid, problem, badValue: .string(object.name)))
            }
        }
        errors += labels(object["metadata", "labels"], path: "metadata.labels")
        errors += annotations(object["metadata", "annotations"], path: "metadata.annotations")
        errors += owners(object["metadata", "ownerReferences"]?.arrayValue ?? [])
        for finalizer in object.finalizers where !LabelSyntax.isQualifiedName(finalizer) {
            errors.append(FieldError("metadata.finalizers", .invalid, qualifiedNameText, badValue: .string(finalizer)))
        }
        if let old { errors += changes(object, old) }
        return errors
    }

    static func labels(_ json: JSON?, path: String) -> [FieldError] {
        guard let json, !json.isNull else { return [] }
        var errors: [FieldError] = []
        for (key, value) in (json.objectValue ?? [:]).sorted(by: { $0.key < $1.key }) {
            if !LabelSyntax.isQualifiedName(key) {
                errors.append(FieldError(path, .invalid, qualifiedNameText, badValue: .string(key)))
            }
            guard let text = value.stringValue else { continue }
            if !LabelSyntax.isLabelValue(text) {
                errors.append(
                    FieldError(
                        path,
                        .invalid,
                        text.utf8.count > 63 ? "must be no more than 63 characters" : labelValueText,
                        badValue: value
                    )
                )
            }
        }
        return errors
    }

    static func annotations(_ json: JSON?, path: String) -> [FieldError] {
        guard let members = json?.objectValue else { return [] }
        var errors: [FieldError] = []
        var size = 0
        for (key, value) in members.sorted(by: { $0.key < $1.key }) {
            if !LabelSyntax.isQualifiedName(key.lowercased()) {
                errors.append(FieldError(path, .invalid, qualifiedNameText, badValue: .string(key)))
            }
            size += key.utf8.count + (value.stringValue?.utf8.count ?? 0)
        }
        if size > 262_144 {
            errors.append(FieldError(path, .tooLong, "may not be more than 262144 bytes"))
        }
        return errors
    }

    private static func owners(_ list: [JSON]) -> [FieldError] {
        var errors: [FieldError] = []
        var controller: String?
        for (index, owner) in list.enumerated() {
            let path = "metadata.ownerReferences[\(index)]"
            for (field, what) in [
                ("apiVersion", "version must not be empty"), ("kind", "kind must not be empty"),
                ("name", "name must not be empty"), ("uid", "uid must not be empty"),
            ] where (owner[field]?.stringValue ?? "").isEmpty {
                errors.append(FieldError(path + "." + field, .invalid, what, badValue: ""))
            }
            guard owner["controller"]?.boolValue == true else { continue }
            let name = (owner["kind"]?.stringValue ?? "") + "/" + (owner["name"]?.stringValue ?? "")
            if let controller {
                errors.append(
                    FieldError(
                        "metadata.ownerReferences",
                        .invalid,
                        "Only one reference can have Controller set to true. Found \"true\" in references for \(controller) and \(name)",
                        badValue: .array(list)
                    )
                )
            }
            controller = name
        }
        return errors
    }

    private static func changes(_ object: KubeObject, _ old: KubeObject) -> [FieldError] {
        var errors: [FieldError] = []
        if old.isTerminating {
            let added = object.finalizers.filter { !old.finalizers.contains($0) }
            if !added.isEmpty {
                let list = added.map { "\"\($0)\"" }.joined(separator: ", ")
                errors.append(
                    FieldError(
                        "metadata.finalizers",
                        .forbidden,
                        "no new finalizers can be added if the object is being deleted, found new finalizers []string{\(list)}"
                    )
                )
            }
        }
        return errors
    }

    static let qualifiedNameText =
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
        + "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
        + "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

    static let labelValueText =
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end "
        + "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
        + "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
}
