package import KubeCore

/// Which image names this node can run, and from what: the explicit, user-visible table behind `outrigger image list`.
///
/// The first entry that matches wins; entries of `<data>/images.json` come before the built-in ones. The file is
/// `{"images": [{"pattern": …, "source": …, "command": […], "entrypoint": […], "environment": […], "expose": […]}]}`.
package struct ImageTable: Sendable, Hashable {
    /// Where the root file system comes from.
    package enum Source: Sendable, Hashable, CustomStringConvertible {
        /// This machine's own root, read-only below a writable layer, with its secrets hidden.
        case host
        /// An unpacked root file system.
        case directory(String)
        /// An OCI image layout folder and, where it holds several images, the name of one.
        case layout(String, reference: String?)

        /// `host`, `dir:PATH` or `oci:PATH[#NAME]`; nil for anything else.
        package init?(_ text: String) {
            if text == "host" {
                self = .host
            } else if text.hasPrefix("dir:/") {
                self = .directory(String(text.dropFirst(4)))
            } else if text.hasPrefix("oci:/") {
                let rest = text.dropFirst(4)
                let parts = rest.split(separator: "#", maxSplits: 1)
                self = .layout(String(parts.first ?? rest), reference: parts.count > 1 ? String(parts[1]) : nil)
            } else {
                return nil
            }
        }

        package var description: String {
            switch self {
            case .host: "host"
            case .directory(let path): "dir:" + path
            case .layout(let path, let reference): "oci:" + path + (reference.map { "#" + $0 } ?? "")
            }
        }
    }

    package struct Entry: Sendable, Hashable {
        /// Image name with `*` for any characters, compared with the name as written and with its complete form.
        package var pattern: String
        package var source: Source
        package var entrypoint: [String]
        package var command: [String]
        /// `NAME=value`.
        package var environment: [String]
        /// Only with `host`: folders that stay visible although they lie below a hidden one.
        package var expose: [String]
        /// The entry comes with the program, not from `images.json`.
        package var isBuiltIn: Bool
        /// The instance's own programs are put into `/usr/local/bin`.
        package var carriesOutrigger: Bool

        package init(
            pattern: String,
            source: Source,
            entrypoint: [String] = [],
            command: [String] = [],
            environment: [String] = [],
            expose: [String] = [],
            isBuiltIn: Bool = false,
            carriesOutrigger: Bool = false
        ) {
            self.pattern = pattern
            self.source = source
            self.entrypoint = entrypoint
            self.command = command
            self.environment = environment
            self.expose = expose
            self.isBuiltIn = isBuiltIn
            self.carriesOutrigger = carriesOutrigger
        }
    }

    package var entries: [Entry]
    /// Folders of the host that every `host` image may see although they lie below a hidden one.
    package var expose: [String]

    package init(entries: [Entry] = ImageTable.builtIn, expose: [String] = []) {
        self.entries = entries
        self.expose = expose
    }

    /// What works without any `images.json`.
    package static let builtIn: [Entry] = [
        Entry(
            pattern: "outrigger.ml/outrigger:*",
            source: .host,
            entrypoint: ["/usr/local/bin/outrigger"],
            isBuiltIn: true,
            carriesOutrigger: true
        ),
        Entry(pattern: "outrigger.ml/host:*", source: .host, isBuiltIn: true),
        Entry(pattern: "registry.k8s.io/pause:*", source: .host, command: ["/bin/sleep", "infinity"], isBuiltIn: true),
    ]

    /// Reads `<data>/images.json`; a missing file is an empty one.
    ///
    /// - Throws: `NodeAgentError` that names the file and the entry.
    package static func load(path: String) throws -> ImageTable {
        guard Files.exists(path) else { return ImageTable() }
        let json: JSON
        do {
            json = try JSON(parsing: Files.read(path))
        } catch let error as JSONParseError {
            throw NodeAgentError(.configuration, "\(path): \(error)", remedy: "correct the file or remove it")
        }
        var entries: [Entry] = []
        for (index, item) in (json["images"]?.arrayValue ?? []).enumerated() {
            let place = "\(path): images[\(index)]"
            guard let pattern = item["pattern"]?.stringValue, !pattern.isEmpty else {
                throw NodeAgentError(
                    .configuration,
                    "\(place).pattern is missing",
                    remedy: "name an image, for example \"busybox:*\""
                )
            }
            guard let source = Source(item["source"]?.stringValue ?? "") else {
                throw NodeAgentError(
                    .configuration,
                    "\(place).source \(item["source"]?.text ?? "null") is none of host, dir:/PATH, oci:/PATH",
                    remedy: "write one of the three forms"
                )
            }
            entries.append(
                Entry(
                    pattern: pattern,
                    source: source,
                    entrypoint: item["entrypoint"]?.stringArray ?? [],
                    command: item["command"]?.stringArray ?? [],
                    environment: item["environment"]?.stringArray ?? [],
                    expose: item["expose"]?.stringArray ?? []
                )
            )
        }
        return ImageTable(entries: entries + builtIn, expose: json["expose"]?.stringArray ?? [])
    }

    /// The JSON of the entries that are not built in, as `images.json` holds them.
    package var json: JSON {
        let items = entries.filter { !$0.isBuiltIn }.map { entry -> JSON in
            var members: [String: JSON] = [
                "pattern": .string(entry.pattern), "source": .string(entry.source.description),
            ]
            if !entry.entrypoint.isEmpty { members["entrypoint"] = JSON(entry.entrypoint) }
            if !entry.command.isEmpty { members["command"] = JSON(entry.command) }
            if !entry.environment.isEmpty { members["environment"] = JSON(entry.environment) }
            if !entry.expose.isEmpty { members["expose"] = JSON(entry.expose) }
            return .object(members)
        }
        var members: [String: JSON] = ["images": .array(items)]
        if !expose.isEmpty { members["expose"] = JSON(expose) }
        return .object(members)
    }

    /// The entry for an image name; nil when none matches.
    package func entry(for image: String) -> Entry? {
        let complete = ImageReference(image).description
        return entries.first { image.matches(wildcard: $0.pattern) || complete.matches(wildcard: $0.pattern) }
    }

    /// The entry for an image name, or `host` in its place when `mapUnknownImages` allows that.
    ///
    /// - Throws: `.imageUnknown`.
    package func resolve(_ image: String, mapUnknownImages: Bool) throws -> (entry: Entry, isSubstituted: Bool) {
        guard !image.isEmpty else {
            throw NodeAgentError(.imageUnknown, "the container names no image", remedy: "set image")
        }
        if let entry = entry(for: image) { return (entry, false) }
        guard mapUnknownImages else {
            throw NodeAgentError(
                .imageUnknown,
                "image \"\(image)\" is not in this node's image table",
                remedy: "add it with `outrigger image add`"
            )
        }
        return (Entry(pattern: image, source: .host, expose: expose, isBuiltIn: true), true)
    }
}
