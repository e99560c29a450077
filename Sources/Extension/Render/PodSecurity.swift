internal import KubeCore

/// The Baseline level of the Pod Security Standards.
///
/// Source: kubernetes.io/docs/concepts/security/pod-security-standards.
enum PodSecurity {
    /// What the level forbids and this pod has, each in a few words; empty when it is admitted.
    static func baselineViolations(_ spec: JSON) -> [String] {
        var found: [String] = []
        for field in ["hostNetwork", "hostPID", "hostIPC"] where spec[field]?.boolValue == true { found.append(field) }
        for volume in spec["volumes"]?.arrayValue ?? [] {
            if let path = volume["hostPath"]?["path"]?.stringValue { found.append("hostPath \(path)") }
        }
        found += contextViolations(spec["securityContext"] ?? [:])
        for sysctl in spec["securityContext"]?["sysctls"]?.arrayValue ?? [] {
            let name = sysctl["name"]?.stringValue ?? ""
            if !safeSysctls.contains(name) { found.append("sysctl \(name)") }
        }
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            for container in spec[list]?.arrayValue ?? [] { found += containerViolations(container) }
        }
        return found
    }

    private static func containerViolations(_ container: JSON) -> [String] {
        var found: [String] = []
        let context = container["securityContext"] ?? [:]
        if context["privileged"]?.boolValue == true { found.append("privileged") }
        for capability in context[path: "capabilities", "add"]?.stringArray ?? []
        where !allowedCapabilities.contains(capability) {
            found.append("capability \(capability)")
        }
        for port in container["ports"]?.arrayValue ?? [] {
            if let host = port["hostPort"]?.intValue, host != 0 { found.append("hostPort \(host)") }
        }
        if let mount = context["procMount"]?.stringValue, mount != "Default" { found.append("procMount \(mount)") }
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            found += hostViolations(container[probe] ?? [:])
        }
        for hook in ["postStart", "preStop"] { found += hostViolations(container[path: "lifecycle", hook] ?? [:]) }
        return found + contextViolations(context)
    }

    /// Probes and hooks may not name a host of their own.
    private static func hostViolations(_ handler: JSON) -> [String] {
        ["httpGet", "tcpSocket"].compactMap { kind in
            guard let host = handler[kind]?["host"]?.stringValue, !host.isEmpty else { return nil }
            return "probe of host \(host)"
        }
    }

    /// What a pod's and a container's security contexts have in common.
    private static func contextViolations(_ context: JSON) -> [String] {
        var found: [String] = []
        if context[path: "seccompProfile", "type"]?.stringValue == "Unconfined" { found.append("seccomp Unconfined") }
        if let profile = context[path: "appArmorProfile", "type"]?.stringValue,
            profile != "RuntimeDefault", profile != "Localhost"
        {
            found.append("AppArmor \(profile)")
        }
        let options = context["seLinuxOptions"] ?? [:]
        if let type = options["type"]?.stringValue, !allowedSELinuxTypes.contains(type) {
            found.append("SELinux type \(type)")
        }
        for field in ["user", "role"] {
            if let value = options[field]?.stringValue, !value.isEmpty { found.append("SELinux \(field) \(value)") }
        }
        if context[path: "windowsOptions", "hostProcess"]?.boolValue == true { found.append("hostProcess") }
        return found
    }

    private static let allowedCapabilities: Set<String> = [
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
        "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    ]

    private static let allowedSELinuxTypes: Set<String> = [
        "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t",
    ]

    private static let safeSysctls: Set<String> = [
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
    ]
}
