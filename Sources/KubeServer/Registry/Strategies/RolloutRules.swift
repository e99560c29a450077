internal import KubeCore

/// Validation of how workloads replace their pods.
enum RolloutRules {
    /// A number or a percentage.
    static func intOrPercent(_ value: JSON?, _ path: String) -> [FieldError] {
        switch value {
        case .int(let number)?: return number < 0 ? [PodRules.negative(path, Int(number))] : []
        case .string(let text)?:
            if percent(text) != nil { return [] }
            let detail =
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex "
                + "used for validation is '[0-9]+%')"
            return [FieldError(path, .invalid, detail, badValue: .string(text))]
        default: return []
        }
    }

    static func percent(_ text: String) -> Int? {
        guard text.hasSuffix("%"), let number = Int(text.dropLast()), number >= 0 else { return nil }
        return number
    }

    static func isZero(_ value: JSON?) -> Bool {
        switch value {
        case .int(let number)?: number == 0
        case .string(let text)?: percent(text) == 0
        default: true
        }
    }

    private static func atMostAll(_ value: JSON?, _ path: String) -> [FieldError] {
        guard case .string(let text)? = value, let number = percent(text), number > 100 else { return [] }
        return [FieldError(path, .invalid, "must not be greater than 100%", badValue: .string(text))]
    }

    static func deployment(_ spec: JSON) -> [FieldError] {
        let path = "spec.strategy"
        var errors = PodRules.choice(spec["strategy"]?["type"], ["Recreate", "RollingUpdate"], path + ".type")
        let rolling = spec["strategy"]?["rollingUpdate"]
        if spec["strategy"]?["type"]?.stringValue == "Recreate", !(rolling?.isNull ?? true) {
            let text = "may not be specified when strategy `type` is 'Recreate'"
            errors.append(FieldError(path + ".rollingUpdate", .forbidden, text))
        }
        if let rolling, !rolling.isNull {
            let place = path + ".rollingUpdate"
            errors += intOrPercent(rolling["maxUnavailable"], place + ".maxUnavailable")
            errors += intOrPercent(rolling["maxSurge"], place + ".maxSurge")
            if isZero(rolling["maxUnavailable"]), isZero(rolling["maxSurge"]) {
                let text = "may not be 0 when `maxSurge` is 0"
                errors.append(
                    FieldError(place + ".maxUnavailable", .invalid, text, badValue: rolling["maxUnavailable"] ?? 0)
                )
            }
            errors += atMostAll(rolling["maxUnavailable"], place + ".maxUnavailable")
        }
        if let progress = spec["progressDeadlineSeconds"]?.intValue, progress >= 0,
            progress <= spec["minReadySeconds"]?.intValue ?? 0
        {
            let text = "must be greater than minReadySeconds"
            errors.append(FieldError("spec.progressDeadlineSeconds", .invalid, text, badValue: JSON(progress)))
        }
        return errors
    }

    static func daemonSet(_ spec: JSON) -> [FieldError] {
        let path = "spec.updateStrategy"
        var errors = PodRules.choice(spec["updateStrategy"]?["type"], ["OnDelete", "RollingUpdate"], path + ".type")
        guard let rolling = spec["updateStrategy"]?["rollingUpdate"], !rolling.isNull else { return errors }
        let place = path + ".rollingUpdate"
        errors += intOrPercent(rolling["maxUnavailable"], place + ".maxUnavailable")
        errors += intOrPercent(rolling["maxSurge"], place + ".maxSurge")
        errors += atMostAll(rolling["maxUnavailable"], place + ".maxUnavailable")
        switch (isZero(rolling["maxUnavailable"]), isZero(rolling["maxSurge"])) {
        case (true, true):
            let text = "cannot be 0 when maxSurge is 0"
            errors.append(FieldError(place + ".maxUnavailable", .invalid, text, badValue: 0))
        case (false, false):
            let text = "may not be set when maxUnavailable is non-zero"
            errors.append(FieldError(place + ".maxSurge", .invalid, text, badValue: rolling["maxSurge"] ?? .null))
        default: break
        }
        return errors
    }

    static func statefulSet(_ spec: JSON) -> [FieldError] {
        var errors = PodRules.choice(
            spec["podManagementPolicy"],
            ["OrderedReady", "Parallel"],
            "spec.podManagementPolicy"
        )
        let path = "spec.updateStrategy"
        errors += PodRules.choice(spec["updateStrategy"]?["type"], ["OnDelete", "RollingUpdate"], path + ".type")
        if let partition = spec["updateStrategy"]?["rollingUpdate"]?["partition"]?.intValue, partition < 0 {
            errors.append(PodRules.negative(path + ".rollingUpdate.partition", partition))
        }
        if let name = spec["serviceName"]?.stringValue, !name.isEmpty, let problem = NameRule.subdomainProblem(name) {
            errors.append(FieldError("spec.serviceName", .invalid, problem, badValue: .string(name)))
        }
        for field in ["whenDeleted", "whenScaled"] {
            errors += PodRules.choice(
                spec["persistentVolumeClaimRetentionPolicy"]?[field],
                ["Delete", "Retain"],
                "spec.persistentVolumeClaimRetentionPolicy." + field
            )
        }
        return errors
    }
}
