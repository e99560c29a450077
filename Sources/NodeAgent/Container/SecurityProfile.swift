internal import KubeCore

/// Capabilities of containers.
enum Capabilities {
    /// What a container gets that asks for nothing; containerd's set.
    static let standard = [
        "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
        "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
    ]

    /// By number, as <linux/capability.h> has them.
    static let numbered = [
        "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
        "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO",
        "SYS_CHROOT",
        "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG",
        "MKNOD", "LEASE",
        "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND",
        "AUDIT_READ",
        "PERFMON", "BPF", "CHECKPOINT_RESTORE",
    ]

    /// All that this machine lets the agent pass on.
    static let all: [String] = {
        let status = Files.text("/proc/self/status") ?? ""
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("CapBnd:") }),
            let mask = UInt64(line.dropFirst("CapBnd:".count).filter { $0.isHexDigit }, radix: 16)
        else { return numbered }
        return numbered.enumerated().filter { mask >> UInt64($0.offset) & 1 == 1 }.map(\.element)
    }()

    /// The set after `add` and `drop`, in runc's spelling, sorted.
    static func resolve(add: [String], drop: [String], isPrivileged: Bool) -> [String] {
        if isPrivileged { return all.map { "CAP_" + $0 } }
        let add = add.map(plain)
        let drop = drop.map(plain)
        var set = Set(standard)
        if add.contains("ALL") { set = Set(all) }
        if drop.contains("ALL") { set = [] }
        set.formUnion(add.filter { $0 != "ALL" && numbered.contains($0) })
        set.subtract(drop)
        return set.sorted().map { "CAP_" + $0 }
    }

    private static func plain(_ name: String) -> String {
        let upper = name.uppercased()
        return upper.hasPrefix("CAP_") ? String(upper.dropFirst(4)) : upper
    }
}

/// The system call filter of `RuntimeDefault`: everything but what changes the machine or reaches out of the container.
enum SystemCallFilter {
    private static let always = [
        "acct", "add_key", "clock_adjtime", "clock_adjtime64", "clock_settime", "clock_settime64", "create_module",
        "delete_module",
        "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "get_kernel_syms", "init_module", "io_uring_enter",
        "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kexec_file_load", "kexec_load", "keyctl",
        "lookup_dcookie",
        "move_mount", "nfsservctl", "open_tree", "query_module", "quotactl", "quotactl_fd", "reboot", "request_key",
        "settimeofday", "stime",
        "swapoff", "swapon", "sysfs", "uselib", "userfaultfd", "ustat", "vm86", "vm86old",
    ]
    private static let withoutSystemAdministration = [
        "bpf", "fanotify_init", "mount", "mount_setattr", "open_by_handle_at", "perf_event_open", "pivot_root",
        "setdomainname",
        "sethostname", "setns", "umount", "umount2", "unshare",
    ]
    private static let allowedBy: [(capability: String, calls: [String])] = [
        ("CAP_SYS_MODULE", ["delete_module", "finit_module", "init_module"]),
        ("CAP_SYS_BOOT", ["reboot", "kexec_load", "kexec_file_load"]),
        ("CAP_SYS_PACCT", ["acct"]), ("CAP_SYS_RAWIO", ["ioperm", "iopl"]),
        (
            "CAP_SYS_TIME",
            ["clock_adjtime", "clock_adjtime64", "clock_settime", "clock_settime64", "settimeofday", "stime"]
        ),
        (
            "CAP_SYS_ADMIN",
            ["fsconfig", "fsmount", "fsopen", "fspick", "move_mount", "open_tree", "quotactl", "lookup_dcookie"]
        ),
    ]
    /// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
    private static let namespaceFlags = [
        0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000,
    ]

    /// `linux.seccomp` for a container with these capabilities.
    static func standard(capabilities: [String]) -> JSON {
        var denied = Set(always)
        for (capability, calls) in allowedBy where capabilities.contains(capability) { denied.subtract(calls) }
        let isAdministrator = capabilities.contains("CAP_SYS_ADMIN")
        if !isAdministrator { denied.formUnion(withoutSystemAdministration) }
        var rules: [JSON] = [
            ["names": JSON(denied.sorted()), "action": "SCMP_ACT_ERRNO", "errnoRet": 1]
        ]
        if !isAdministrator {
            // Programs fall back to clone, whose flags a filter can see.
            rules.append(["names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38])
            for flag in namespaceFlags {
                let argument: JSON = [
                    "index": 0, "value": JSON(flag), "valueTwo": JSON(flag), "op": "SCMP_CMP_MASKED_EQ",
                ]
                rules.append(["names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": [argument]])
            }
        }
        let architectures: [String] =
            Machine.architecture == "arm64"
            ? ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"] : ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
        return ["defaultAction": "SCMP_ACT_ALLOW", "architectures": JSON(architectures), "syscalls": .array(rules)]
    }
}
