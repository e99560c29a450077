/// Where published files are fetched from.
package struct BundleSource: Sendable, Hashable {
    /// Replaces scheme and host of every address; nil takes the publishers' own.
    ///
    /// `https://mirror.example/files` serves `https://raw.githubusercontent.com/a/b` as `https://mirror.example/files/a/b`.
    package var mirror: String?

    package init(mirror: String? = nil) { self.mirror = mirror }

    /// - Throws: `PackagingError` when the mirror is no http or https address.
    package func url(of file: BundlePin.File) throws -> String {
        guard let mirror, !mirror.isEmpty else { return file.url }
        guard mirror.hasPrefix("https://") || mirror.hasPrefix("http://") else {
            throw PackagingError(
                .downloadFailed,
                "--source \(mirror): no http or https address",
                remedy: "give the address of a mirror, such as https://mirror.example/files"
            )
        }
        let parts = file.url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        let base = mirror.hasSuffix("/") ? String(mirror.dropLast()) : mirror
        return base + "/" + (parts.count == 4 ? parts[3] : "")
    }
}
