internal import Foundation
internal import KubeCore

/// Makes an OCI image of our program without Docker: one tar that is an image layout and that `docker load` takes too.
///
/// The same program, libraries and time give the same bytes. Source: OCI image specification 1.1.
package struct ImageBuilder: Sendable {
    /// The ELF program that becomes `/usr/local/bin/outrigger`.
    package var program: String
    /// The name that registries and container engines show.
    package var name: ImageName
    package var version: String
    /// Seconds since 1970 of all files and of the image.
    package var created: Int64
    /// Compressed with `gzip` where that is installed.
    package var isCompressed: Bool

    package init(program: String, name: ImageName, version: String, created: Int64 = 0, isCompressed: Bool = true) {
        self.program = program
        self.name = name
        self.version = version
        self.created = created
        self.isCompressed = isCompressed
    }

    /// What was written.
    package struct Result: Sendable {
        /// Of the manifest; what a registry calls the image.
        package var digest: String
        package var architecture: String
        package var bytes: UInt64
        /// Paths inside the image of the loader and the libraries.
        package var libraries: [String]
        package var isCompressed: Bool
    }

    private struct Blob {
        var digest: String
        var size: Int
        var mediaType: String
        var file: String

        var descriptor: JSON {
            ["mediaType": .string(mediaType), "digest": .string(digest), "size": JSON(size)]
        }
    }

    /// Writes the archive; it appears at `path` only when it is complete.
    ///
    /// - Throws: `PackagingError` when the program is no Linux program or a library is missing.
    package func write(to path: String, progress: (String) -> Void = { _ in }) async throws -> Result {
        let file = try ELFFile(program)
        guard let architecture = file.architecture else {
            throw PackagingError(
                .badProgram,
                "\(program) is for the machine \(file.machine), which images have no name for"
            )
        }
        let content = try ImageContent(program: program)
        let target = URL(fileURLWithPath: path)
        let scratch = try ScratchFolder(below: target.deletingLastPathComponent().path)
        defer { scratch.remove() }
        let compresses = isCompressed && Gzip.isAvailable
        var layers: [Blob] = []
        var sums: [String] = []
        for (title, members) in [("base", content.base), ("application", content.application)] {
            progress("writing the \(title) layer (\(members.count) files)")
            let layer = "\(scratch.path)/\(title).tar"
            sums.append("sha256:" + (try ImageContent.writeLayer(members, to: layer, modified: created)))
            layers.append(try await blob(layer, compresses: compresses))
        }
        let configuration = configuration(architecture, layers: sums)
        let manifest: JSON = [
            "schemaVersion": 2, "mediaType": .string(MediaType.manifest),
            "config": [
                "mediaType": .string(MediaType.configuration), "digest": .string(Checksum.digest(configuration.bytes)),
                "size": JSON(configuration.bytes.count),
            ],
            "layers": .array(layers.map(\.descriptor)),
        ]
        progress("writing \(path)")
        let archive = scratch.path + "/image.tar"
        let bytes = try write(archive, configuration, manifest, layers, architecture)
        try moveIntoPlace(archive, target.path)
        return Result(
            digest: Checksum.digest(manifest.bytes),
            architecture: architecture.name,
            bytes: bytes,
            libraries: content.base.compactMap { if case .file = $0.body { $0.path } else { nil } },
            isCompressed: compresses
        )
    }

    private func blob(_ layer: String, compresses: Bool) async throws -> Blob {
        let file = compresses ? try await Gzip.compress(layer) : layer
        let input = try InputFile(file)
        defer { input.close() }
        return Blob(
            digest: "sha256:" + (try Checksum.file(file)),
            size: Int(input.size),
            mediaType: compresses ? MediaType.layer + "+gzip" : MediaType.layer,
            file: file
        )
    }

    private func write(
        _ path: String,
        _ configuration: JSON,
        _ manifest: JSON,
        _ layers: [Blob],
        _ architecture: (name: String, variant: String?)
    ) throws -> UInt64 {
        let archive = try TarWriter(path)
        func add(_ name: String, _ value: JSON) throws {
            try archive.add(TarEntry(name: name, modified: created), content: value.bytes)
        }
        for folder in ["blobs", "blobs/sha256"] {
            try archive.add(TarEntry(name: folder, kind: .directory, mode: 0o755, modified: created))
        }
        try add(blobPath(Checksum.digest(configuration.bytes)), configuration)
        try add(blobPath(Checksum.digest(manifest.bytes)), manifest)
        for layer in layers {
            try archive.add(TarEntry(name: blobPath(layer.digest), modified: created), file: layer.file)
        }
        try add("index.json", index(manifest, architecture))
        // For `docker load` of engines that know no image layouts.
        let tag = taggedName
        try add(
            "manifest.json",
            [
                [
                    "Config": .string(blobPath(Checksum.digest(configuration.bytes))),
                    "RepoTags": [.string(tag)], "Layers": JSON(layers.map { blobPath($0.digest) }),
                ]
            ]
        )
        try add("oci-layout", ["imageLayoutVersion": "1.0.0"])
        _ = try archive.finish()
        return archive.size
    }

    private func blobPath(_ digest: String) -> String { "blobs/sha256/" + digest.dropFirst(7) }

    private var taggedName: String {
        var name = name
        name.digest = nil
        if name.tag == nil { name.tag = version }
        return name.description
    }

    private func index(_ manifest: JSON, _ architecture: (name: String, variant: String?)) -> JSON {
        [
            "schemaVersion": 2, "mediaType": .string(MediaType.index),
            "manifests": [
                [
                    "mediaType": .string(MediaType.manifest), "digest": .string(Checksum.digest(manifest.bytes)),
                    "size": JSON(manifest.bytes.count), "platform": Self.platform(architecture),
                    "annotations": [
                        "io.containerd.image.name": .string(taggedName),
                        "org.opencontainers.image.ref.name": .string(name.tag ?? version),
                    ],
                ]
            ],
        ]
    }

    private static func platform(_ architecture: (name: String, variant: String?)) -> JSON {
        var platform: JSON = ["architecture": .string(architecture.name), "os": "linux"]
        if let variant = architecture.variant { platform["variant"] = .string(variant) }
        return platform
    }

    private func configuration(_ architecture: (name: String, variant: String?), layers: [String]) -> JSON {
        let time = JSON.string(Self.timestamp(created))
        var value = Self.platform(architecture)
        value["created"] = time
        let labels: JSON = [
            "org.opencontainers.image.title": "outrigger",
            "org.opencontainers.image.description": "Training and inference on any Kubernetes cluster",
            "org.opencontainers.image.version": .string(version),
        ]
        value["config"] = [
            "User": .string("\(ImageContent.user):\(ImageContent.user)"), "WorkingDir": "/",
            "Entrypoint": [.string(ImageContent.programPath)],
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Labels": labels,
        ]
        value["rootfs"] = ["type": "layers", "diff_ids": JSON(layers)]
        value["history"] = [
            ["created": time, "created_by": "outrigger image export", "comment": "loader, libraries and certificates"],
            ["created": time, "created_by": "outrigger image export", "comment": "program"],
        ]
        return value
    }

    private static func timestamp(_ seconds: Int64) -> String {
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = [.withInternetDateTime]
        return formatter.string(from: Date(timeIntervalSince1970: TimeInterval(seconds)))
    }
}

/// The media types of OCI that we write and read.
enum MediaType {
    static let index = "application/vnd.oci.image.index.v1+json"
    static let manifest = "application/vnd.oci.image.manifest.v1+json"
    static let configuration = "application/vnd.oci.image.config.v1+json"
    static let layer = "application/vnd.oci.image.layer.v1.tar"
}
