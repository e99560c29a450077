internal import Glibc

/// mount(2) and what is mounted.
enum Mounts {
    /// Upper and work folder must be on one file system that supports overlays.
    static func overlay(lower: String, upper: String, work: String, on target: String) throws {
        let options = "lowerdir=\(escape(lower)),upperdir=\(escape(upper)),workdir=\(escape(work))"
        guard mount("overlay", target, "overlay", 0, options) == 0 else {
            throw NodeAgentError(
                .system,
                "overlay of \(lower) on \(target): \(String(cString: strerror(errno)))",
                remedy: "put the data folder on an ext4 or xfs file system of its own"
            )
        }
    }

    static func memory(on target: String, sizeBytes: Int?, mode: String) throws {
        var options = "mode=" + mode
        if let sizeBytes { options += ",size=\(sizeBytes)" }
        guard mount("tmpfs", target, "tmpfs", UInt(MS_NOSUID | MS_NODEV), options) == 0 else {
            throw Files.failure("mount tmpfs on", target)
        }
    }

    static func bind(_ source: String, on target: String) throws {
        guard mount(source, target, nil, UInt(MS_BIND | MS_REC), nil) == 0 else {
            throw Files.failure("bind mount \(source) on", target)
        }
    }

    /// Detaches a mount if it is one; layers of mounts on one point all go.
    static func unmount(_ target: String) throws {
        while true {
            if umount2(target, Int32(MNT_DETACH) | Int32(UMOUNT_NOFOLLOW)) != 0 {
                if errno == EINVAL || errno == ENOENT { return }
                throw Files.failure("unmount", target)
            }
        }
    }

    /// Unmounts everything at or below `path`, innermost first.
    static func unmountAll(below path: String) throws {
        let inside = table().map(\.target).filter { $0 == path || $0.hasPrefix(path + "/") }
        for target in inside.reversed() { try unmount(target) }
    }

    struct Entry: Sendable, Hashable {
        var target: String
        var type: String
        var source: String
    }

    /// This process's mounts, in the order in which they were made.
    static func table() -> [Entry] {
        guard let bytes = try? Files.read("/proc/self/mountinfo") else { return [] }
        return parse(String(decoding: bytes, as: UTF8.self))
    }

    static func parse(_ text: String) -> [Entry] {
        text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count >= 9, let dash = fields.firstIndex(of: "-"), fields.count > dash + 2 else { return nil }
            return Entry(
                target: unescape(fields[4]),
                type: String(fields[dash + 1]),
                source: unescape(fields[dash + 2])
            )
        }
    }

    private static func escape(_ path: String) -> String {
        var text = ""
        for character in path {
            if character == "\\" || character == ":" || character == "," { text.append("\\") }
            text.append(character)
        }
        return text
    }

    /// The kernel writes space, tab, newline and backslash in octal.
    private static func unescape(_ text: Substring) -> String {
        guard text.contains("\\") else { return String(text) }
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let first = rest.popFirst() {
            if first == UInt8(ascii: "\\"), rest.count >= 3,
                let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(first)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
