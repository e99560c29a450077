internal import Glibc

/// Control groups of either version, addressed by the path below the hierarchy's root.
enum Cgroups {
    private static let root = "/sys/fs/cgroup"

    /// Folders of the group in every hierarchy that has it.
    static func folders(_ group: String) -> [String] {
        var folders: [String] = []
        if Files.exists(root + "/cgroup.controllers") {
            folders.append(root + group)
        } else {
            for hierarchy in Files.list(root)
            where Files.status(root + "/" + hierarchy)?.st_mode.isDirectoryMode == true {
                folders.append(root + "/" + hierarchy + group)
            }
        }
        return folders.filter(Files.exists)
    }

    /// Processes in the group and below it.
    static func processes(_ group: String) -> Set<pid_t> {
        var found: Set<pid_t> = []
        for folder in folders(group) { collect(folder, &found) }
        return found
    }

    private static func collect(_ folder: String, _ found: inout Set<pid_t>) {
        if let text = Files.text(folder + "/cgroup.procs") {
            for line in text.split(separator: "\n") { if let pid = pid_t(line) { found.insert(pid) } }
        }
        for name in Files.list(folder) where Files.status(folder + "/" + name)?.st_mode.isDirectoryMode == true {
            collect(folder + "/" + name, &found)
        }
    }

    /// Kills what is in the group; true when nothing was left.
    static func kill(_ group: String) -> Bool {
        let processes = processes(group)
        for pid in processes where pid > 1 { Glibc.kill(pid, SIGKILL) }
        return processes.isEmpty
    }

    /// Removes the group and those below it; true when nothing is left of it.
    static func remove(_ group: String) -> Bool {
        var isGone = true
        for folder in folders(group) where !removeTree(folder) { isGone = false }
        return isGone
    }

    private static func removeTree(_ folder: String) -> Bool {
        for name in Files.list(folder) where Files.status(folder + "/" + name)?.st_mode.isDirectoryMode == true {
            _ = removeTree(folder + "/" + name)
        }
        return rmdir(folder) == 0 || errno == ENOENT
    }
}

extension mode_t {
    var isDirectoryMode: Bool { self & S_IFMT == S_IFDIR }
}
