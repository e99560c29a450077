internal import Foundation

/// The files of our image: what the program needs below it, and the program itself.
struct ImageContent {
    /// One member of a layer.
    struct Member {
        enum Body {
            case folder
            case text(String)
            case file(String)
        }

        /// Absolute inside the image.
        var path: String
        var mode: Int
        var body: Body
    }

    /// The loader, the libraries and the few files that every program expects.
    var base: [Member]
    /// The program.
    var application: [Member]

    static let programPath = "/usr/local/bin/outrigger"
    /// Who the components run as.
    static let user = 65532

    /// Certificates of public authorities, by the places where distributions keep them.
    static let certificateSources = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
    ]

    init(program: String) throws {
        let libraries = try LibrarySearch(program: program).files()
        base = libraries.map { Member(path: $0.path, mode: 0o755, body: .file($0.source)) }
        base += [
            Member(path: "/etc/passwd", mode: 0o644, body: .text(Self.passwd)),
            Member(path: "/etc/group", mode: 0o644, body: .text(Self.group)),
            Member(
                path: "/etc/nsswitch.conf",
                mode: 0o644,
                body: .text("passwd: files\ngroup: files\nhosts: files dns\n")
            ),
            Member(path: "/tmp", mode: 0o1777, body: .folder),
        ]
        if let bundle = Self.certificateSources.first(where: { FileManager.default.isReadableFile(atPath: $0) }) {
            base.append(Member(path: "/etc/ssl/certs/ca-certificates.crt", mode: 0o644, body: .file(bundle)))
        }
        application = [Member(path: Self.programPath, mode: 0o755, body: .file(program))]
    }

    private static let passwd = """
        root:x:0:0:root:/root:/sbin/nologin
        nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
        outrigger:x:\(user):\(user):outrigger:/tmp:/sbin/nologin

        """

    private static let group = """
        root:x:0:
        nogroup:x:65534:
        outrigger:x:\(user):

        """

    /// Writes members as a layer, with the folders they lie in, in the order of their paths.
    ///
    /// - Returns: SHA-256 of the uncompressed layer.
    static func writeLayer(_ members: [Member], to path: String, modified: Int64) throws -> String {
        var all = Dictionary(members.map { ($0.path, $0) }) { first, _ in first }
        for member in members {
            var folder = (member.path as NSString).deletingLastPathComponent
            while folder != "/", !folder.isEmpty {
                if all[folder] == nil { all[folder] = Member(path: folder, mode: 0o755, body: .folder) }
                folder = (folder as NSString).deletingLastPathComponent
            }
        }
        let archive = try TarWriter(path)
        for member in all.values.sorted(by: { $0.path < $1.path }) {
            var entry = TarEntry(name: String(member.path.dropFirst()), mode: member.mode, modified: modified)
            switch member.body {
            case .folder:
                entry.kind = .directory
                try archive.add(entry)
            case .text(let text): try archive.add(entry, content: Data(text.utf8))
            case .file(let source): try archive.add(entry, file: source)
            }
        }
        return try archive.finish()
    }
}
