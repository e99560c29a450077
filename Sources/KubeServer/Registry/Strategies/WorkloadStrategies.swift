internal import KubeCore

/// Checks shared by everything that holds a pod template.
enum TemplateRules {
    static func errors(
        _ template: JSON?,
        path: String,
        restartPolicies: [String]
    ) -> [FieldError] {
        guard let template, case .object = template else { return [FieldError(path, .required)] }
        var errors = MetadataRules.labels(template["metadata", "labels"], path: path + ".metadata.labels")
        errors += MetadataRules.annotations(
            template["metadata", "annotations"],
            path: path + ".metadata.annotations"
        )
        errors += PodRules.errors(template["spec"], path: path + ".spec", isTemplate: true)
        errors += PodRules.choice(template["spec", "restartPolicy"], restartPolicies, path + ".spec.restartPolicy")
        if restartPolicies == ["Always"], template["spec", "activeDeadlineSeconds"]?.intValue != nil {
            let text = "activeDeadlineSeconds in ReplicaSet is not Supported"
            errors.append(FieldError(path + ".spec.activeDeadlineSeconds", .forbidden, text))
        }
        return errors
    }

    static func selectorErrors(_ selector: JSON?, template: JSON?, kind: String) -> [FieldError] {
        guard let selector, !selector.isNull else { return [FieldError("spec.selector", .required)] }
        let parsed: LabelSelector
        do throws(SelectorParseError) {
            parsed = try LabelSelector(selector)
        } catch {
            return [FieldError("spec.selector", .invalid, error.message, badValue: selector)]
        }
        if parsed.isEmpty {
            return [
                FieldError(
                    "spec.selector",
                    .invalid,
                    "empty selector is invalid for \(kind.lowercased())",
                    badValue: selector
                )
            ]
        }
        let labels = template?["metadata", "labels"]
        if template != nil, !parsed.matches(labels?.stringMap ?? [:]) {
            return [
                FieldError(
                    "spec.template.metadata.labels",
                    .invalid,
                    "`selector` does not match template `labels`",
                    badValue: labels ?? [:]
                )
            ]
        }
        return []
    }

    static func immutable(_ field: String, _ new: KubeObject, _ old: KubeObject) -> [FieldError] {
        let after = new.json[path: ["spec", field]]
        guard after != old.json[path: ["spec", field]] else { return [] }
        return [FieldError("spec." + field, .invalid, "field is immutable", badValue: after ?? .null)]
    }

    static func nonNegative(_ object: KubeObject, _ fields: [String]) -> [FieldError] {
        fields.compactMap { field in
            guard let number = object.json[path: ["spec", field]]?.intValue, number < 0 else { return nil }
            return FieldError("spec." + field, .invalid, "must be greater than or equal to 0", badValue: JSON(number))
        }
    }
}

/// Deployments, ReplicaSets, StatefulSets and DaemonSets.
struct WorkloadStrategy: Strategy {
    let type: ResourceType
    var tracksGeneration: Bool { true }

    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        let template = object["spec", "template"]
        var errors = TemplateRules.nonNegative(
            object,
            ["replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"]
        )
        errors += TemplateRules.selectorErrors(object["spec", "selector"], template: template, kind: type.kind)
        errors += TemplateRules.errors(template, path: "spec.template", restartPolicies: ["Always"])
        let spec = object["spec"] ?? [:]
        switch type.kind {
        case "Deployment": errors += RolloutRules.deployment(spec)
        case "DaemonSet": errors += RolloutRules.daemonSet(spec)
        case "StatefulSet": errors += RolloutRules.statefulSet(spec)
        default: break
        }
        return errors
    }

    func validateUpdate(_ object: KubeObject, old: KubeObject, _ context: StrategyContext) -> [FieldError] {
        guard context.subresource == nil else { return [] }
        guard type.kind == "StatefulSet" else { return TemplateRules.immutable("selector", object, old) }
        let mutable = [
            "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
        ]
        var after = object["spec"]?.objectValue ?? [:]
        var before = old["spec"]?.objectValue ?? [:]
        for field in mutable {
            after[field] = nil
            before[field] = nil
        }
        if after == before { return [] }
        return [
            FieldError(
                "spec",
                .forbidden,
                "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
                    + "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
            )
        ]
    }
}

struct ReplicationControllerStrategy: Strategy {
    var tracksGeneration: Bool { true }

    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        TemplateRules.nonNegative(object, ["replicas", "minReadySeconds"])
            + TemplateRules.errors(object["spec", "template"], path: "spec.template", restartPolicies: ["Always"])
    }
}

/// Jobs: their selector is the server's.
struct JobStrategy: Strategy {
    var tracksGeneration: Bool { true }

    func prepareForCreate(_ object: inout KubeObject, _ context: StrategyContext) throws {
        if object["spec", "manualSelector"]?.boolValue == true { return }
        // A dry run or an import may bring labels of an earlier uid.
        let uid = JSON.string(object.uid)
        let name = JSON.string(object.name)
        for (label, value) in [
            ("batch.kubernetes.io/controller-uid", uid), ("controller-uid", uid),
            ("batch.kubernetes.io/job-name", name),
            ("job-name", name),
        ] {
            object["spec", "template", "metadata", "labels", label] = value
        }
        object["spec", "selector", "matchLabels", "batch.kubernetes.io/controller-uid"] = uid
    }

    func prepareForUpdate(_ object: inout KubeObject, old: KubeObject, _ context: StrategyContext) throws {
        guard context.subresource == nil else { return }
        if object["spec", "selector"] == nil { object["spec", "selector"] = old["spec", "selector"] }
    }

    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors = TemplateRules.nonNegative(
            object,
            [
                "parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished",
                "backoffLimitPerIndex", "maxFailedIndexes",
            ]
        )
        errors += TemplateRules.errors(
            object["spec", "template"],
            path: "spec.template",
            restartPolicies: ["OnFailure", "Never"]
        )
        errors += PodRules.choice(object["spec", "completionMode"], ["NonIndexed", "Indexed"], "spec.completionMode")
        if object["spec", "completionMode"] == "Indexed" {
            let completions = object["spec", "completions"]?.intValue
            if completions == nil {
                errors.append(FieldError("spec.completions", .required, "when completion mode is Indexed"))
            }
            if let completions, completions > 0, context.subresource == nil {
                let host = object.name + "-" + String(completions - 1)
                if NameRule.labelProblem(host) != nil {
                    let text = "will not able to create pod with invalid DNS label: " + host
                    errors.append(FieldError("metadata.name", .invalid, text, badValue: .string(object.name)))
                }
            }
        }
        errors += PodRules.choice(
            object["spec", "podReplacementPolicy"],
            ["Failed", "TerminatingOrFailed"],
            "spec.podReplacementPolicy"
        )
        if object["spec", "manualSelector"]?.boolValue == true {
            errors += TemplateRules.selectorErrors(
                object["spec", "selector"],
                template: object["spec", "template"],
                kind: "job"
            )
        }
        return errors
    }

    func validateUpdate(_ object: KubeObject, old: KubeObject, _ context: StrategyContext) -> [FieldError] {
        guard context.subresource == nil else { return [] }
        var errors = TemplateRules.immutable("selector", object, old)
        for field in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
            errors += TemplateRules.immutable(field, object, old)
        }
        let isElastic =
            object["spec", "completionMode"] == "Indexed"
            && object["spec", "completions"] == object["spec", "parallelism"]
        if !isElastic { errors += TemplateRules.immutable("completions", object, old) }
        let hasNotStarted =
            old["spec", "suspend"]?.boolValue == true && (old["status", "startTime"]?.isNull ?? true)
        if !hasNotStarted { errors += TemplateRules.immutable("template", object, old) }
        return errors
    }
}

struct CronJobStrategy: Strategy {
    var tracksGeneration: Bool { true }

    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors: [FieldError] = []
        let schedule = object["spec", "schedule"]?.stringValue ?? ""
        if schedule.isEmpty {
            errors.append(FieldError("spec.schedule", .required))
        } else if let problem = CronJobStrategy.problem(schedule) {
            errors.append(FieldError("spec.schedule", .invalid, problem, badValue: .string(schedule)))
        }
        if object.name.utf8.count > 52 {
            errors.append(
                FieldError(
                    "metadata.name",
                    .invalid,
                    "must be no more than 52 characters",
                    badValue: .string(object.name)
                )
            )
        }
        errors += TemplateRules.nonNegative(
            object,
            ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"]
        )
        if schedule.contains("TZ") {
            let text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
            errors.append(FieldError("spec.schedule", .invalid, text, badValue: .string(schedule)))
        }
        errors += PodRules.choice(
            object["spec", "concurrencyPolicy"],
            ["Allow", "Forbid", "Replace"],
            "spec.concurrencyPolicy"
        )
        errors += TemplateRules.errors(
            object["spec", "jobTemplate", "spec", "template"],
            path: "spec.jobTemplate.spec.template",
            restartPolicies: ["OnFailure", "Never"]
        )
        return errors
    }

    private static func problem(_ schedule: String) -> String? {
        if schedule.hasPrefix("@") {
            let known = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"]
            return known.contains(schedule) || schedule.hasPrefix("@every ")
                ? nil : "unrecognized descriptor: \(schedule)"
        }
        let fields = schedule.split(separator: " ")
        guard fields.count == 5 else { return "expected exactly 5 fields, found \(fields.count): [\(schedule)]" }
        let allowed = Set("0123456789*/,-?LW#abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        for field in fields where !field.allSatisfy(allowed.contains) { return "failed to parse field \(field)" }
        return nil
    }
}
