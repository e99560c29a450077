internal import KubeCore

/// Validation of pod specs, alone and in templates.
enum PodRules {
    static func errors(_ spec: JSON?, path: String, isTemplate: Bool) -> [FieldError] {
        guard let spec, case .object = spec else { return [FieldError(path, .required)] }
        var errors: [FieldError] = []
        let volumes = spec["volumes"]?.arrayValue ?? []
        errors += volumeErrors(volumes, path + ".volumes")
        let volumeNames = Set(volumes.compactMap { $0["name"]?.stringValue })
        let containers = spec["containers"]?.arrayValue ?? []
        if containers.isEmpty { errors.append(FieldError(path + ".containers", .required)) }
        var names: Set<String> = []
        for field in ["initContainers", "containers", "ephemeralContainers"] {
            for (index, container) in (spec[field]?.arrayValue ?? []).enumerated() {
                let place = "\(path).\(field)[\(index)]"
                errors += containerErrors(container, place, volumeNames)
                let name = container["name"]?.stringValue ?? ""
                if !name.isEmpty, !names.insert(name).inserted {
                    errors.append(FieldError(place + ".name", .duplicate, badValue: .string(name)))
                }
            }
        }
        errors += choice(spec["restartPolicy"], ["Always", "Never", "OnFailure"], path + ".restartPolicy")
        errors += choice(
            spec["dnsPolicy"],
            ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"],
            path + ".dnsPolicy"
        )
        if let deadline = spec["activeDeadlineSeconds"]?.intValue, deadline < 1 {
            errors.append(
                FieldError(
                    path + ".activeDeadlineSeconds",
                    .invalid,
                    "must be between 1 and 2147483647, inclusive",
                    badValue: JSON(deadline)
                )
            )
        }
        if let grace = spec["terminationGracePeriodSeconds"]?.intValue, grace < 0 {
            errors.append(
                FieldError(
                    path + ".terminationGracePeriodSeconds",
                    .invalid,
                    "must be greater than or equal to 0",
                    badValue: JSON(grace)
                )
            )
        }
        errors += MetadataRules.labels(spec["nodeSelector"], path: path + ".nodeSelector")
        if let account = spec["serviceAccountName"]?.stringValue, !account.isEmpty,
            let problem = NameRule.subdomainProblem(account)
        {
            errors.append(FieldError(path + ".serviceAccountName", .invalid, problem, badValue: .string(account)))
        }
        if let host = spec["hostname"]?.stringValue, !host.isEmpty, let problem = NameRule.labelProblem(host) {
            errors.append(FieldError(path + ".hostname", .invalid, problem, badValue: .string(host)))
        }
        errors += tolerationErrors(spec["tolerations"]?.arrayValue ?? [], path + ".tolerations")
        return errors
    }

    static func choice(_ value: JSON?, _ allowed: [String], _ path: String) -> [FieldError] {
        guard let text = value?.stringValue, !text.isEmpty, !allowed.contains(text) else { return [] }
        let list = allowed.map { "\"\($0)\"" }.joined(separator: ", ")
        return [FieldError(path, .notSupported, "supported values: \(list)", badValue: .string(text))]
    }

    private static func containerErrors(_ container: JSON, _ path: String, _ volumes: Set<String>) -> [FieldError] {
        var errors: [FieldError] = []
        let name = container["name"]?.stringValue ?? ""
        if name.isEmpty {
            errors.append(FieldError(path + ".name", .required))
        } else if let problem = NameRule.labelProblem(name) {
            errors.append(FieldError(path + ".name", .invalid, problem, badValue: .string(name)))
        }
        let image = container["image"]?.stringValue ?? ""
        if image.isEmpty {
            errors.append(FieldError(path + ".image", .required))
        } else if image.first?.isWhitespace == true || image.last?.isWhitespace == true {
            errors.append(
                FieldError(
                    path + ".image",
                    .invalid,
                    "must not have leading or trailing whitespace",
                    badValue: .string(image)
                )
            )
        }
        errors += choice(container["imagePullPolicy"], ["Always", "IfNotPresent", "Never"], path + ".imagePullPolicy")
        errors += choice(
            container["terminationMessagePolicy"],
            ["FallbackToLogsOnError", "File"],
            path + ".terminationMessagePolicy"
        )
        errors += portErrors(container["ports"]?.arrayValue ?? [], path + ".ports")
        errors += ResourceRules.errors(container["resources"], path: path + ".resources")
        for (index, variable) in (container["env"]?.arrayValue ?? []).enumerated() {
            let place = "\(path).env[\(index)]"
            if (variable["name"]?.stringValue ?? "").isEmpty { errors.append(FieldError(place + ".name", .required)) }
            let hasValue = !(variable["value"]?.stringValue ?? "").isEmpty
            if hasValue, !(variable["valueFrom"]?.objectValue ?? [:]).isEmpty {
                errors.append(
                    FieldError(
                        place + ".valueFrom",
                        .invalid,
                        "may not be specified when `value` is not empty",
                        badValue: ""
                    )
                )
            }
        }
        errors += mountErrors(container["volumeMounts"]?.arrayValue ?? [], path + ".volumeMounts", volumes)
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            if let json = container[probe], !json.isNull { errors += probeErrors(json, "\(path).\(probe)", probe) }
        }
        return errors
    }

    private static func mountErrors(_ mounts: [JSON], _ path: String, _ volumes: Set<String>) -> [FieldError] {
        var errors: [FieldError] = []
        var paths: Set<String> = []
        for (index, mount) in mounts.enumerated() {
            let place = "\(path)[\(index)]"
            let name = mount["name"]?.stringValue ?? ""
            if name.isEmpty {
                errors.append(FieldError(place + ".name", .required))
            } else if !volumes.contains(name) {
                errors.append(FieldError(place + ".name", .notFound, badValue: .string(name)))
            }
            let target = mount["mountPath"]?.stringValue ?? ""
            if target.isEmpty {
                errors.append(FieldError(place + ".mountPath", .required))
            } else if !paths.insert(target).inserted {
                errors.append(FieldError(place + ".mountPath", .invalid, "must be unique", badValue: .string(target)))
            }
        }
        return errors
    }

    private static func portErrors(_ ports: [JSON], _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        var names: Set<String> = []
        for (index, port) in ports.enumerated() {
            let place = "\(path)[\(index)]"
            if let name = port["name"]?.stringValue, !name.isEmpty {
                if let problem = portNameProblem(name) {
                    errors.append(FieldError(place + ".name", .invalid, problem, badValue: .string(name)))
                } else if !names.insert(name).inserted {
                    errors.append(FieldError(place + ".name", .duplicate, badValue: .string(name)))
                }
            }
            if let number = port["containerPort"]?.intValue, number != 0 {
                errors += portNumber(number, place + ".containerPort")
            } else {
                errors.append(FieldError(place + ".containerPort", .required))
            }
            if let number = port["hostPort"]?.intValue, number != 0 {
                errors += portNumber(number, place + ".hostPort")
            }
            errors += choice(port["protocol"], ["SCTP", "TCP", "UDP"], place + ".protocol")
        }
        return errors
    }

    static func portNumber(_ number: Int, _ path: String) -> [FieldError] {
        (1...65535).contains(number)
            ? [] : [FieldError(path, .invalid, "must be between 1 and 65535, inclusive", badValue: JSON(number))]
    }

    /// IANA service names.
    static func portNameProblem(_ name: String) -> String? {
        if name.utf8.count > 15 { return "must be no more than 15 characters" }
        guard !name.contains("."), LabelSyntax.isSubdomain(name[...]) else {
            return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
        }
        if !name.contains(where: { $0 >= "a" && $0 <= "z" }) { return "must contain at least one letter (a-z)" }
        return name.contains("--") ? "must not contain consecutive hyphens" : nil
    }

    private static func probeErrors(_ probe: JSON, _ path: String, _ name: String) -> [FieldError] {
        var errors: [FieldError] = []
        let handlers = ["exec", "httpGet", "tcpSocket", "grpc"].filter { !(probe[$0]?.isNull ?? true) }
        if handlers.isEmpty { errors.append(FieldError(path, .required, "must specify a handler type")) }
        for extra in handlers.dropFirst() {
            errors.append(FieldError(path + "." + extra, .forbidden, "may not specify more than 1 handler type"))
        }
        for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
        {
            if let number = probe[field]?.intValue, number < 0 {
                errors.append(
                    FieldError(
                        path + "." + field,
                        .invalid,
                        "must be greater than or equal to 0",
                        badValue: JSON(number)
                    )
                )
            }
        }
        if name != "readinessProbe", let threshold = probe["successThreshold"]?.intValue, threshold > 1 {
            errors.append(FieldError(path + ".successThreshold", .invalid, "must be 1", badValue: JSON(threshold)))
        }
        return errors
    }

    private static func volumeErrors(_ volumes: [JSON], _ path: String) -> [FieldError] {
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
            if let host = volume["hostPath"], (host["path"]?.stringValue ?? "").isEmpty {
                errors.append(FieldError(place + ".hostPath.path", .required))
            }
            if let secret = volume["secret"], (secret["secretName"]?.stringValue ?? "").isEmpty {
                errors.append(FieldError(place + ".secret.secretName", .required))
            }
            if let map = volume["configMap"], (map["name"]?.stringValue ?? "").isEmpty {
                errors.append(FieldError(place + ".configMap.name", .required))
            }
            if let claim = volume["persistentVolumeClaim"], (claim["claimName"]?.stringValue ?? "").isEmpty {
                errors.append(FieldError(place + ".persistentVolumeClaim.claimName", .required))
            }
        }
        return errors
    }

    private static func tolerationErrors(_ tolerations: [JSON], _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        for (index, toleration) in tolerations.enumerated() {
            let place = "\(path)[\(index)]"
            let key = toleration["key"]?.stringValue ?? ""
            let op = toleration["operator"]?.stringValue ?? "Equal"
            if key.isEmpty, op != "Exists" {
                errors.append(
                    FieldError(
                        place + ".operator",
                        .invalid,
                        "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
                        badValue: .string(op)
                    )
                )
            }
            errors += choice(toleration["operator"], ["Equal", "Exists"], place + ".operator")
            errors += choice(
                toleration["effect"],
                ["NoSchedule", "PreferNoSchedule", "NoExecute"],
                place + ".effect"
            )
        }
        return errors
    }
}

extension PodRules {
    /// Updates may change images, deadlines, tolerations (more) and scheduling gates (fewer).
    static func changes(_ new: JSON, _ old: JSON) -> [FieldError] {
        var errors: [FieldError] = []
        var masked = new
        for field in ["containers", "initContainers"] {
            let before = old[field]?.arrayValue ?? []
            let after = new[field]?.arrayValue ?? []
            guard before.count == after.count else {
                return [FieldError("spec." + field, .forbidden, "pod updates may not add or remove containers")]
            }
            if after.isEmpty { continue }
            masked[field] = .array(
                zip(after, before).map { after, before in
                    var container = after
                    container["image"] = before["image"]
                    return container
                }
            )
        }
        let beforeTolerations = old["tolerations"]?.arrayValue ?? []
        let afterTolerations = new["tolerations"]?.arrayValue ?? []
        if beforeTolerations.contains(where: { !afterTolerations.contains($0) }) {
            errors.append(
                FieldError(
                    "spec.tolerations",
                    .forbidden,
                    "existing toleration can not be modified except its tolerationSeconds"
                )
            )
        }
        masked["tolerations"] = old["tolerations"]
        let gatesBefore = old["schedulingGates"]?.arrayValue ?? []
        let gatesAfter = new["schedulingGates"]?.arrayValue ?? []
        if let added = gatesAfter.first(where: { !gatesBefore.contains($0) }) {
            errors.append(
                FieldError(
                    "spec.schedulingGates",
                    .forbidden,
                    "only deletion is allowed, but found new scheduling gate '\(added["name"]?.stringValue ?? "")'"
                )
            )
        }
        masked["schedulingGates"] = old["schedulingGates"]
        if !gatesBefore.isEmpty {
            // A gated pod may still be aimed at fewer nodes.
            masked["nodeSelector"] = old["nodeSelector"]
            masked["affinity"] = old["affinity"]
        }
        if let before = old["activeDeadlineSeconds"]?.intValue {
            let after = new["activeDeadlineSeconds"]?.intValue
            if after == nil || after ?? 0 > before {
                errors.append(
                    FieldError(
                        "spec.activeDeadlineSeconds",
                        .invalid,
                        "must be less than or equal to previous value",
                        badValue: new["activeDeadlineSeconds"] ?? .null
                    )
                )
            }
        }
        masked["activeDeadlineSeconds"] = old["activeDeadlineSeconds"]
        if old["terminationGracePeriodSeconds"]?.intValue ?? 0 < 0, new["terminationGracePeriodSeconds"]?.intValue == 1
        {
            masked["terminationGracePeriodSeconds"] = old["terminationGracePeriodSeconds"]
        }
        if masked != old {
            errors.append(
                FieldError(
                    "spec",
                    .forbidden,
                    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
                        + "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
                        + "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
                )
            )
        }
        return errors
    }

    static func ephemeralChanges(_ new: JSON, _ old: JSON) -> [FieldError] {
        let before = old["ephemeralContainers"]?.arrayValue ?? []
        let after = new["ephemeralContainers"]?.arrayValue ?? []
        for container in before {
            guard let same = after.first(where: { $0["name"] == container["name"] }) else {
                let name = container["name"]?.stringValue ?? ""
                return [
                    FieldError(
                        "spec.ephemeralContainers",
                        .forbidden,
                        "existing ephemeral containers \"\(name)\" may not be removed"
                    )
                ]
            }
            if same != container {
                let name = container["name"]?.stringValue ?? ""
                return [
                    FieldError(
                        "spec.ephemeralContainers",
                        .forbidden,
                        "existing ephemeral containers \"\(name)\" may not be changed"
                    )
                ]
            }
        }
        return []
    }

    static func resizeChanges(_ new: JSON, _ old: JSON) -> [FieldError] {
        var masked = new
        for field in ["containers", "initContainers"] {
            let before = old[field]?.arrayValue ?? []
            guard let after = new[field]?.arrayValue, after.count == before.count else { continue }
            masked[field] = .array(
                zip(after, before).map { after, before in
                    var container = after
                    container["resources"] = before["resources"]
                    container["resizePolicy"] = before["resizePolicy"]
                    return container
                }
            )
        }
        return masked == old
            ? [] : [FieldError("spec", .forbidden, "only cpu and memory resources are mutable")]
    }
}

/// Requests and limits.
enum ResourceRules {
    static func errors(_ resources: JSON?, path: String) -> [FieldError] {
        var errors: [FieldError] = []
        var limits: [String: Quantity] = [:]
        for field in ["limits", "requests"] {
            for (name, value) in (resources?[field]?.objectValue ?? [:]).sorted(by: { $0.key < $1.key }) {
                let place = "\(path).\(field)[\(name)]"
                if !LabelSyntax.isQualifiedName(name) {
                    errors.append(FieldError(place, .invalid, MetadataRules.qualifiedNameText, badValue: .string(name)))
                }
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
                if field == "limits" {
                    limits[name] = quantity
                    continue
                }
                if let limit = limits[name], quantity > limit {
                    errors.append(
                        FieldError(
                            "\(path).requests",
                            .invalid,
                            "must be less than or equal to \(name) limit of \(limit)",
                            badValue: value
                        )
                    )
                } else if name.contains("/"), limits[name] != quantity {
                    errors.append(
                        FieldError("\(path).limits", .required, "Limit must be set for non overcommitable resources")
                    )
                }
            }
        }
        return errors
    }
}
