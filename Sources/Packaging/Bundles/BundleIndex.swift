/// What a stored bundle is: written beside its files, and into exported archives.
package struct BundleIndex: Codable, Sendable, Hashable {
    package struct File: Codable, Sendable, Hashable {
        /// Below the bundle's folder; numbered, so that the order of the release is kept.
        package var name: String
        package var url: String
        package var sha256: String
        package var bytes: Int
    }

    package var component: String
    package var version: String
    package var files: [File]
    package var images: [BundlePin.Image]

    package var bytes: Int { files.reduce(0) { $0 + $1.bytes } }

    /// Whether a text is the name of one file or folder, which leads nowhere else.
    static func isName(_ text: String) -> Bool {
        let isPlain = text.utf8.allSatisfy { byte in
            byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "/") && byte != UInt8(ascii: "\\")
        }
        return isPlain && !text.isEmpty && !text.hasPrefix(".") && text.utf8.count <= 120
    }

    /// The first thing that makes this index unusable or unlike the catalogue's pin; nil when there is none.
    func problem() -> PackagingError? {
        let title = "bundle \(component) \(version)"
        for part in [component, version] + files.map(\.name) {
            guard Self.isName(part) else {
                return PackagingError(.badArchive, "\(title): '\(part)' is no name of a file")
            }
        }
        if Set(files.map(\.name)).count != files.count || files.isEmpty {
            return PackagingError(.badArchive, "\(title): its index has no files, or one twice")
        }
        for file in files where !Checksum.isValid(file.sha256) {
            return PackagingError(.badArchive, "\(title): '\(file.sha256)' of \(file.name) is no SHA-256 sum")
        }
        guard let pin = BundleCatalogue.pin(component, version: version) else { return nil }
        guard pin.files.map(\.url) == files.map(\.url) else {
            return PackagingError(
                .checksumMismatch,
                "\(title) has other files than the release has",
                remedy: "pull and export it again with this version of outrigger"
            )
        }
        for (pinned, file) in zip(pin.files, files) {
            if let wanted = pinned.sha256, wanted != file.sha256 {
                return .checksum(of: "\(file.name) of \(title)", expected: wanted, found: file.sha256)
            }
        }
        return nil
    }
}

extension PackagingError {
    static func checksum(of subject: String, expected: String, found: String) -> PackagingError {
        PackagingError(
            .checksumMismatch,
            "\(subject) has the SHA-256 \(found), not \(expected)",
            remedy: "get it from its publisher, or ask whoever runs the mirror why its content differs; it was not kept"
        )
    }
}
