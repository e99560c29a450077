internal import Foundation
internal import KubeCore

/// An image layout in a tar, opened for sending.
package struct ImageArchive: Sendable {
    /// A blob and where it lies in the archive.
    struct Blob: Sendable, Hashable {
        var digest: String
        var size: Int
        var offset: UInt64
    }

    package let path: String
    /// Configuration first, then the layers.
    let blobs: [Blob]
    let manifest: [UInt8]
    let manifestType: String
    /// The tag it was written with, if any.
    package let tag: String?

    /// Digest of the manifest.
    package var digest: String { Checksum.digest(manifest) }

    /// - Throws: `PackagingError` when the archive is no layout of one image, or anything in it has another digest than it says.
    package init(_ path: String) throws {
        self.path = path
        let reader = try TarReader(path)
        defer { reader.close() }
        var members: [String: (entry: TarEntry, offset: UInt64)] = [:]
        while let entry = try reader.nextEntry() {
            if entry.kind == .file { members[entry.name] = (entry, reader.contentOffset) }
        }
        let input = try InputFile(path)
        defer { input.close() }
        func json(_ name: String) throws -> JSON {
            guard let member = members[name] else { throw Self.broken(path, "it has no \(name)") }
            guard member.entry.size <= 4 << 20 else { throw Self.broken(path, "its \(name) is too large") }
            try input.seek(to: member.offset)
            let data = try input.read(exactly: Int(member.entry.size))
            do { return try JSON(parsing: data) } catch { throw Self.broken(path, "its \(name) is \(error)") }
        }
        let manifests = try json("index.json")["manifests"]?.arrayValue ?? []
        guard manifests.count == 1, let descriptor = manifests.first, let digest = descriptor["digest"]?.stringValue
        else {
            throw Self.broken(path, "it holds \(manifests.count) images, not one")
        }
        tag = descriptor[path: "annotations", "org.opencontainers.image.ref.name"]?.stringValue
        manifestType = descriptor["mediaType"]?.stringValue ?? MediaType.manifest
        let name = try Self.blobName(digest, path)
        guard let member = members[name], member.entry.size <= 4 << 20 else {
            throw Self.broken(path, "its manifest is missing or too large")
        }
        try input.seek(to: member.offset)
        manifest = [UInt8](try input.read(exactly: Int(member.entry.size)))
        guard Checksum.digest(manifest) == digest else { throw Self.broken(path, "its manifest has another digest") }
        let document = try json(name)
        let descriptors = [document["config"] ?? .null] + (document["layers"]?.arrayValue ?? [])
        blobs = try descriptors.map { descriptor in
            guard let digest = descriptor["digest"]?.stringValue, let size = descriptor["size"]?.intValue,
                let member = members[try Self.blobName(digest, path)], size >= 0,
                member.entry.size == UInt64(size)
            else { throw Self.broken(path, "a blob of its manifest is missing or has another size") }
            return Blob(digest: digest, size: size, offset: member.offset)
        }
        for blob in blobs { try Self.verify(blob, input, path) }
    }

    private static func verify(_ blob: Blob, _ input: InputFile, _ path: String) throws {
        let sum = try Checksum.range(input, offset: blob.offset, count: blob.size)
        guard "sha256:" + sum == blob.digest else {
            throw PackagingError.checksum(
                of: "a blob of \(path)",
                expected: String(blob.digest.dropFirst(7)),
                found: sum
            )
        }
    }

    private static func blobName(_ digest: String, _ path: String) throws -> String {
        guard digest.hasPrefix("sha256:"), Checksum.isValid(String(digest.dropFirst(7))) else {
            throw broken(path, "'\(digest)' is no digest")
        }
        return "blobs/sha256/" + digest.dropFirst(7)
    }

    private static func broken(_ path: String, _ reason: String) -> PackagingError {
        PackagingError(
            .badArchive,
            "\(path) is no image that can be sent: \(reason)",
            remedy: "write it again with 'outrigger image export'"
        )
    }
}
