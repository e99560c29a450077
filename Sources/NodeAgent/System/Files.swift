internal import Glibc

/// File operations of the node agent: small, synchronous, with errors that name the path.
enum Files {
    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The path without links, `..` and doubled slashes, as the kernel's tables show it; what does not exist yet is
    /// only tidied.
    static func canonical(_ path: String) -> String {
        if let found = realpath(path, nil) {
            defer { free(found) }
            return String(cString: found)
        }
        let parts = path.split(separator: "/")
        guard let last = parts.last else { return "/" }
        let parent = canonical("/" + parts.dropLast().joined(separator: "/"))
        return (parent == "/" ? "" : parent) + "/" + last
    }

    static func failure(_ operation: String, _ path: String) -> NodeAgentError {
        NodeAgentError(.system, "\(operation) \(path): \(String(cString: strerror(errno)))")
    }

    /// Makes the folder and those above it; no error when it is there.
    static func makeDirectory(_ path: String, mode: mode_t = 0o755) throws {
        if mkdir(path, mode) == 0 { return }
        if errno == EEXIST { return }
        if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try makeDirectory(String(path[..<slash]), mode: 0o755)
            if mkdir(path, mode) == 0 || errno == EEXIST { return }
        }
        throw failure("mkdir", path)
    }

    static func read(_ path: String) throws -> [UInt8] {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { throw failure("open", path) }
        defer { close(fd) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(fd, &buffer, buffer.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw failure("read", path)
            }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
    }

    /// The file's text without surrounding white space, or nil when it cannot be read.
    static func text(_ path: String) -> String? {
        guard let bytes = try? read(path) else { return nil }
        var slice = bytes[...]
        while let last = slice.last, last <= 0x20 { slice = slice.dropLast() }
        while let first = slice.first, first <= 0x20 { slice = slice.dropFirst() }
        return String(decoding: slice, as: UTF8.self)
    }

    static func write(_ path: String, _ bytes: some Collection<UInt8>, mode: mode_t = 0o644) throws {
        let fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard fd >= 0 else { throw failure("open", path) }
        defer { close(fd) }
        try writeAll(fd, Array(bytes), path)
        // The process's umask must not take bits away.
        if fchmod(fd, mode) != 0 { throw failure("chmod", path) }
    }

    static func write(_ path: String, _ text: String, mode: mode_t = 0o644) throws {
        try write(path, text.utf8, mode: mode)
    }

    /// Writes by rename, so that a reader (or a crash) sees the old or the new content.
    static func writeAtomically(_ path: String, _ bytes: [UInt8], mode: mode_t = 0o600) throws {
        let temporary = path + ".new"
        try write(temporary, bytes, mode: mode)
        if rename(temporary, path) != 0 { throw failure("rename", path) }
    }

    private static func writeAll(_ fd: Int32, _ bytes: [UInt8], _ path: String) throws {
        var offset = 0
        while offset < bytes.count {
            let count = bytes[offset...].withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw failure("write", path)
            }
            offset += count
        }
    }

    /// Names in a folder, sorted; empty when there is none.
    static func list(_ path: String) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// lstat; nil when there is nothing.
    static func status(_ path: String, followLinks: Bool = false) -> stat? {
        var result = stat()
        return (followLinks ? stat(path, &result) : lstat(path, &result)) == 0 ? result : nil
    }

    static func isDirectory(_ path: String) -> Bool {
        status(path, followLinks: true).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false
    }

    /// A folder, and no link to one.
    static func isRealDirectory(_ path: String) -> Bool { status(path)?.st_mode.isDirectoryMode ?? false }

    /// Deletes a file, a link or a folder with all below it, never following links and never crossing into another file
    /// system: what is still mounted there belongs to someone else.
    static func remove(_ path: String) throws {
        guard let top = status(path) else { return }
        try remove(path, device: top.st_dev)
    }

    private static func remove(_ path: String, device: dev_t) throws {
        guard let present = status(path) else { return }
        guard present.st_mode & S_IFMT == S_IFDIR else {
            if unlink(path) != 0, errno != ENOENT { throw failure("unlink", path) }
            return
        }
        guard present.st_dev == device else {
            throw NodeAgentError(.system, "\(path) is still mounted", remedy: "unmount it and try again")
        }
        for name in list(path) { try remove(path + "/" + name, device: device) }
        if rmdir(path) != 0, errno != ENOENT { throw failure("rmdir", path) }
    }

    /// Sets owner of a path; nil keeps one.
    static func own(_ path: String, uid: Int? = nil, gid: Int? = nil) throws {
        let user = uid.map { uid_t(truncatingIfNeeded: $0) } ?? uid_t.max
        let group = gid.map { gid_t(truncatingIfNeeded: $0) } ?? gid_t.max
        if lchown(path, user, group) != 0 { throw failure("chown", path) }
    }

    static func setMode(_ path: String, _ mode: mode_t) throws {
        if chmod(path, mode) != 0 { throw failure("chmod", path) }
    }
}
