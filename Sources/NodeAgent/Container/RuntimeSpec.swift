internal import KubeCore

/// Everything that goes into a container's `config.json`.
struct RuntimeSpecInput: Sendable {
    var pod: PodModel
    var container: ContainerModel
    var arguments: [String]
    var environment: [String]
    var workingDir: String
    var user: ContainerUser
    /// Beyond the standard ones.
    var mounts: [ContainerMount]
    var maskedPaths: [String]
    /// nil = this machine's own.
    var networkNamespace: String?
    var ipcNamespace: String?
    var utsNamespace: String?
    /// Process id namespace shared by the pod; nil = one of its own.
    var processNamespace: String?
    var sharedMemory: String
    var cgroupPath: String
    var oomScoreAdjustment: Int
    /// Device files of this machine, for privileged containers and assigned devices.
    var devices: [HostDevice]
}

/// A device file.
struct HostDevice: Sendable, Hashable {
    var path: String
    /// `c` or `b`.
    var type: String
    var major: Int
    var minor: Int
    var mode: Int
    var uid: Int
    var gid: Int
}

/// Makes the OCI runtime configuration.
///
/// Pure.
///
/// Source: OCI runtime specification 1.0.2.
enum RuntimeSpec {
    static func make(_ input: RuntimeSpecInput) -> JSON {
        let security = input.container.securityContext
        let isPrivileged = security["privileged"]?.boolValue ?? false
        let capabilities = Capabilities.resolve(
            add: security[path: "capabilities", "add"]?.stringArray ?? [],
            drop: security[path: "capabilities", "drop"]?.stringArray ?? [],
            isPrivileged: isPrivileged
        )
        let isReadOnly = security["readOnlyRootFilesystem"]?.boolValue ?? false
        var root: [String: JSON] = [
            "ociVersion": "1.0.2", "process": process(input, capabilities: capabilities, isPrivileged: isPrivileged),
            "root": ["path": "rootfs", "readonly": .bool(isReadOnly)],
            "mounts": .array(mounts(input, isPrivileged: isPrivileged).map(\.json)),
            "linux": linux(input, capabilities: capabilities, isPrivileged: isPrivileged),
        ]
        // With a namespace of the pod's or the machine's own the name is already set.
        if input.utsNamespace == nil, !input.pod.hostNetwork { root["hostname"] = .string(input.pod.hostname) }
        return .object(root)
    }

    private static func process(_ input: RuntimeSpecInput, capabilities: [String], isPrivileged: Bool) -> JSON {
        let security = input.container.securityContext
        let allowsEscalation = security["allowPrivilegeEscalation"]?.boolValue ?? true
        let set = JSON(capabilities)
        var user: [String: JSON] = ["uid": JSON(input.user.uid), "gid": JSON(input.user.gid)]
        if !input.user.additionalGids.isEmpty {
            user["additionalGids"] = .array(input.user.additionalGids.map { JSON($0) })
        }
        return [
            "terminal": .bool(input.container.wantsTerminal), "user": .object(user), "args": JSON(input.arguments),
            "env": JSON(input.environment), "cwd": .string(input.workingDir.isEmpty ? "/" : input.workingDir),
            "capabilities": ["bounding": set, "effective": set, "permitted": set],
            "noNewPrivileges": .bool(!allowsEscalation && !isPrivileged), "oomScoreAdj": JSON(input.oomScoreAdjustment),
        ]
    }

    private static func mounts(_ input: RuntimeSpecInput, isPrivileged: Bool) -> [ContainerMount] {
        let system = isPrivileged ? "rw" : "ro"
        var list: [ContainerMount] = [
            ContainerMount(destination: "/proc", source: "proc", type: "proc", options: ["nosuid", "noexec", "nodev"]),
            ContainerMount(
                destination: "/dev",
                source: "tmpfs",
                type: "tmpfs",
                options: ["nosuid", "strictatime", "mode=755", "size=65536k"]
            ),
            ContainerMount(
                destination: "/dev/pts",
                source: "devpts",
                type: "devpts",
                options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
            ),
            ContainerMount(
                destination: "/dev/mqueue",
                source: "mqueue",
                type: "mqueue",
                options: ["nosuid", "noexec", "nodev"]
            ),
            ContainerMount(
                destination: "/sys",
                source: "sysfs",
                type: "sysfs",
                options: ["nosuid", "noexec", "nodev", system]
            ),
            ContainerMount(
                destination: "/sys/fs/cgroup",
                source: "cgroup",
                type: "cgroup",
                options: ["nosuid", "noexec", "nodev", "relatime", system]
            ),
        ]
        if input.pod.hostIPC { list[3] = .bind("/dev/mqueue", at: "/dev/mqueue") }
        let own = Set(input.mounts.map(\.destination))
        if !own.contains("/dev/shm") { list.append(.bind(input.sharedMemory, at: "/dev/shm")) }
        return list.filter { !own.contains($0.destination) } + input.mounts
    }

    private static func linux(_ input: RuntimeSpecInput, capabilities: [String], isPrivileged: Bool) -> JSON {
        var members: [String: JSON] = [
            "cgroupsPath": .string(input.cgroupPath), "namespaces": namespaces(input),
            "resources": resources(input, isPrivileged: isPrivileged),
        ]
        if !input.devices.isEmpty { members["devices"] = .array(input.devices.map(\.json)) }
        if !isPrivileged {
            let profile =
                input.container.securityContext[path: "seccompProfile", "type"]?.stringValue
                ?? input.pod.securityContext[path: "seccompProfile", "type"]?.stringValue
            if profile != "Unconfined" { members["seccomp"] = SystemCallFilter.standard(capabilities: capabilities) }
            let isUnmasked = input.container.securityContext["procMount"]?.stringValue == "Unmasked"
            if !isUnmasked {
                members["readonlyPaths"] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
            }
            members["maskedPaths"] = JSON((isUnmasked ? [] : hiddenKernelPaths) + input.maskedPaths)
        } else if !input.maskedPaths.isEmpty {
            members["maskedPaths"] = JSON(input.maskedPaths)
        }
        let propagations = Set(input.mounts.flatMap(\.options))
        if propagations.contains("rshared") {
            members["rootfsPropagation"] = "rshared"
        } else if propagations.contains("rslave") {
            members["rootfsPropagation"] = "rslave"
        }
        let settings = input.pod.securityContext["sysctls"]?.arrayValue ?? []
        if !settings.isEmpty {
            var values: [String: JSON] = [:]
            for setting in settings { if let name = setting["name"]?.stringValue { values[name] = setting["value"] } }
            members["sysctl"] = .object(values)
        }
        return .object(members)
    }

    private static let hiddenKernelPaths = [
        "/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
    ]

    private static func namespaces(_ input: RuntimeSpecInput) -> JSON {
        func entry(_ type: String, _ path: String? = nil) -> JSON {
            var members: [String: JSON] = ["type": .string(type)]
            if let path { members["path"] = .string(path) }
            return .object(members)
        }
        var list: [JSON] = [entry("mount")]
        if !input.pod.hostPID { list.append(entry("pid", input.processNamespace)) }
        if let path = input.networkNamespace { list.append(entry("network", path)) }
        if !input.pod.hostIPC { list.append(entry("ipc", input.ipcNamespace)) }
        if !input.pod.hostNetwork { list.append(entry("uts", input.utsNamespace)) }
        return .array(list)
    }

    private static func resources(_ input: RuntimeSpecInput, isPrivileged: Bool) -> JSON {
        var members: [String: JSON] = [:]
        if let limit = input.container.limit("memory"), !limit.isZero {
            members["memory"] = ["limit": JSON(limit.value)]
        }
        var cpu: [String: JSON] = ["shares": JSON(shares(milliCPU: input.container.request("cpu")?.milliValue ?? 0))]
        if let limit = input.container.limit("cpu"), !limit.isZero {
            // The kernel refuses a quota below 1 ms.
            cpu["period"] = 100_000
            cpu["quota"] = JSON(max(1000, limit.milliValue * 100))
        }
        members["cpu"] = .object(cpu)
        var rules: [JSON] = [["allow": .bool(isPrivileged), "access": "rwm"]]
        if !isPrivileged {
            for device in input.devices {
                rules.append([
                    "allow": true, "type": .string(device.type), "major": JSON(device.major),
                    "minor": JSON(device.minor), "access": "rwm",
                ])
            }
        }
        members["devices"] = .array(rules)
        return .object(members)
    }

    /// `cpu.shares`: 1024 per processor, at least 2.
    static func shares(milliCPU: Int) -> Int { min(262_144, max(2, milliCPU * 1024 / 1000)) }

    /// How readily the kernel kills the container when memory runs out.
    ///
    /// Source: Kubernetes documentation, "Node out of memory behavior".
    static func oomScore(qos: QoSClass, memoryRequest: Int, memoryCapacity: Int) -> Int {
        switch qos {
        case .guaranteed: return -997
        case .bestEffort: return 1000
        case .burstable:
            let score = 1000 - 1000 * memoryRequest / max(1, memoryCapacity)
            return min(999, max(3, score))
        }
    }
}

extension HostDevice {
    var json: JSON {
        [
            "path": .string(path), "type": .string(type), "major": JSON(major), "minor": JSON(minor),
            "fileMode": JSON(mode),
            "uid": JSON(uid), "gid": JSON(gid),
        ]
    }
}
