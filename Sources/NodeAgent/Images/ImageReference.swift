/// The name of an image, split as registries split it.
package struct ImageReference: Sendable, Hashable, CustomStringConvertible {
    /// Host and port of the registry, for example `docker.io` or `registry.example:5000`.
    package var registry: String
    /// `library/busybox`.
    package var repository: String
    /// Without the colon; nil with a digest.
    package var tag: String?
    /// `sha256:…`.
    package var digest: String?

    /// Completes a short name as container tools do: `busybox` is `docker.io/library/busybox:latest`.
    package init(_ text: String) {
        var rest = text[...]
        if let at = rest.firstIndex(of: "@") {
            digest = String(rest[rest.index(after: at)...])
            rest = rest[..<at]
        }
        if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("/") {
            tag = String(rest[rest.index(after: colon)...])
            rest = rest[..<colon]
        }
        if let slash = rest.firstIndex(of: "/"),
            rest[..<slash].contains(".") || rest[..<slash].contains(":") || rest[..<slash] == "localhost"
        {
            registry = String(rest[..<slash])
            repository = String(rest[rest.index(after: slash)...])
        } else {
            registry = "docker.io"
            repository = rest.contains("/") ? String(rest) : "library/" + rest
        }
        if tag == nil, digest == nil { tag = "latest" }
    }

    /// The complete name.
    package var description: String {
        let name = registry + "/" + repository
        return name + (tag.map { ":" + $0 } ?? "") + (digest.map { "@" + $0 } ?? "")
    }
}

extension String {
    /// Matches a whole string against a pattern in which `*` stands for any characters.
    func matches(wildcard pattern: String) -> Bool {
        let text = Array(utf8)
        let pattern = Array(pattern.utf8)
        var position = 0
        var next = 0
        var star: (pattern: Int, text: Int)?
        while position < text.count {
            if next < pattern.count, pattern[next] == UInt8(ascii: "*") {
                star = (next, position)
                next += 1
            } else if next < pattern.count, pattern[next] == text[position] {
                next += 1
                position += 1
            } else if let last = star {
                star = (last.pattern, last.text + 1)
                next = last.pattern + 1
                position = last.text + 1
            } else {
                return false
            }
        }
        return pattern[next...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
