internal import Foundation

/// Finds the shared libraries that a program needs, as the dynamic loader would.
///
/// Source: ld.so(8). The cache is not read but the folders it was made from.
struct LibrarySearch: Sendable {
    /// One file of the loader or a library.
    struct File: Sendable, Hashable {
        /// Where it lies on this machine.
        var source: String
        /// Where the loader finds it inside the image; absolute.
        var path: String
    }

    /// The folders that the loader knows without any configuration.
    private let standard: [String]
    private let configured: [String]
    private let program: ELFFile
    private let programPath: String

    /// Reads the program, and the folders in the loader's configuration file.
    init(program path: String, configuration: String = "/etc/ld.so.conf") throws {
        program = try ELFFile(path)
        programPath = path
        let multiarch = program.multiarch.map { ["/lib/" + $0, "/usr/lib/" + $0] } ?? []
        standard = multiarch + ["/lib64", "/usr/lib64", "/lib", "/usr/lib"]
        configured = Self.folders(in: configuration, depth: 0).filter { !multiarch.contains($0) }
    }

    /// The loader, everything that is needed, directly or not, and the name services of the C library.
    ///
    /// Empty for a static program. Sorted by path.
    func files() throws -> [File] {
        guard let interpreter = program.interpreter else { return [] }
        guard FileManager.default.fileExists(atPath: interpreter) else {
            throw PackagingError(
                .badProgram,
                "\(programPath) needs the loader \(interpreter), which this machine lacks",
                remedy: "run this on a machine that can run the program"
            )
        }
        let loaderName = (interpreter as NSString).lastPathComponent
        var found: [String: File] = [loaderName: File(source: interpreter, path: interpreter)]
        var strays: Set<String> = []
        var pending: [(object: ELFFile, folder: String, rpath: [String], path: String)] = [
            (program, (programPath as NSString).deletingLastPathComponent, [], programPath)
        ]
        while let item = pending.popLast() {
            let own = item.object.runpath.isEmpty ? item.object.rpath.map { Self.expand($0, item.folder) } : []
            let rpath = item.object.runpath.isEmpty ? own + item.rpath : []
            let runpath = item.object.runpath.map { Self.expand($0, item.folder) }
            for name in item.object.needed where found[name] == nil {
                guard let hit = locate(name, folders: rpath + runpath) else {
                    throw PackagingError(
                        .badProgram,
                        "\(item.path) needs \(name), which is in none of the loader's folders",
                        remedy: "install the package that holds it"
                    )
                }
                found[name] = File(source: hit.path, path: hit.path)
                if hit.isConfigured { strays.insert(name) }
                let folder = (hit.path as NSString).deletingLastPathComponent
                pending.append((try ELFFile(hit.path), folder, rpath, hit.path))
            }
        }
        try addNameServices(to: &found)
        // The image has no configuration for the loader, so what was found through it moves to a folder it knows.
        let folder = libraryFolder(found)
        for name in strays { found[name]?.path = folder + "/" + name }
        return found.values.sorted { $0.path < $1.path }
    }

    /// C libraries before 2.34 open these by name, so that no header tells of them.
    private func addNameServices(to found: inout [String: File]) throws {
        guard found["libc.so.6"] != nil else { return }
        for name in ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"] where found[name] == nil {
            if let hit = locate(name, folders: []) { found[name] = File(source: hit.path, path: hit.path) }
        }
    }

    private func libraryFolder(_ found: [String: File]) -> String {
        found["libc.so.6"].map { ($0.path as NSString).deletingLastPathComponent } ?? "/lib"
    }

    private func locate(_ name: String, folders: [String]) -> (path: String, isConfigured: Bool)? {
        if name.hasPrefix("/") { return fits(name) ? (name, false) : nil }
        for folder in folders where fits(folder + "/" + name) { return (folder + "/" + name, false) }
        for folder in configured where fits(folder + "/" + name) { return (folder + "/" + name, true) }
        for folder in standard where fits(folder + "/" + name) { return (folder + "/" + name, false) }
        return nil
    }

    /// Libraries of other machines are passed over, as the loader does.
    private func fits(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: path) && (try? ELFFile(path))?.machine == program.machine
    }

    private static func expand(_ path: String, _ folder: String) -> String {
        let expanded = path.replacingOccurrences(of: "${ORIGIN}", with: folder)
            .replacingOccurrences(of: "$ORIGIN", with: folder)
        return (expanded as NSString).standardizingPath
    }

    private static func folders(in path: String, depth: Int) -> [String] {
        guard depth < 8, let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [] }
        var folders: [String] = []
        for line in text.split(separator: "\n") {
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).map(String.init)
            guard let first = words.first else { continue }
            guard first == "include" else {
                folders.append(first)
                continue
            }
            for pattern in words.dropFirst() {
                let base = (path as NSString).deletingLastPathComponent
                let full = pattern.hasPrefix("/") ? pattern : base + "/" + pattern
                for file in matches(full) { folders += Self.folders(in: file, depth: depth + 1) }
            }
        }
        return folders
    }

    /// The files that a pattern with `*` in its last part names.
    private static func matches(_ pattern: String) -> [String] {
        let folder = (pattern as NSString).deletingLastPathComponent
        let name = (pattern as NSString).lastPathComponent
        let parts = name.split(separator: "*", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return [pattern] }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasPrefix(parts[0]) && $0.hasSuffix(parts[1]) }.sorted().map { folder + "/" + $0 }
    }
}
