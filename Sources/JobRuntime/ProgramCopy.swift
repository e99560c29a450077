internal import Foundation
internal import MLTypes

/// Puts this program where containers of other images can run it: the binary, the libraries it is using, and their loader.
///
/// Users' images need not have these libraries, nor as new a libc; so nothing of the image is used but the kernel.
enum ProgramCopy {
    static func install() throws {
        let libraries = Self.libraries(inMaps: try readMaps())
        try makeFolder(RuntimePaths.libraries)
        for path in libraries {
            let names = isLoader(path) ? [(RuntimePaths.loader as NSString).lastPathComponent] : names(of: path)
            for name in names { try copy(path, to: RuntimePaths.libraries + "/" + name) }
        }
        guard libraries.contains(where: isLoader) else {
            throw JobRuntimeError(.launchFailed, "the loader of this program's libraries is not among its mapped files")
        }
        try makeFolder((RuntimePaths.binary as NSString).deletingLastPathComponent)
        try copy(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"), to: RuntimePaths.binary)
    }

    /// The kernel hands out a page at a time, which Foundation takes for the end of the file.
    private static func readMaps() throws -> String {
        let path = "/proc/self/maps"
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw JobRuntimeError(.launchFailed, "cannot read \(path): \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var text: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            text += piece[..<count]
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Paths of the mapped shared objects, each once.
    static func libraries(inMaps maps: String) -> [String] {
        var found: [String] = []
        for line in maps.split(separator: "\n") {
            guard let start = line.firstIndex(of: "/") else { continue }
            let path = String(line[start...])
            guard (path as NSString).lastPathComponent.contains(".so"), !found.contains(path) else { continue }
            found.append(path)
        }
        return found
    }

    static func isLoader(_ path: String) -> Bool {
        let name = (path as NSString).lastPathComponent
        return name.hasPrefix("ld-linux") || name.wholeMatch(of: /ld-[0-9.]+\.so/) != nil
    }

    /// The file's own name and those of the links beside it, as programs ask for `libz.so.1` and the file is `libz.so.1.2.13`.
    static func names(of path: String) -> [String] {
        let folder = (path as NSString).deletingLastPathComponent
        let name = (path as NSString).lastPathComponent
        let stem = name.prefix(upTo: name.range(of: ".so")?.upperBound ?? name.endIndex)
        let beside = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let links = beside.filter { other in
            guard other != name, other.hasPrefix(stem),
                let target = try? FileManager.default.destinationOfSymbolicLink(atPath: folder + "/" + other)
            else { return false }
            return (target as NSString).lastPathComponent == name
        }
        return [name] + links.sorted()
    }

    private static func makeFolder(_ path: String) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    private static func copy(_ source: String, to path: String) throws {
        try? FileManager.default.removeItem(atPath: path)
        try FileManager.default.copyItem(atPath: source, toPath: path)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }
}
