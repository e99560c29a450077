internal import KubeCore

struct NamespaceStrategy: Strategy {
    var nameRule: NameRule { .label }
    private static let protected = ["default", "kube-system", "kube-public"]

    func prepareForCreate(_ object: inout KubeObject, _ context: StrategyContext) throws {
        let finalizers = object["spec", "finalizers"]?.stringArray ?? []
        if !finalizers.contains("kubernetes") {
            object["spec", "finalizers"] = JSON(finalizers + ["kubernetes"])
        }
        object["metadata", "labels", "kubernetes.io/metadata.name"] = .string(object.name)
        object["status"] = ["phase": "Active"]
    }

    func prepareForUpdate(_ object: inout KubeObject, old: KubeObject, _ context: StrategyContext) throws {
        object["metadata", "labels", "kubernetes.io/metadata.name"] = .string(object.name)
        // Only the finalize subresource changes these.
        if context.subresource != "finalize" { object["spec", "finalizers"] = old["spec", "finalizers"] }
    }

    func prepareForDelete(_ object: inout KubeObject, _ context: StrategyContext) {
        object["status", "phase"] = "Terminating"
    }

    func validateDelete(_ object: KubeObject, _ context: StrategyContext) throws {
        guard NamespaceStrategy.protected.contains(object.name) else { return }
        throw APIError.forbidden(.namespaces, object.name, "this namespace may not be deleted")
    }
}

struct RoleStrategy: Strategy {
    let isBinding: Bool
    var nameRule: NameRule { .pathSegment }

    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        isBinding ? bindingErrors(object) : ruleErrors(object)
    }

    private func bindingErrors(_ object: KubeObject) -> [FieldError] {
        var errors = PodRules.choice(object["roleRef", "kind"], ["Role", "ClusterRole"], "roleRef.kind")
        if (object["roleRef", "kind"]?.stringValue ?? "").isEmpty {
            errors.append(FieldError("roleRef.kind", .required))
        }
        if (object["roleRef", "name"]?.stringValue ?? "").isEmpty {
            errors.append(FieldError("roleRef.name", .required))
        }
        for (index, subject) in (object["subjects"]?.arrayValue ?? []).enumerated() {
            let path = "subjects[\(index)]"
            if (subject["name"]?.stringValue ?? "").isEmpty { errors.append(FieldError(path + ".name", .required)) }
            errors += PodRules.choice(subject["kind"], ["ServiceAccount", "User", "Group"], path + ".kind")
            if subject["kind"] == "ServiceAccount", (subject["namespace"]?.stringValue ?? "").isEmpty {
                errors.append(FieldError(path + ".namespace", .required))
            }
        }
        return errors
    }

    private func ruleErrors(_ object: KubeObject) -> [FieldError] {
        var errors: [FieldError] = []
        for (index, rule) in (object["rules"]?.arrayValue ?? []).enumerated() {
            let path = "rules[\(index)]"
            if (rule["verbs"]?.arrayValue ?? []).isEmpty {
                errors.append(FieldError(path + ".verbs", .required, "verbs must contain at least one value"))
            }
            if !(rule["nonResourceURLs"]?.arrayValue ?? []).isEmpty { continue }
            if (rule["apiGroups"]?.arrayValue ?? []).isEmpty {
                errors.append(
                    FieldError(path + ".apiGroups", .required, "resource rules must supply at least one api group")
                )
            }
            if (rule["resources"]?.arrayValue ?? []).isEmpty {
                errors.append(
                    FieldError(path + ".resources", .required, "resource rules must supply at least one resource")
                )
            }
        }
        return errors
    }

    func validateUpdate(_ object: KubeObject, old: KubeObject, _ context: StrategyContext) -> [FieldError] {
        guard isBinding, object["roleRef"] != old["roleRef"] else { return [] }
        return [FieldError("roleRef", .invalid, "cannot change roleRef", badValue: object["roleRef"] ?? .null)]
    }
}

struct PriorityClassStrategy: Strategy {
    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors = PodRules.choice(
            object["preemptionPolicy"],
            ["Never", "PreemptLowerPriority"],
            "preemptionPolicy"
        )
        let value = object["value"]?.intValue ?? 0
        let isSystem = ["system-node-critical", "system-cluster-critical"].contains(object.name)
        if object.name.hasPrefix("system-"), !isSystem {
            errors.append(
                FieldError(
                    "metadata.name",
                    .forbidden,
                    "priority class names with 'system-' prefix are reserved for system use only"
                )
            )
        }
        if value > 1_000_000_000, !isSystem {
            errors.append(
                FieldError(
                    "value",
                    .forbidden,
                    "maximum allowed value of a user defined priority is 1000000000"
                )
            )
        }
        return errors
    }

    func validateUpdate(_ object: KubeObject, old: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors: [FieldError] = []
        if (object["value"]?.intValue ?? 0) != (old["value"]?.intValue ?? 0) {
            errors.append(FieldError("value", .forbidden, "may not be changed in an update."))
        }
        if object["preemptionPolicy"] != old["preemptionPolicy"], object["preemptionPolicy"] != nil {
            errors.append(
                FieldError(
                    "preemptionPolicy",
                    .invalid,
                    "field is immutable",
                    badValue: object["preemptionPolicy"] ?? .null
                )
            )
        }
        return errors
    }
}
