internal import KubeCore

/// Requests and limits.
enum ResourceRules {
    private static let standard: Set<String> = ["cpu", "memory", "ephemeral-storage"]

    static func errors(_ resources: JSON?, path: String) -> [FieldError] {
        var errors: [FieldError] = []
        var limits: [String: Quantity] = [:]
        for field in ["limits", "requests"] {
            for (name, value) in (resources?[field]?.objectValue ?? [:]).sorted(by: { $0.key < $1.key }) {
                let place = "\(path).\(field)[\(name)]"
                errors += nameErrors(name, place)
                let quantity: Quantity
                do throws(QuantityParseError) {
                    quantity = try Quantity(value)
                } catch {
                    errors.append(FieldError(place, .invalid, error.description, badValue: value))
                    continue
                }
                if quantity.isNegative {
                    errors.append(FieldError(place, .invalid, "must be greater than or equal to 0", badValue: value))
                }
                if isWhole(name), quantity != Quantity(quantity.value) {
                    errors.append(FieldError(place, .invalid, "must be an integer", badValue: value))
                }
                if field == "limits" {
                    limits[name] = quantity
                    continue
                }
                if let limit = limits[name], quantity > limit {
                    let text = "must be less than or equal to \(name) limit of \(limit)"
                    errors.append(FieldError("\(path).requests", .invalid, text, badValue: value))
                } else if !isOvercommitted(name), limits[name] != quantity {
                    errors.append(
                        FieldError("\(path).limits", .required, "Limit must be set for non overcommitable resources")
                    )
                }
            }
        }
        return errors
    }

    static func nameErrors(_ name: String, _ place: String) -> [FieldError] {
        if !LabelSyntax.isQualifiedName(name) {
            return [FieldError(place, .invalid, MetadataRules.qualifiedNameText, badValue: .string(name))]
        }
        if name.contains("/") || standard.contains(name) || name.hasPrefix("hugepages-") { return [] }
        return [
            FieldError(
                place,
                .invalid,
                "must be a standard resource type or fully qualified",
                badValue: .string(name)
            ),
            FieldError(place, .invalid, "must be a standard resource for containers", badValue: .string(name)),
        ]
    }

    /// Extended resources and huge pages cannot be promised twice.
    private static func isOvercommitted(_ name: String) -> Bool {
        !name.hasPrefix("hugepages-") && (!name.contains("/") || name.contains("kubernetes.io/"))
    }

    private static func isWhole(_ name: String) -> Bool { name.contains("/") && !name.contains("kubernetes.io/") }
}

/// Security contexts.
enum SecurityRules {
    static func pod(_ context: JSON?, _ path: String) -> [FieldError] {
        guard let context, case .object = context else { return [] }
        var errors = ids(context, ["fsGroup", "runAsGroup", "runAsUser"], path)
        for (index, group) in (context["supplementalGroups"]?.arrayValue ?? []).enumerated() {
            if let id = group.intValue, !(0...2_147_483_647).contains(id) {
                errors.append(idError("\(path).supplementalGroups[\(index)]", id))
            }
        }
        errors += PodRules.choice(
            context["fsGroupChangePolicy"],
            ["Always", "OnRootMismatch"],
            path + ".fsGroupChangePolicy"
        )
        errors += PodRules.choice(
            context["supplementalGroupsPolicy"],
            ["Merge", "Strict"],
            path + ".supplementalGroupsPolicy"
        )
        var names: Set<String> = []
        for (index, sysctl) in (context["sysctls"]?.arrayValue ?? []).enumerated() {
            let name = sysctl["name"]?.stringValue ?? ""
            let place = "\(path).sysctls[\(index)].name"
            if name.isEmpty { errors.append(FieldError(place, .required)) }
            if !name.isEmpty, !names.insert(name).inserted {
                errors.append(FieldError(place, .duplicate, badValue: .string(name)))
            }
        }
        return errors + profiles(context, path)
    }

    static func container(_ context: JSON?, _ path: String) -> [FieldError] {
        guard let context, case .object = context else { return [] }
        var errors = ids(context, ["runAsUser", "runAsGroup"], path) + profiles(context, path)
        errors += PodRules.choice(context["procMount"], ["Default", "Unmasked"], path + ".procMount")
        if context["allowPrivilegeEscalation"]?.boolValue == false {
            if context["privileged"]?.boolValue == true {
                let text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
                errors.append(FieldError(path, .invalid, text, badValue: context))
            }
            let added = context["capabilities"]?["add"]?.stringArray ?? []
            if added.contains("CAP_SYS_ADMIN") {
                let text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
                errors.append(FieldError(path, .invalid, text, badValue: context))
            }
        }
        return errors
    }

    private static func idError(_ path: String, _ value: Int) -> FieldError {
        FieldError(path, .invalid, "must be between 0 and 2147483647, inclusive", badValue: JSON(value))
    }

    private static func ids(_ context: JSON, _ fields: [String], _ path: String) -> [FieldError] {
        fields.compactMap { field in
            guard let id = context[field]?.intValue, !(0...2_147_483_647).contains(id) else { return nil }
            return idError("\(path).\(field)", id)
        }
    }

    private static func profiles(_ context: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        for field in ["seccompProfile", "appArmorProfile"] {
            guard let profile = context[field], !profile.isNull else { continue }
            let place = "\(path).\(field)"
            let type = profile["type"]?.stringValue ?? ""
            if type.isEmpty { errors.append(FieldError(place + ".type", .required)) }
            errors += PodRules.choice(profile["type"], ["Localhost", "RuntimeDefault", "Unconfined"], place + ".type")
            let local = profile["localhostProfile"]?.stringValue
            if type == "Localhost" {
                if (local ?? "").isEmpty {
                    let text =
                        field == "seccompProfile"
                        ? "must be set when seccomp type is Localhost" : "must be set when AppArmor type is Localhost"
                    errors.append(FieldError(place + ".localhostProfile", .required, text))
                }
            } else if let local, !local.isEmpty {
                let kind = field == "seccompProfile" ? "seccomp" : "AppArmor"
                let text = "can only be set when \(kind) type is Localhost"
                errors.append(FieldError(place + ".localhostProfile", .invalid, text, badValue: .string(local)))
            }
        }
        return errors
    }
}
