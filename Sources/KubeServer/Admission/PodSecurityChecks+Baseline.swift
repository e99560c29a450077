internal import KubeCore

extension PodSecurityChecks {
    static func appArmor(_ pod: Pod) -> Violation? {
        let prefix = "container.apparmor.security.beta.kubernetes.io/"
        let annotations = pod.annotations.filter { key, value in
            key.hasPrefix(prefix) && !value.isEmpty && value != "runtime/default" && !value.hasPrefix("localhost/")
        }
        .map { "\($0.key)=\"\($0.value)\"" }.sorted()
        var bad: Set<String> = []
        func isBad(_ security: JSON?) -> Bool {
            guard let type = security?["appArmorProfile"]?["type"]?.stringValue,
                type != "RuntimeDefault", type != "Localhost"
            else { return false }
            bad.insert(type)
            return true
        }
        let isPodBad = isBad(pod.security)
        let names = names(pod) { isBad($0["securityContext"]) }
        var details: [String] = annotations.isEmpty ? [] : [annotations.joined(separator: ", ")]
        if let setters = setters(pod: isPodBad, names) {
            details.append("\(setters) must not set AppArmor profile type to \(quoted(bad.sorted()))")
        }
        if details.isEmpty { return nil }
        let count = annotations.count + bad.count
        return Violation(
            reason: plural("forbidden AppArmor profile", "forbidden AppArmor profiles", count),
            detail: details.joined(separator: ", ")
        )
    }

    static func baselineCapabilities(_ pod: Pod) -> Violation? {
        let allowed: Set<String> = [
            "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
            "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
        ]
        var bad: Set<String> = []
        let names = names(pod) { container in
            let added = container["securityContext"]?["capabilities"]?["add"]?.stringArray ?? []
            let excess = added.filter { !allowed.contains($0) }
            bad.formUnion(excess)
            return !excess.isEmpty
        }
        if names.isEmpty { return nil }
        return Violation(
            reason: "non-default capabilities",
            detail: "\(containers(names)) must not include \(quoted(bad.sorted())) in securityContext.capabilities.add"
        )
    }

    static func hostNamespaces(_ pod: Pod) -> Violation? {
        let used = ["hostNetwork", "hostPID", "hostIPC"].filter { pod.spec[$0]?.boolValue == true }
        if used.isEmpty { return nil }
        return Violation(reason: "host namespaces", detail: used.map { $0 + "=true" }.joined(separator: ", "))
    }

    static func hostPaths(_ pod: Pod) -> Violation? {
        let names = (pod.spec["volumes"]?.arrayValue ?? []).filter { !($0["hostPath"]?.isNull ?? true) }
            .map { $0["name"]?.stringValue ?? "" }
        if names.isEmpty { return nil }
        return Violation(
            reason: "hostPath volumes",
            detail: plural("volume", "volumes", names.count) + " " + quoted(names)
        )
    }

    static func hostPorts(_ pod: Pod) -> Violation? {
        var bad: Set<String> = []
        let names = names(pod) { container in
            let ports = (container["ports"]?.arrayValue ?? []).compactMap { $0["hostPort"]?.intValue }.filter {
                $0 != 0
            }
            bad.formUnion(ports.map(String.init))
            return !ports.isEmpty
        }
        if names.isEmpty { return nil }
        return Violation(
            reason: "hostPort",
            detail: "\(containers(names)) \(plural("uses", "use", names.count)) "
                + "\(plural("hostPort", "hostPorts", bad.count)) \(bad.sorted().joined(separator: ", "))"
        )
    }

    static func hostProbes(_ pod: Pod) -> Violation? {
        guard pod.minor >= 34 else { return nil }
        var bad: Set<String> = []
        let names = names(pod) { container in
            var handlers: [JSON?] = ["livenessProbe", "readinessProbe", "startupProbe"].map { container[$0] }
            handlers += ["postStart", "preStop"].map { container["lifecycle"]?[$0] }
            let hosts = handlers.flatMap { handler in
                ["httpGet", "tcpSocket"].compactMap { handler?[$0]?["host"]?.stringValue }.filter { !$0.isEmpty }
            }
            bad.formUnion(hosts)
            return !hosts.isEmpty
        }
        if names.isEmpty { return nil }
        let sorted = Set(names).sorted()
        return Violation(
            reason: "probe or lifecycle host",
            detail: "\(containers(sorted)) \(plural("uses", "use", sorted.count)) "
                + "\(plural("probe or lifecycle host", "probe or lifecycle hosts", bad.count)) \(quoted(bad.sorted()))"
        )
    }

    static func privileged(_ pod: Pod) -> Violation? {
        let names = names(pod) { $0["securityContext"]?["privileged"]?.boolValue == true }
        if names.isEmpty { return nil }
        return Violation(
            reason: "privileged",
            detail: "\(containers(names)) must not set securityContext.privileged=true"
        )
    }

    static func procMount(_ pod: Pod) -> Violation? {
        if pod.hasOwnUsers { return nil }
        var bad: Set<String> = []
        let names = names(pod) { container in
            guard let mount = container["securityContext"]?["procMount"]?.stringValue, mount != "Default" else {
                return false
            }
            bad.insert(mount)
            return true
        }
        if names.isEmpty { return nil }
        return Violation(
            reason: "procMount",
            detail: "\(containers(names)) must not set securityContext.procMount to \(quoted(bad.sorted()))"
        )
    }

    static func seLinux(_ pod: Pod) -> Violation? {
        var allowed: Set<String> = ["", "container_t", "container_init_t", "container_kvm_t"]
        if pod.minor >= 31 { allowed.insert("container_engine_t") }
        var types: Set<String> = []
        var others: Set<String> = []
        func isBad(_ security: JSON?) -> Bool {
            guard let options = security?["seLinuxOptions"] else { return false }
            var isBad = false
            if let type = options["type"]?.stringValue, !allowed.contains(type) {
                types.insert(type)
                isBad = true
            }
            for field in ["user", "role"] where !(options[field]?.stringValue ?? "").isEmpty {
                others.insert(field)
                isBad = true
            }
            return isBad
        }
        let isPodBad = isBad(pod.security)
        let names = names(pod) { isBad($0["securityContext"]) }
        guard let setters = setters(pod: isPodBad, names) else { return nil }
        var data: [String] = []
        if !types.isEmpty { data.append(plural("type", "types", types.count) + " " + quoted(types.sorted())) }
        if others.contains("user") { data.append("user may not be set") }
        if others.contains("role") { data.append("role may not be set") }
        return Violation(
            reason: "seLinuxOptions",
            detail: "\(setters) set forbidden securityContext.seLinuxOptions: \(data.joined(separator: "; "))"
        )
    }

    static func baselineSeccomp(_ pod: Pod) -> Violation? {
        if pod.minor < 19 { return nil }
        var bad: Set<String> = []
        let isPodBad = hasBadSeccomp(pod.security, &bad)
        let names = names(pod) { hasBadSeccomp($0["securityContext"], &bad) }
        return setters(pod: isPodBad, names).map { seccomp($0, bad) }
    }

    static func hasBadSeccomp(_ security: JSON?, _ bad: inout Set<String>) -> Bool {
        guard let profile = security?["seccompProfile"], !profile.isNull else { return false }
        let type = profile["type"]?.stringValue ?? ""
        if type == "RuntimeDefault" || type == "Localhost" { return false }
        bad.insert(type)
        return true
    }

    static func seccomp(_ setters: String, _ bad: Set<String>) -> Violation {
        Violation(
            reason: "seccompProfile",
            detail: "\(setters) must not set securityContext.seccompProfile.type to \(quoted(bad.sorted()))"
        )
    }

    static func sysctls(_ pod: Pod) -> Violation? {
        var allowed: Set<String> = [
            "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
            "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
        ]
        if pod.minor >= 27 { allowed.insert("net.ipv4.ip_local_reserved_ports") }
        if pod.minor >= 29 {
            allowed.formUnion([
                "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
                "net.ipv4.tcp_keepalive_probes",
            ])
        }
        if pod.minor >= 32 { allowed.formUnion(["net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"]) }
        let names = (pod.security?["sysctls"]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue }
        let bad = names.filter { !allowed.contains($0) }
        return bad.isEmpty ? nil : Violation(reason: "forbidden sysctls", detail: bad.joined(separator: ", "))
    }

    static func windowsHostProcess(_ pod: Pod) -> Violation? {
        func isBad(_ security: JSON?) -> Bool { security?["windowsOptions"]?["hostProcess"]?.boolValue == true }
        guard let setters = setters(pod: isBad(pod.security), names(pod) { isBad($0["securityContext"]) }) else {
            return nil
        }
        return Violation(
            reason: "hostProcess",
            detail: "\(setters) must not set securityContext.windowsOptions.hostProcess=true"
        )
    }
}
