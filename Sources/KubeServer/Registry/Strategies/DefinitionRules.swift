internal import KubeCore

/// What a CustomResourceDefinition must say besides its schemas.
enum DefinitionRules {
    static func errors(_ spec: JSON) -> [FieldError] {
        nameErrors(spec) + versionErrors(spec) + conversionErrors(spec["conversion"])
            + (spec["preserveUnknownFields"]?.boolValue == true
                ? [FieldError("spec.preserveUnknownFields", .invalid, "must be false", badValue: true)] : [])
    }

    private static func nameErrors(_ spec: JSON) -> [FieldError] {
        var errors: [FieldError] = []
        let group = spec["group"]?.stringValue ?? ""
        if !group.isEmpty {
            if let problem = NameRule.subdomainProblem(group) {
                errors.append(FieldError("spec.group", .invalid, problem, badValue: .string(group)))
            } else if !group.contains(".") {
                let text = "should be a domain with at least one dot"
                errors.append(FieldError("spec.group", .invalid, text, badValue: .string(group)))
            }
        }
        let names = spec["names"]
        func check(_ text: String, _ path: String, lowered: Bool = false) {
            if text.isEmpty { return }
            if let problem = NameRule.dns1035Problem(lowered ? text.lowercased() : text) {
                errors.append(FieldError("spec.names." + path, .invalid, problem, badValue: .string(text)))
            }
        }
        check(names?["plural"]?.stringValue ?? "", "plural")
        check(names?["singular"]?.stringValue ?? "", "singular")
        check(names?["kind"]?.stringValue ?? "", "kind", lowered: true)
        check(names?["listKind"]?.stringValue ?? "", "listKind", lowered: true)
        for (index, name) in (names?["shortNames"]?.stringArray ?? []).enumerated() {
            check(name, "shortNames[\(index)]")
        }
        for (index, name) in (names?["categories"]?.stringArray ?? []).enumerated() {
            check(name, "categories[\(index)]")
        }
        let kind = names?["kind"]?.stringValue ?? ""
        if !kind.isEmpty, names?["listKind"]?.stringValue == kind {
            let text = "kind and listKind may not be the same"
            errors.append(FieldError("spec.names.listKind", .invalid, text, badValue: .string(kind)))
        }
        return errors
    }

    private static func versionErrors(_ spec: JSON) -> [FieldError] {
        var errors: [FieldError] = []
        let versions = spec["versions"]?.arrayValue ?? []
        let names = versions.compactMap { $0["name"]?.stringValue }
        if Set(names).count != names.count {
            let text = "must contain unique version names"
            errors.append(FieldError("spec.versions", .invalid, text, badValue: JSON(names)))
        }
        for (index, version) in versions.enumerated() {
            let path = "spec.versions[\(index)]"
            let name = version["name"]?.stringValue ?? ""
            if let problem = NameRule.dns1035Problem(name) {
                errors.append(FieldError(path + ".name", .invalid, problem, badValue: .string(name)))
            }
            errors += columnErrors(version, path) + scaleErrors(version["subresources"]?["scale"], path)
        }
        return errors
    }

    private static func columnErrors(_ version: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        for (index, column) in (version["additionalPrinterColumns"]?.arrayValue ?? []).enumerated() {
            let place = "\(path).additionalPrinterColumns[\(index)]"
            for field in ["name", "type", "jsonPath"] where (column[field]?.stringValue ?? "").isEmpty {
                errors.append(FieldError("\(place).\(field)", .required))
            }
            if let type = column["type"]?.stringValue, !type.isEmpty,
                !["boolean", "date", "integer", "number", "string"].contains(type)
            {
                let text = "must be one of boolean,date,integer,number,string"
                errors.append(FieldError(place + ".type", .invalid, text, badValue: .string(type)))
            }
        }
        return errors
    }

    private static func scaleErrors(_ scale: JSON?, _ path: String) -> [FieldError] {
        guard let scale, case .object = scale else { return [] }
        var errors: [FieldError] = []
        for (field, root, isRequired) in [
            ("specReplicasPath", ".spec.", true), ("statusReplicasPath", ".status.", true),
            ("labelSelectorPath", ".", false),
        ] {
            let text = scale[field]?.stringValue ?? ""
            let place = "\(path).subresources.scale.\(field)"
            if text.isEmpty {
                if isRequired { errors.append(FieldError(place, .required)) }
                continue
            }
            let isBelow = root == "." ? text.hasPrefix(".spec.") || text.hasPrefix(".status.") : text.hasPrefix(root)
            if !isBelow {
                let detail =
                    root == "."
                    ? "should be a json path under .spec or .status" : "should be a json path under \(root.dropLast())"
                errors.append(FieldError(place, .invalid, detail, badValue: .string(text)))
            }
        }
        return errors
    }

    private static func conversionErrors(_ conversion: JSON?) -> [FieldError] {
        guard let conversion, case .object = conversion else { return [] }
        let path = "spec.conversion"
        var errors = PodRules.choice(conversion["strategy"], ["None", "Webhook"], path + ".strategy")
        let webhook = conversion["webhook"].flatMap { $0.isNull ? nil : $0 }
        guard conversion["strategy"]?.stringValue == "Webhook" else {
            if webhook != nil {
                let text = "should not be set when strategy is not set to Webhook"
                errors.append(FieldError(path + ".webhook", .forbidden, text))
            }
            return errors
        }
        if webhook?["clientConfig"]?.isNull ?? true {
            let text = "required when strategy is set to Webhook"
            errors.append(FieldError(path + ".webhookClientConfig", .required, text))
        }
        if (webhook?["conversionReviewVersions"]?.arrayValue ?? []).isEmpty {
            errors.append(FieldError(path + ".conversionReviewVersions", .required))
        }
        return errors
    }
}
