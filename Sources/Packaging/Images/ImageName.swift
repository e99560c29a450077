/// The name of an image: registry, repository, tag and digest.
package struct ImageName: Sendable, Hashable, CustomStringConvertible {
    /// Host and perhaps port; `docker.io` where none is written.
    package var registry: String
    package var repository: String
    package var tag: String?
    /// `sha256:…`.
    package var digest: String?
    /// Whether the text named a registry.
    package var namesRegistry: Bool

    /// - Throws: `PackagingError` for what is no image name.
    package init(_ text: String) throws {
        var rest = text
        if let at = rest.firstIndex(of: "@") {
            let digest = String(rest[rest.index(after: at)...])
            guard digest.hasPrefix("sha256:"), Checksum.isValid(String(digest.dropFirst(7))) else {
                throw Self.bad(text, "'\(digest)' is no digest")
            }
            self.digest = digest
            rest = String(rest[..<at])
        }
        if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("/") {
            let tag = String(rest[rest.index(after: colon)...])
            guard Self.isTag(tag) else { throw Self.bad(text, "'\(tag)' is no tag") }
            self.tag = tag
            rest = String(rest[..<colon])
        }
        let parts = rest.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let isHost = parts[0].contains(".") || parts[0].contains(":") || parts[0] == "localhost"
        if parts.count == 2, isHost {
            guard Self.isHost(parts[0]) else { throw Self.bad(text, "'\(parts[0])' is no registry") }
            registry = parts[0]
            repository = parts[1]
            namesRegistry = true
        } else {
            registry = "docker.io"
            repository = rest
            namesRegistry = false
        }
        if registry == "docker.io", !repository.contains("/") { repository = "library/" + repository }
        guard Self.isRepository(repository) else { throw Self.bad(text, "'\(repository)' is no repository") }
    }

    package var description: String {
        registry + "/" + repository + (tag.map { ":" + $0 } ?? "") + (digest.map { "@" + $0 } ?? "")
    }

    /// The name below a private registry, as the setting `imageRegistry` makes it: `host/path:tag` becomes
    /// `registry/path:tag`, tag and digest kept; a name that is there already stays.
    package func rewritten(registry prefix: String) -> String {
        let base = prefix.hasSuffix("/") ? String(prefix.dropLast()) : prefix
        if description.hasPrefix(base + "/") { return description }
        return base + "/" + repository + (tag.map { ":" + $0 } ?? "") + (digest.map { "@" + $0 } ?? "")
    }

    private static func isTag(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= 128, isWord(first) else { return false }
        return text.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
    }

    private static func isHost(_ text: String) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2, !parts[0].isEmpty else { return false }
        if parts.count == 2, UInt16(parts[1]) == nil { return false }
        return parts[0].utf8.allSatisfy { byte in
            (isWord(byte) && byte != UInt8(ascii: "_")) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
        }
    }

    private static func isRepository(_ text: String) -> Bool {
        text.utf8.count <= 255
            && text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
                guard let first = part.utf8.first, let last = part.utf8.last else { return false }
                return isLowerOrDigit(first) && isLowerOrDigit(last)
                    && part.utf8.allSatisfy { isLowerOrDigit($0) || "._-".utf8.contains($0) }
            }
    }

    private static func isLowerOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        isLowerOrDigit(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) || byte == UInt8(ascii: "_")
    }

    private static func bad(_ text: String, _ reason: String) -> PackagingError {
        PackagingError(
            .badReference,
            "'\(text)' is no image name: \(reason)",
            remedy: "write REGISTRY/REPOSITORY:TAG in lower case, such as registry.example/outrigger:0.1.0"
        )
    }
}
