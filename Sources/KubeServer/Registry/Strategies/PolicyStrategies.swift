internal import KubeCore

struct DisruptionBudgetStrategy: Strategy {
    var tracksGeneration: Bool { true }

    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        let spec = object["spec"] ?? [:]
        var errors: [FieldError] = []
        let minimum = spec["minAvailable"].flatMap { $0.isNull ? nil : $0 }
        let maximum = spec["maxUnavailable"].flatMap { $0.isNull ? nil : $0 }
        if minimum != nil, maximum != nil {
            let text = "minAvailable and maxUnavailable cannot be both set"
            errors.append(FieldError("spec", .invalid, text, badValue: spec))
        }
        for (field, value) in [("minAvailable", minimum), ("maxUnavailable", maximum)] {
            let path = "spec." + field
            errors += RolloutRules.intOrPercent(value, path)
            if case .string(let text)? = value, let percent = RolloutRules.percent(text), percent > 100 {
                errors.append(FieldError(path, .invalid, "must not be greater than 100%", badValue: .string(text)))
            }
        }
        errors += PodRules.choice(
            spec["unhealthyPodEvictionPolicy"],
            ["AlwaysAllow", "IfHealthyBudget"],
            "spec.unhealthyPodEvictionPolicy"
        )
        return errors + SchedulingRules.selector(spec["selector"], "spec.selector")
    }
}

struct LeaseStrategy: Strategy {
    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        let spec = object["spec"]
        var errors: [FieldError] = []
        if let seconds = spec?["leaseDurationSeconds"]?.intValue, seconds <= 0 {
            let text = "must be greater than 0"
            errors.append(FieldError("spec.leaseDurationSeconds", .invalid, text, badValue: JSON(seconds)))
        }
        if let count = spec?["leaseTransitions"]?.intValue, count < 0 {
            let text = "must be greater than or equal to 0"
            errors.append(FieldError("spec.leaseTransitions", .invalid, text, badValue: JSON(count)))
        }
        if let strategy = spec?["strategy"]?.stringValue, !strategy.isEmpty {
            errors += PodRules.choice(.string(strategy), ["OldestEmulationVersion"], "spec.strategy")
        } else if !(spec?["preferredHolder"]?.stringValue ?? "").isEmpty {
            let text = "may only be specified if `strategy` is defined"
            errors.append(FieldError("spec.preferredHolder", .forbidden, text))
        }
        return errors
    }
}

/// Events of both groups: they are about something in their own namespace.
struct EventStrategy: Strategy {
    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors: [FieldError] = []
        let isNew = object.apiVersion == "events.k8s.io/v1"
        let subject = object[isNew ? "regarding" : "involvedObject"]
        let namespace = subject?["namespace"]?.stringValue ?? ""
        let own = object.namespace ?? ""
        let hasTime = !(object["eventTime"]?.isNull ?? true)
        // What has no namespace has its events in `default`.
        let isPlaced =
            namespace.isEmpty ? own == "default" || hasTime && own == "kube-system" : hasTime || namespace == own
        if !isPlaced {
            errors.append(
                FieldError(
                    "involvedObject.namespace",
                    .invalid,
                    "does not match event.namespace",
                    badValue: .string(namespace)
                )
            )
        }
        guard isNew || hasTime else { return errors }
        return errors + newErrors(object, isNew)
    }

    private func newErrors(_ object: KubeObject, _ isNew: Bool) -> [FieldError] {
        var errors: [FieldError] = []
        let controller = object[isNew ? "reportingController" : "reportingComponent"]?.stringValue ?? ""
        if object["eventTime"]?.isNull ?? true { errors.append(FieldError("eventTime", .required)) }
        if controller.isEmpty {
            errors.append(FieldError("reportingController", .required))
        } else if !LabelSyntax.isQualifiedName(controller) {
            errors.append(
                FieldError(
                    "reportingController",
                    .invalid,
                    MetadataRules.qualifiedNameText,
                    badValue: .string(controller)
                )
            )
        }
        for field in ["reportingInstance", "action", "reason"] {
            let text = object[field]?.stringValue ?? ""
            if text.isEmpty { errors.append(FieldError(field, .required)) }
            if text.utf8.count > 128 {
                errors.append(
                    FieldError(field, .invalid, "can have at most 128 characters", badValue: .string(text))
                )
            }
        }
        let note = object[isNew ? "note" : "message"]?.stringValue ?? ""
        if note.utf8.count > 1024 {
            errors.append(FieldError("message", .invalid, "can have at most 1024 characters", badValue: .string(note)))
        }
        errors += PodRules.choice(object["type"], ["Normal", "Warning"], "type")
        return errors
    }
}

struct StorageClassStrategy: Strategy {
    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors: [FieldError] = []
        let provisioner = object["provisioner"]?.stringValue ?? ""
        if provisioner.isEmpty {
            errors.append(FieldError("provisioner", .required))
        } else if !LabelSyntax.isQualifiedName(provisioner.lowercased()) {
            errors.append(
                FieldError(
                    "provisioner",
                    .invalid,
                    MetadataRules.qualifiedNameText,
                    badValue: .string(provisioner)
                )
            )
        }
        errors += PodRules.choice(object["reclaimPolicy"], ["Delete", "Retain"], "reclaimPolicy")
        errors += PodRules.choice(
            object["volumeBindingMode"],
            ["Immediate", "WaitForFirstConsumer"],
            "volumeBindingMode"
        )
        return errors
    }

    func validateUpdate(_ object: KubeObject, old: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors: [FieldError] = []
        for field in ["parameters", "provisioner"] where object.json[field] != old.json[field] {
            let text =
                field == "parameters" ? "updates to parameters are forbidden." : "updates to provisioner are forbidden."
            errors.append(FieldError(field, .forbidden, text))
        }
        for field in ["reclaimPolicy", "volumeBindingMode"] where object.json[field] != old.json[field] {
            errors.append(FieldError(field, .invalid, "field is immutable", badValue: object.json[field] ?? .null))
        }
        return errors
    }
}

struct AutoscalerStrategy: Strategy {
    var tracksGeneration: Bool { true }

    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        let spec = object["spec"] ?? [:]
        var errors: [FieldError] = []
        let minimum = spec["minReplicas"]?.intValue ?? 1
        let maximum = spec["maxReplicas"]?.intValue ?? 0
        if minimum < 1 {
            let text = "must be greater than or equal to 1"
            errors.append(FieldError("spec.minReplicas", .invalid, text, badValue: JSON(minimum)))
        }
        if maximum < 1 {
            errors.append(FieldError("spec.maxReplicas", .invalid, "must be greater than 0", badValue: JSON(maximum)))
        }
        if maximum < minimum {
            let text = "must be greater than or equal to `minReplicas`"
            errors.append(FieldError("spec.maxReplicas", .invalid, text, badValue: JSON(maximum)))
        }
        for field in ["kind", "name"] where (spec["scaleTargetRef"]?[field]?.stringValue ?? "").isEmpty {
            errors.append(FieldError("spec.scaleTargetRef." + field, .required))
        }
        return errors
    }
}

struct QuotaStrategy: Strategy {
    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors: [FieldError] = []
        for field in ["spec", "status"] {
            for (name, value) in (object.json[field]?["hard"]?.objectValue ?? [:]).sorted(by: { $0.key < $1.key }) {
                let path = "\(field).hard[\(name)]"
                if !LabelSyntax.isQualifiedName(name) {
                    errors.append(FieldError(path, .invalid, MetadataRules.qualifiedNameText, badValue: .string(name)))
                }
                do throws(QuantityParseError) {
                    if try Quantity(value).isNegative {
                        errors.append(
                            FieldError(path, .invalid, "must be greater than or equal to 0", badValue: value)
                        )
                    }
                } catch {
                    errors.append(FieldError(path, .invalid, error.description, badValue: value))
                }
            }
        }
        let known = [
            "BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "PriorityClass",
            "Terminating", "VolumeAttributesClass",
        ]
        let scopes = object["spec", "scopes"]?.stringArray ?? []
        for scope in scopes { errors += PodRules.choice(.string(scope), known, "spec.scopes") }
        for pair in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")]
        where scopes.contains(pair.0) && scopes.contains(pair.1) {
            errors.append(FieldError("spec.scopes", .invalid, "conflicting scopes", badValue: JSON(scopes)))
        }
        return errors
    }

    func validateUpdate(_ object: KubeObject, old: KubeObject, _ context: StrategyContext) -> [FieldError] {
        guard context.subresource == nil, object["spec", "scopes"] != old["spec", "scopes"] else { return [] }
        return [FieldError("spec.scopes", .invalid, "field is immutable", badValue: object["spec", "scopes"] ?? .null)]
    }
}

struct LimitRangeStrategy: Strategy {
    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors: [FieldError] = []
        var types: Set<String> = []
        for (index, item) in (object["spec", "limits"]?.arrayValue ?? []).enumerated() {
            let path = "spec.limits[\(index)]"
            let type = item["type"]?.stringValue ?? ""
            if type.isEmpty { errors.append(FieldError(path + ".type", .required)) }
            if !types.insert(type).inserted {
                errors.append(FieldError(path + ".type", .duplicate, badValue: .string(type)))
            }
            if type == "Pod" {
                for field in ["default", "defaultRequest"] where !(item[field]?.objectValue ?? [:]).isEmpty {
                    let text = "may not be specified when `type` is 'Pod'"
                    errors.append(FieldError("\(path).\(field)", .forbidden, text))
                }
            }
            errors += Self.orderErrors(item, path)
        }
        return errors
    }

    /// min ≤ defaultRequest ≤ default ≤ max.
    private static func orderErrors(_ item: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        func quantity(_ field: String, _ name: String) -> Quantity? {
            item[field]?[name].flatMap { try? Quantity($0) }
        }
        let fields = ["min", "defaultRequest", "default", "max"]
        let names = Set(fields.flatMap { item[$0]?.objectValue?.keys.map { $0 } ?? [] })
        for name in names.sorted() {
            for (low, high) in [
                ("min", "max"), ("min", "defaultRequest"), ("defaultRequest", "max"), ("defaultRequest", "default"),
                ("min", "default"), ("default", "max"),
            ] {
                guard let lower = quantity(low, name), let upper = quantity(high, name), upper < lower else { continue }
                let isUpperAtFault = low == "min" && high != "max"
                let words = ["min": "min", "max": "max", "default": "default", "defaultRequest": "default request"]
                let blamed = isUpperAtFault ? high : low
                errors.append(
                    FieldError(
                        "\(path).\(blamed)[\(name)]",
                        .invalid,
                        "\(words[low] ?? low) value \(lower) is greater than \(words[high] ?? high) value \(upper)",
                        badValue: .string("\(isUpperAtFault ? upper : lower)")
                    )
                )
            }
        }
        return errors
    }
}
