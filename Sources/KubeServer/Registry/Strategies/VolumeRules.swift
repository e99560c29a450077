internal import KubeCore

/// Validation of a pod's volumes.
enum VolumeRules {
    static func errors(_ volumes: [JSON], _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        var names: Set<String> = []
        for (index, volume) in volumes.enumerated() {
            let place = "\(path)[\(index)]"
            let name = volume["name"]?.stringValue ?? ""
            if name.isEmpty {
                errors.append(FieldError(place + ".name", .required))
            } else if let problem = NameRule.labelProblem(name) {
                errors.append(FieldError(place + ".name", .invalid, problem, badValue: .string(name)))
            } else if !names.insert(name).inserted {
                errors.append(FieldError(place + ".name", .duplicate, badValue: .string(name)))
            }
            let sources = (volume.objectValue ?? [:]).filter { $0.key != "name" && !$0.value.isNull }.keys.sorted()
            if sources.isEmpty { errors.append(FieldError(place, .required, "must specify a volume type")) }
            for extra in sources.dropFirst() {
                errors.append(FieldError(place + "." + extra, .forbidden, "may not specify more than 1 volume type"))
            }
            if let first = sources.first { errors += source(first, volume[first] ?? [:], "\(place).\(first)") }
        }
        return errors
    }

    private static func source(_ kind: String, _ source: JSON, _ path: String) -> [FieldError] {
        switch kind {
        case "hostPath": return hostPath(source, path)
        case "secret": return required(source, ["secretName"], path) + files(source, path)
        case "configMap": return required(source, ["name"], path) + files(source, path)
        case "persistentVolumeClaim": return required(source, ["claimName"], path)
        case "emptyDir":
            guard let limit = source["sizeLimit"], let quantity = try? Quantity(limit), quantity.isNegative else {
                return []
            }
            return [FieldError(path + ".sizeLimit", .forbidden, "SizeLimit field must be a valid resource quantity")]
        case "downwardAPI": return mode(source["defaultMode"], path + ".defaultMode") + downward(source, path)
        case "projected": return projected(source, path)
        case "nfs":
            var errors = required(source, ["server", "path"], path)
            if let folder = source["path"]?.stringValue, !folder.isEmpty, !folder.hasPrefix("/") {
                let text = "must be an absolute path"
                errors.append(FieldError(path + ".path", .invalid, text, badValue: .string(folder)))
            }
            return errors
        case "csi": return required(source, ["driver"], path)
        case "ephemeral":
            guard let template = source["volumeClaimTemplate"], !template.isNull else {
                return [FieldError(path + ".volumeClaimTemplate", .required)]
            }
            return ClaimStrategy.specErrors(template["spec"] ?? [:], path + ".volumeClaimTemplate.spec")
        default: return []
        }
    }

    private static func required(_ source: JSON, _ fields: [String], _ path: String) -> [FieldError] {
        fields.filter { (source[$0]?.stringValue ?? "").isEmpty }.map { FieldError("\(path).\($0)", .required) }
    }

    private static func hostPath(_ source: JSON, _ path: String) -> [FieldError] {
        let folder = source["path"]?.stringValue ?? ""
        if folder.isEmpty { return [FieldError(path + ".path", .required)] }
        var errors: [FieldError] = []
        if folder.split(separator: "/").contains("..") {
            errors.append(FieldError(path + ".path", .invalid, "must not contain '..'", badValue: .string(folder)))
        }
        let types = [
            "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
        ]
        return errors + PodRules.choice(source["type"], types, path + ".type")
    }

    /// Items and modes of secrets and config maps.
    private static func files(_ source: JSON, _ path: String) -> [FieldError] {
        mode(source["defaultMode"], path + ".defaultMode") + items(source, path)
    }

    private static func items(_ source: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        for (index, item) in (source["items"]?.arrayValue ?? []).enumerated() {
            let place = "\(path).items[\(index)]"
            errors += required(item, ["key", "path"], place)
            errors += relativePath(item["path"], place + ".path")
            errors += mode(item["mode"], place + ".mode")
        }
        return errors
    }

    private static func mode(_ value: JSON?, _ path: String) -> [FieldError] {
        guard let mode = value?.intValue, !(0...0o777).contains(mode) else { return [] }
        let text = "must be a number between 0 and 0777 (octal), both inclusive"
        return [FieldError(path, .invalid, text, badValue: JSON(mode))]
    }

    private static func downward(_ source: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        for (index, item) in (source["items"]?.arrayValue ?? []).enumerated() {
            let place = "\(path).items[\(index)]"
            errors += required(item, ["path"], place) + relativePath(item["path"], place + ".path")
            errors += mode(item["mode"], place + ".mode")
            let field = item["fieldRef"].flatMap { $0.isNull ? nil : $0 }
            let resource = item["resourceFieldRef"].flatMap { $0.isNull ? nil : $0 }
            switch (field, resource) {
            case (nil, nil):
                let text = "one of fieldRef and resourceFieldRef is required"
                errors.append(FieldError(place + ".fieldRef", .required, text))
            case (.some, .some):
                let text = "fieldRef and resourceFieldRef can not be specified simultaneously"
                errors.append(FieldError(place, .invalid, text, badValue: "resource"))
            case (let field?, nil):
                errors += EnvironmentRules.fieldErrors(field, place + ".fieldRef", EnvironmentRules.volumeFields)
            case (nil, let resource?):
                errors += EnvironmentRules.resourceErrors(resource, place + ".resourceFieldRef")
                if (resource["containerName"]?.stringValue ?? "").isEmpty {
                    errors.append(FieldError(place + ".resourceFieldRef.containerName", .required))
                }
            }
        }
        return errors
    }

    private static func projected(_ source: JSON, _ path: String) -> [FieldError] {
        var errors = mode(source["defaultMode"], path + ".defaultMode")
        for (index, part) in (source["sources"]?.arrayValue ?? []).enumerated() {
            let place = "\(path).sources[\(index)]"
            let kinds = (part.objectValue ?? [:]).filter { !$0.value.isNull }.keys.sorted()
            for extra in kinds.dropFirst() {
                errors.append(FieldError(place + "." + extra, .forbidden, "may not specify more than 1 volume type"))
            }
            guard let kind = kinds.first, let inner = part[kind] else { continue }
            let at = "\(place).\(kind)"
            switch kind {
            case "secret", "configMap": errors += required(inner, ["name"], at) + items(inner, at)
            case "downwardAPI": errors += downward(inner, at)
            case "serviceAccountToken":
                errors += required(inner, ["path"], at) + relativePath(inner["path"], at + ".path")
                if let seconds = inner["expirationSeconds"]?.intValue, seconds < 600 {
                    let text = "may not specify a duration less than 10 minutes"
                    errors.append(FieldError(at + ".expirationSeconds", .invalid, text, badValue: JSON(seconds)))
                }
            default: break
            }
        }
        return errors
    }

    /// A path below a volume: relative, and not out of it again.
    static func relativePath(_ value: JSON?, _ path: String) -> [FieldError] {
        guard let text = value?.stringValue, !text.isEmpty else { return [] }
        if text.hasPrefix("/") {
            return [FieldError(path, .invalid, "must be a relative path", badValue: .string(text))]
        }
        if text.split(separator: "/").contains("..") {
            return [FieldError(path, .invalid, "must not contain '..'", badValue: .string(text))]
        }
        return []
    }
}
