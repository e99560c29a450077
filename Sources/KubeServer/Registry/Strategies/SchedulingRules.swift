internal import KubeCore

/// Validation of what a pod says about its node: tolerations, affinity and spreading.
enum SchedulingRules {
    static func errors(_ spec: JSON, _ path: String) -> [FieldError] {
        tolerations(spec["tolerations"]?.arrayValue ?? [], path + ".tolerations")
            + affinity(spec["affinity"], path + ".affinity")
            + spreading(spec["topologySpreadConstraints"]?.arrayValue ?? [], path + ".topologySpreadConstraints")
    }

    private static func tolerations(_ tolerations: [JSON], _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        for (index, toleration) in tolerations.enumerated() {
            let place = "\(path)[\(index)]"
            let key = toleration["key"]?.stringValue ?? ""
            let op = toleration["operator"]?.stringValue ?? ""
            let value = toleration["value"]?.stringValue ?? ""
            if !key.isEmpty, !LabelSyntax.isQualifiedName(key) {
                errors.append(
                    FieldError(place + ".key", .invalid, MetadataRules.qualifiedNameText, badValue: .string(key))
                )
            }
            if key.isEmpty, op != "Exists" {
                let text = "operator must be Exists when `key` is empty, which means \"match all values and all keys\""
                errors.append(FieldError(place + ".operator", .invalid, text, badValue: .string(op)))
            }
            let effect = toleration["effect"]?.stringValue ?? ""
            if toleration["tolerationSeconds"]?.intValue != nil, effect != "NoExecute" {
                let text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
                errors.append(FieldError(place + ".effect", .invalid, text, badValue: .string(effect)))
            }
            if op == "Exists", !value.isEmpty {
                let text = "value must be empty when `operator` is 'Exists'"
                errors.append(FieldError(place + ".operator", .invalid, text, badValue: .string(value)))
            } else if !LabelSyntax.isLabelValue(value) {
                errors.append(
                    FieldError(place + ".operator", .invalid, MetadataRules.labelValueText, badValue: .string(value))
                )
            }
            errors += PodRules.choice(toleration["operator"], ["Equal", "Exists", "Gt", "Lt"], place + ".operator")
            errors += PodRules.choice(
                toleration["effect"],
                ["NoSchedule", "PreferNoSchedule", "NoExecute"],
                place + ".effect"
            )
        }
        return errors
    }

    // MARK: Affinity

    private static func affinity(_ affinity: JSON?, _ path: String) -> [FieldError] {
        guard let affinity, case .object = affinity else { return [] }
        var errors: [FieldError] = []
        let node = affinity["nodeAffinity"]
        let place = path + ".nodeAffinity"
        if let required = node?["requiredDuringSchedulingIgnoredDuringExecution"], !required.isNull {
            let terms = required["nodeSelectorTerms"]?.arrayValue ?? []
            let at = place + ".requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
            if terms.isEmpty {
                errors.append(FieldError(at, .required, "must have at least one node selector term"))
            }
            for (index, term) in terms.enumerated() { errors += nodeTerm(term, "\(at)[\(index)]") }
        }
        let preferred = node?["preferredDuringSchedulingIgnoredDuringExecution"]?.arrayValue ?? []
        for (index, term) in preferred.enumerated() {
            let at = "\(place).preferredDuringSchedulingIgnoredDuringExecution[\(index)]"
            errors += weight(term, at) + nodeTerm(term["preference"] ?? [:], at + ".preference")
        }
        for kind in ["podAffinity", "podAntiAffinity"] {
            errors += podAffinity(affinity[kind], "\(path).\(kind)")
        }
        return errors
    }

    private static func weight(_ term: JSON, _ path: String) -> [FieldError] {
        let weight = term["weight"]?.intValue ?? 0
        if (1...100).contains(weight) { return [] }
        return [FieldError(path + ".weight", .invalid, "must be in the range 1-100", badValue: JSON(weight))]
    }

    private static func nodeTerm(_ term: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        for field in ["matchExpressions", "matchFields"] {
            for (index, expression) in (term[field]?.arrayValue ?? []).enumerated() {
                let place = "\(path).\(field)[\(index)]"
                let count = expression["values"]?.arrayValue?.count ?? 0
                switch expression["operator"]?.stringValue ?? "" {
                case "In", "NotIn":
                    if count == 0 {
                        let text = "must be specified when `operator` is 'In' or 'NotIn'"
                        errors.append(FieldError(place + ".values", .required, text))
                    }
                case "Exists", "DoesNotExist":
                    if count > 0 {
                        let text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                        errors.append(FieldError(place + ".values", .forbidden, text))
                    }
                case "Gt", "Lt":
                    if count != 1 {
                        let text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
                        errors.append(FieldError(place + ".values", .required, text))
                    }
                case let other:
                    let text = "not a valid selector operator"
                    errors.append(FieldError(place + ".operator", .invalid, text, badValue: .string(other)))
                }
                let key = expression["key"]?.stringValue ?? ""
                if field == "matchExpressions", !LabelSyntax.isQualifiedName(key) {
                    errors.append(
                        FieldError(place + ".key", .invalid, MetadataRules.qualifiedNameText, badValue: .string(key))
                    )
                }
            }
        }
        return errors
    }

    private static func podAffinity(_ affinity: JSON?, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        let required = affinity?["requiredDuringSchedulingIgnoredDuringExecution"]?.arrayValue ?? []
        for (index, term) in required.enumerated() {
            errors += podTerm(term, "\(path).requiredDuringSchedulingIgnoredDuringExecution[\(index)]")
        }
        let preferred = affinity?["preferredDuringSchedulingIgnoredDuringExecution"]?.arrayValue ?? []
        for (index, term) in preferred.enumerated() {
            let place = "\(path).preferredDuringSchedulingIgnoredDuringExecution[\(index)]"
            errors += weight(term, place) + podTerm(term["podAffinityTerm"] ?? [:], place + ".podAffinityTerm")
        }
        return errors
    }

    private static func podTerm(_ term: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        for field in ["labelSelector", "namespaceSelector"] { errors += selector(term[field], "\(path).\(field)") }
        let key = term["topologyKey"]?.stringValue ?? ""
        if key.isEmpty {
            errors.append(FieldError(path + ".topologyKey", .required, "can not be empty"))
        } else if !LabelSyntax.isQualifiedName(key) {
            errors.append(
                FieldError(path + ".topologyKey", .invalid, MetadataRules.qualifiedNameText, badValue: .string(key))
            )
        }
        return errors
    }

    static func selector(_ json: JSON?, _ path: String) -> [FieldError] {
        guard let json, !json.isNull else { return [] }
        do throws(SelectorParseError) {
            _ = try LabelSelector(json)
            return MetadataRules.labels(json["matchLabels"], path: path + ".matchLabels")
        } catch {
            return [FieldError(path, .invalid, error.message, badValue: json)]
        }
    }

    // MARK: Spreading

    private static func spreading(_ constraints: [JSON], _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        var pairs: Set<String> = []
        for (index, constraint) in constraints.enumerated() {
            let place = "\(path)[\(index)]"
            let skew = constraint["maxSkew"]?.intValue ?? 0
            if skew <= 0 {
                errors.append(
                    FieldError(place + ".maxSkew", .invalid, "must be greater than zero", badValue: JSON(skew))
                )
            }
            let key = constraint["topologyKey"]?.stringValue ?? ""
            if key.isEmpty { errors.append(FieldError(place + ".topologyKey", .required, "can not be empty")) }
            let action = constraint["whenUnsatisfiable"]?.stringValue ?? ""
            if action.isEmpty { errors.append(FieldError(place + ".whenUnsatisfiable", .required)) }
            errors += PodRules.choice(
                constraint["whenUnsatisfiable"],
                ["DoNotSchedule", "ScheduleAnyway"],
                place + ".whenUnsatisfiable"
            )
            let pair = "{\(key), \(action)}"
            if !pairs.insert(pair).inserted {
                errors.append(
                    FieldError(place + ".{topologyKey, whenUnsatisfiable}", .duplicate, badValue: .string(pair))
                )
            }
            errors += selector(constraint["labelSelector"], place + ".labelSelector")
            for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
                errors += PodRules.choice(constraint[field], ["Honor", "Ignore"], "\(place).\(field)")
            }
        }
        return errors
    }
}
