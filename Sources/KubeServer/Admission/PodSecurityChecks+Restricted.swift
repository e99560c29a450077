internal import KubeCore

extension PodSecurityChecks {
    static func privilegeEscalation(_ pod: Pod) -> Violation? {
        guard pod.minor >= 8, !pod.isWindows else { return nil }
        let names = names(pod) { $0["securityContext"]?["allowPrivilegeEscalation"]?.boolValue != false }
        if names.isEmpty { return nil }
        return Violation(
            reason: "allowPrivilegeEscalation != false",
            detail: "\(containers(names)) must set securityContext.allowPrivilegeEscalation=false"
        )
    }

    static func restrictedCapabilities(_ pod: Pod) -> Violation? {
        guard pod.minor >= 22, !pod.isWindows else { return nil }
        var bad: Set<String> = []
        let missing = names(pod) { container in
            !(container["securityContext"]?["capabilities"]?["drop"]?.stringArray ?? []).contains("ALL")
        }
        let adding = names(pod) { container in
            let added = container["securityContext"]?["capabilities"]?["add"]?.stringArray ?? []
            let excess = added.filter { $0 != "NET_BIND_SERVICE" }
            bad.formUnion(excess)
            return !excess.isEmpty
        }
        var details: [String] = []
        if !missing.isEmpty {
            details.append("\(containers(missing)) must set securityContext.capabilities.drop=[\"ALL\"]")
        }
        if !adding.isEmpty {
            details.append(
                "\(containers(adding)) must not include \(quoted(bad.sorted())) in securityContext.capabilities.add"
            )
        }
        if details.isEmpty { return nil }
        return Violation(reason: "unrestricted capabilities", detail: details.joined(separator: "; "))
    }

    static func restrictedVolumes(_ pod: Pod) -> Violation? {
        let allowed: Set<String> = [
            "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
            "image",
        ]
        var names: [String] = []
        var types: Set<String> = []
        for volume in pod.spec["volumes"]?.arrayValue ?? [] {
            let sources = (volume.objectValue ?? [:]).filter { $0.key != "name" && !$0.value.isNull }.keys
            if sources.contains(where: allowed.contains) { continue }
            names.append(volume["name"]?.stringValue ?? "")
            types.formUnion(sources.isEmpty ? ["unknown"] : Set(sources))
        }
        if names.isEmpty { return nil }
        return Violation(
            reason: "restricted volume types",
            detail:
                "\(plural("volume", "volumes", names.count)) \(quoted(names)) \(plural("uses", "use", names.count)) "
                + "\(plural("restricted volume type", "restricted volume types", types.count)) \(quoted(types.sorted()))"
        )
    }

    static func runAsNonRoot(_ pod: Pod) -> Violation? {
        if pod.hasOwnUsers { return nil }
        let own = pod.security?["runAsNonRoot"]?.boolValue
        func value(_ container: JSON) -> Bool? { container["securityContext"]?["runAsNonRoot"]?.boolValue }
        if let setters = setters(pod: own == false, names(pod) { value($0) == false }) {
            return Violation(
                reason: "runAsNonRoot != true",
                detail: "\(setters) must not set securityContext.runAsNonRoot=false"
            )
        }
        if own == true { return nil }
        let silent = names(pod) { value($0) == nil }
        if silent.isEmpty { return nil }
        return Violation(
            reason: "runAsNonRoot != true",
            detail: "pod or \(containers(silent)) must set securityContext.runAsNonRoot=true"
        )
    }

    static func runAsUser(_ pod: Pod) -> Violation? {
        guard pod.minor >= 23, !pod.hasOwnUsers else { return nil }
        func isRoot(_ security: JSON?) -> Bool { security?["runAsUser"]?.intValue == 0 }
        guard let setters = setters(pod: isRoot(pod.security), names(pod) { isRoot($0["securityContext"]) }) else {
            return nil
        }
        return Violation(reason: "runAsUser=0", detail: "\(setters) must not set runAsUser=0")
    }

    static func restrictedSeccomp(_ pod: Pod) -> Violation? {
        guard pod.minor >= 19, !pod.isWindows else { return nil }
        var bad: Set<String> = []
        let isPodBad = hasBadSeccomp(pod.security, &bad)
        let explicit = names(pod) { hasBadSeccomp($0["securityContext"], &bad) }
        if let setters = setters(pod: isPodBad, explicit) { return seccomp(setters, bad) }
        func isSet(_ security: JSON?) -> Bool { !(security?["seccompProfile"]?.isNull ?? true) }
        if isSet(pod.security) { return nil }
        let silent = names(pod) { !isSet($0["securityContext"]) }
        if silent.isEmpty { return nil }
        return Violation(
            reason: "seccompProfile",
            detail: "pod or \(containers(silent)) must set securityContext.seccompProfile.type to \"RuntimeDefault\" "
                + "or \"Localhost\""
        )
    }
}
