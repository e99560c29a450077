internal import Foundation
internal import MLTypes

/// Certificates of public authorities, for clients in the user's container that take one file only.
enum PublicAuthorities {
    /// Those of our own image, brought along for images that have none.
    static let brought = RuntimePaths.libraries + "/ca-certificates.crt"

    /// Where distributions keep them in one file: Debian and Alpine, Red Hat (two), SUSE, others.
    private static let places = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
    ]

    /// The file of this container's image, else the one that was brought along; nil without either.
    static var file: String? {
        (places + [brought]).first { FileManager.default.isReadableFile(atPath: $0) }
    }

    /// Puts those of this image where the user's container finds them.
    static func bring() throws {
        guard let file, file != brought else { return }
        // What the place names may be a link; its content is wanted.
        try Data(contentsOf: URL(fileURLWithPath: file)).write(to: URL(fileURLWithPath: brought))
    }
}
