internal import Glibc

/// One file of a projected volume.
struct VolumeFile: Sendable, Hashable {
    var bytes: [UInt8]
    var mode: Int
    var uid: Int?
}

/// A folder whose files change all at once: the visible names link into `..data`, which links to a folder per version.
///
/// Source: Kubernetes, the layout of configMap, secret, projected and downwardAPI volumes.
struct AtomicFolder: Sendable {
    let path: String
    let gid: Int?

    /// Makes the folder show exactly `files` (paths relative to it); nothing is touched when it does already.
    ///
    /// - Returns: true when something changed.
    @discardableResult
    func write(_ files: [String: VolumeFile]) throws -> Bool {
        try Files.makeDirectory(path)
        let dataLink = path + "/..data"
        let old = Self.readLink(dataLink)
        if let old, try isSame(files, as: path + "/" + old) {
            try linkNames(files)
            return false
        }
        let version = "..\(Int(time(nil)))_\(UInt32.random(in: 0...UInt32.max))"
        let folder = path + "/" + version
        try Files.makeDirectory(folder)
        for (name, file) in files {
            let target = folder + "/" + name
            if let slash = target.lastIndex(of: "/") { try Files.makeDirectory(String(target[..<slash])) }
            try Files.write(target, file.bytes, mode: mode_t(file.mode))
            if gid != nil || file.uid != nil { try Files.own(target, uid: file.uid, gid: gid) }
        }
        let temporary = path + "/..data_tmp"
        try Files.remove(temporary)
        guard symlink(version, temporary) == 0 else { throw Files.failure("symlink", temporary) }
        guard rename(temporary, dataLink) == 0 else { throw Files.failure("rename", temporary) }
        try linkNames(files)
        if let old { try Files.remove(path + "/" + old) }
        return true
    }

    private func linkNames(_ files: [String: VolumeFile]) throws {
        let wanted = Set(files.keys.map { String($0.prefix { $0 != "/" }) })
        for name in Files.list(path) where !name.hasPrefix("..") && !wanted.contains(name) {
            try Files.remove(path + "/" + name)
        }
        for name in wanted where Files.status(path + "/" + name) == nil {
            guard symlink("..data/" + name, path + "/" + name) == 0 else {
                throw Files.failure("symlink", path + "/" + name)
            }
        }
    }

    private func isSame(_ files: [String: VolumeFile], as folder: String) throws -> Bool {
        var present: Set<String> = []
        Self.collect(folder, prefix: "", &present)
        guard present == Set(files.keys) else { return false }
        for (name, file) in files {
            guard let status = Files.status(folder + "/" + name), Int(status.st_mode & 0o7777) == file.mode,
                try Files.read(folder + "/" + name) == file.bytes
            else { return false }
        }
        return true
    }

    private static func collect(_ folder: String, prefix: String, _ found: inout Set<String>) {
        for name in Files.list(folder) {
            if Files.isRealDirectory(folder + "/" + name) {
                collect(folder + "/" + name, prefix: prefix + name + "/", &found)
            } else {
                found.insert(prefix + name)
            }
        }
    }

    private static func readLink(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink(path, &buffer, buffer.count - 1)
        guard count > 0 else { return nil }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
