/// An image reference in its parts, `registry/path:tag@digest`.
package struct ImageName: Sendable, Hashable, CustomStringConvertible {
    /// Host, with port if given; `docker.io` when the reference names none.
    package var registry: String
    /// Path in the registry; official images of docker.io have `library/` in front.
    package var path: String
    /// With `:` or `@` in front; empty when there is none.
    package var suffix: String

    package init(_ text: String) {
        var rest = text[...]
        var suffix = ""
        if let at = rest.firstIndex(of: "@") {
            suffix = String(rest[at...])
            rest = rest[..<at]
        }
        // A colon before the last slash belongs to the registry's port.
        let afterSlash = rest.lastIndex(of: "/").map { rest.index(after: $0) } ?? rest.startIndex
        if let colon = rest[afterSlash...].firstIndex(of: ":") {
            suffix = String(rest[colon...]) + suffix
            rest = rest[..<colon]
        }
        self.suffix = suffix
        let parts = rest.split(separator: "/", maxSplits: 1)
        if parts.count == 2, let host = parts.first, host == "localhost" || host.contains(where: { ".:".contains($0) })
        {
            registry = String(host)
            path = String(parts[1])
        } else {
            registry = "docker.io"
            path = parts.count == 1 ? "library/" + rest : String(rest)
        }
    }

    package var description: String { registry + "/" + path + suffix }

    /// The same image in another registry, which may come with a path.
    ///
    /// nil leaves the text as it is, and so does a registry that the text names already.
    package static func rewritten(_ text: String, registry: String?) -> String {
        guard let registry, !registry.isEmpty, !text.hasPrefix(registry + "/") else { return text }
        let name = ImageName(text)
        return registry + "/" + name.path + name.suffix
    }

    /// `host`, `host:port` or either with a path.
    package static func isRegistry(_ text: String) -> Bool {
        text.utf8.count <= 253
            && text.wholeMatch(
                of: /[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*/
            ) != nil
    }
}
