internal import KubeCore

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
