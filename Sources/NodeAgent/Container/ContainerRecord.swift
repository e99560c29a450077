internal import Glibc
internal import KubeCore

/// What the agent wrote down about one run of a container before it started it.
struct ContainerRecord: Sendable, Codable, Hashable {
    var id: String
    var podUID: String
    var name: String
    /// 0 for the first run; `restartCount` of the pod's status.
    var attempt: Int
    var image: String
    var imageID: String
    /// Seconds since 1970.
    var createdAt: Double
    /// Seconds that a restart after this run must wait; 0 = at once.
    var backoffSeconds: Double
    var logPath: String
    var cgroupPath: String
    var hasTerminal: Bool
    var hasStdin: Bool
    /// The work after the start (`postStart`) is done.
    var isPostStartDone: Bool

    static func load(_ path: String) -> ContainerRecord? {
        guard let bytes = try? Files.read(path), let json = try? JSON(parsing: bytes) else { return nil }
        return try? json.decode(ContainerRecord.self)
    }

    func save(_ path: String) throws { try Files.writeAtomically(path, JSON(encoding: self).bytes) }
}

/// How a container ended, from `exit.json`.
struct ContainerExit: Sendable, Hashable {
    var exitCode: Int
    /// 0 = ended by itself.
    var signal: Int
    /// `Completed`, `Error`, `OOMKilled`, `StartError`, `ContainerStatusUnknown`.
    var reason: String
    var message: String
    /// RFC 3339; nil when it never ran.
    var startedAt: String?
    var finishedAt: String

    init(
        exitCode: Int,
        signal: Int = 0,
        reason: String,
        message: String = "",
        startedAt: String? = nil,
        finishedAt: String
    ) {
        self.exitCode = exitCode
        self.signal = signal
        self.reason = reason
        self.message = message
        self.startedAt = startedAt
        self.finishedAt = finishedAt
    }

    init?(_ json: JSON) {
        guard let code = json["exitCode"]?.intValue else { return nil }
        exitCode = code
        signal = json["signal"]?.intValue ?? 0
        startedAt = json["startedAt"]?.stringValue
        finishedAt = json["finishedAt"]?.stringValue ?? ""
        message = json["message"]?.stringValue ?? ""
        if let given = json["reason"]?.stringValue {
            reason = given
        } else if let failure = json["startError"]?.stringValue {
            reason = "StartError"
            message = failure
        } else if json["oomKilled"]?.boolValue == true, code != 0 {
            reason = "OOMKilled"
        } else {
            reason = code == 0 ? "Completed" : "Error"
        }
    }

    var json: JSON {
        var members: [String: JSON] = [
            "exitCode": JSON(exitCode), "signal": JSON(signal), "reason": .string(reason), "message": .string(message),
            "finishedAt": .string(finishedAt),
        ]
        if let startedAt { members["startedAt"] = .string(startedAt) }
        return .object(members)
    }

    static func load(_ path: String) -> ContainerExit? {
        guard let bytes = try? Files.read(path), let json = try? JSON(parsing: bytes) else { return nil }
        return ContainerExit(json)
    }
}

/// A run of a container as found on disk.
enum ContainerPresence: Sendable, Hashable {
    /// Its monitor has not yet said that it runs.
    case starting
    case running(startedAt: String, pid: pid_t)
    case exited(ContainerExit)
    /// Its monitor is gone and has left no exit status.
    case lost(pid: pid_t?)
}

extension ContainerPaths {
    /// What is on disk now.
    ///
    /// The monitor's lock tells whether it is alive, whatever became of process ids.
    func presence() -> ContainerPresence {
        if let found = ContainerExit.load(exit) { return .exited(found) }
        let pid = Files.text(initProcess).flatMap { pid_t($0) }
        guard isMonitorAlive else {
            // The monitor may have ended between the two looks.
            if let found = ContainerExit.load(exit) { return .exited(found) }
            return .lost(pid: pid)
        }
        if let startedAt = Files.text(started), let pid { return .running(startedAt: startedAt, pid: pid) }
        return .starting
    }

    var isMonitorAlive: Bool {
        let fd = open(monitorLock, O_RDWR | O_CLOEXEC)
        guard fd >= 0 else { return false }
        defer { close(fd) }
        guard flock(fd, LOCK_EX | LOCK_NB) != 0 else { return false }
        return errno == EWOULDBLOCK
    }
}
