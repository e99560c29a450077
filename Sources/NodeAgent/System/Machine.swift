internal import Glibc

/// Facts about this computer.
enum Machine {
    static let architecture: String = {
        #if arch(x86_64)
        "amd64"
        #elseif arch(arm64)
        "arm64"
        #else
        "unknown"
        #endif
    }()

    static var processors: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    /// Bytes.
    static var memory: Int { sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)) }

    static var kernelVersion: String { Files.text("/proc/sys/kernel/osrelease") ?? "" }
    /// Changes with each start of the computer.
    static var bootID: String { Files.text("/proc/sys/kernel/random/boot_id") ?? "" }
    static var machineID: String { Files.text("/etc/machine-id") ?? "" }
    static var systemUUID: String { Files.text("/sys/class/dmi/id/product_uuid") ?? machineID }

    /// `PRETTY_NAME` of /etc/os-release.
    static var osImage: String {
        for line in (Files.text("/etc/os-release") ?? "").split(separator: "\n") where line.hasPrefix("PRETTY_NAME=") {
            return line.dropFirst("PRETTY_NAME=".count).filter { $0 != "\"" }
        }
        return "Linux"
    }

    /// Bytes of the file system that holds `path`, and how many are free.
    static func disk(_ path: String) -> (total: Int, free: Int) {
        var result = statvfs()
        guard statvfs(path, &result) == 0 else { return (0, 0) }
        return (Int(result.f_blocks) * Int(result.f_frsize), Int(result.f_bavail) * Int(result.f_frsize))
    }

    /// Bytes that could be given to new processes.
    static var availableMemory: Int {
        for line in (Files.text("/proc/meminfo") ?? "").split(separator: "\n") where line.hasPrefix("MemAvailable:") {
            let kibibytes = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
            return kibibytes * 1024
        }
        return 0
    }

    /// The lowest OOM score adjustment this process may give to others; containers may not be able to ask for less.
    static let lowestOOMScore: Int = {
        let path = "/proc/self/oom_score_adj"
        guard let text = Files.text(path), let present = Int(text), present > -1000 else { return -1000 }
        let fd = open(path, O_WRONLY | O_CLOEXEC)
        guard fd >= 0 else { return present }
        defer { close(fd) }
        guard Glibc.write(fd, "-1000", 5) == 5 else { return present }
        let old = String(present)
        _ = Glibc.write(fd, old, old.utf8.count)
        return -1000
    }()
}
