/// Names of blobs as paths below a folder.
package enum RelativePath {
    /// What follows `prefix` in `name`; nil when `name` lies elsewhere, is the folder itself, or would lead out of the folder.
    ///
    /// Compares bytes, as file systems do: a character of Swift may be a slash and a combining mark in one.
    package static func below(_ prefix: String, _ name: String) -> String? {
        guard name.utf8.starts(with: prefix.utf8) else { return nil }
        let rest = name.utf8.dropFirst(prefix.utf8.count)
        let parts = rest.split(separator: UInt8(ascii: "/"))
        guard !parts.isEmpty, !rest.contains(0), !parts.contains(where: { $0.elementsEqual("..".utf8) }) else {
            return nil
        }
        return String(decoding: rest, as: UTF8.self)
    }
}
