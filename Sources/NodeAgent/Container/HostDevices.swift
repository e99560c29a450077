internal import Glibc

/// Device files of this machine.
enum HostDevices {
    /// Every device below /dev but terminals and what containers have of their own.
    static func all() -> [HostDevice] { collect("/dev") }

    static func device(_ path: String) -> HostDevice? {
        guard let status = Files.status(path, followLinks: true) else { return nil }
        let kind = status.st_mode & S_IFMT
        guard kind == S_IFCHR || kind == S_IFBLK else { return nil }
        let number = UInt64(status.st_rdev)
        // The kernel's encoding of device numbers, as <sys/sysmacros.h> has it.
        let major = (number >> 8 & 0xfff) | (number >> 32 & ~UInt64(0xfff))
        let minor = (number & 0xff) | (number >> 12 & ~UInt64(0xff))
        return HostDevice(
            path: path,
            type: kind == S_IFCHR ? "c" : "b",
            major: Int(truncatingIfNeeded: major & 0xffff_ffff),
            minor: Int(truncatingIfNeeded: minor & 0xffff_ffff),
            mode: Int(status.st_mode & 0o7777),
            uid: Int(status.st_uid),
            gid: Int(status.st_gid)
        )
    }

    private static let skipped: Set<String> = [
        "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd", "/dev/console", "/dev/ptmx", "/dev/tty", "/dev/null",
        "/dev/zero", "/dev/full",
        "/dev/random", "/dev/urandom", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/core",
    ]

    private static func collect(_ folder: String) -> [HostDevice] {
        var found: [HostDevice] = []
        for name in Files.list(folder) {
            let path = folder + "/" + name
            guard !skipped.contains(path), let status = Files.status(path) else { continue }
            if status.st_mode.isDirectoryMode {
                found += collect(path)
            } else if status.st_mode & S_IFMT != S_IFLNK, let device = device(path) {
                found.append(device)
            }
        }
        return found
    }

    /// Device files of the GPUs with these indexes, and those that all GPUs share.
    static func gpus(_ indexes: [Int]) -> [HostDevice] {
        guard !indexes.isEmpty else { return [] }
        let shared = ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset"]
        return (indexes.map { "/dev/nvidia\($0)" } + shared).compactMap { device($0) }
    }

    /// Indexes of the NVIDIA GPUs of this machine.
    static func gpuIndexes() -> [Int] {
        Files.list("/dev").compactMap { name in name.hasPrefix("nvidia") ? Int(name.dropFirst(6)) : nil }.sorted()
    }
}
