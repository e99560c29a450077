internal import Glibc
internal import KubeCore

/// An image in an OCI image layout folder, its layers unpacked once each into overlay lower folders.
///
/// Source: OCI image specification 1.1, image layout and layer media types.
struct ImageLayout: Sendable {
    /// Topmost first.
    var layers: [String]
    var digest: String
    var entrypoint: [String]
    var command: [String]
    var environment: [String]
    var workingDir: String
    var user: String

    static func open(
        _ path: String,
        reference: String?,
        layerFolder: String,
        monitor: String
    ) async throws -> ImageLayout {
        let index = try json(path + "/index.json")
        let digest = try select(index, reference: reference, path: path)
        var manifest = try json(blob(path, digest))
        if let nested = manifest["manifests"]?.arrayValue {
            let own =
                nested.first { $0[path: "platform", "architecture"]?.stringValue == Machine.architecture }
                ?? nested.first
            guard let inner = own?["digest"]?.stringValue else { throw broken(path, "its index lists no manifest") }
            manifest = try json(blob(path, inner))
        }
        guard let configDigest = manifest[path: "config", "digest"]?.stringValue else {
            throw broken(path, "manifest \(digest) has no config")
        }
        let config = try json(blob(path, configDigest))["config"] ?? .object([:])
        var layers: [String] = []
        for layer in manifest["layers"]?.arrayValue ?? [] {
            guard let layerDigest = layer["digest"]?.stringValue else { throw broken(path, "a layer has no digest") }
            layers.append(
                try await unpack(blob(path, layerDigest), digest: layerDigest, into: layerFolder, monitor: monitor)
            )
        }
        return ImageLayout(
            layers: layers.reversed(),
            digest: configDigest,
            entrypoint: config["Entrypoint"]?.stringArray ?? [],
            command: config["Cmd"]?.stringArray ?? [],
            environment: config["Env"]?.stringArray ?? [],
            workingDir: config["WorkingDir"]?.stringValue ?? "",
            user: config["User"]?.stringValue ?? ""
        )
    }

    private static func select(_ index: JSON, reference: String?, path: String) throws -> String {
        let manifests = index["manifests"]?.arrayValue ?? []
        let chosen =
            reference.map { name in
                manifests.first { $0[path: "annotations", "org.opencontainers.image.ref.name"]?.stringValue == name }
            } ?? manifests.first
        guard let digest = chosen?["digest"]?.stringValue else {
            throw broken(path, reference.map { "it holds no image named \($0)" } ?? "it holds no image")
        }
        return digest
    }

    private static func blob(_ path: String, _ digest: String) -> String {
        path + "/blobs/" + digest.split(separator: ":", maxSplits: 1).joined(separator: "/")
    }

    private static func json(_ path: String) throws -> JSON {
        do {
            return try JSON(parsing: Files.read(path))
        } catch {
            throw broken(path, "\(error)")
        }
    }

    private static func broken(_ path: String, _ reason: String) -> NodeAgentError {
        NodeAgentError(
            .imageUnknown,
            "image layout \(path): \(reason)",
            remedy: "export the image again as an OCI layout"
        )
    }

    /// Unpacks one layer; concurrent callers race to the final rename and both win.
    private static func unpack(
        _ archive: String,
        digest: String,
        into folder: String,
        monitor: String
    ) async throws -> String {
        let name = String(digest.split(separator: ":").last?.prefix(24) ?? "")
        guard !name.isEmpty, name.allSatisfy(\.isHexDigit) else { throw broken(archive, "its digest is malformed") }
        let target = folder + "/" + name
        if Files.isDirectory(target) { return target }
        try Files.makeDirectory(folder, mode: 0o700)
        let staging = target + ".\(UInt32.random(in: 0...UInt32.max))"
        try Files.makeDirectory(staging)
        do {
            try await Command.check(
                "/usr/bin/tar",
                ["--extract", "--file", archive, "--directory", staging, "--same-owner", "--numeric-owner", "--xattrs"]
            )
            try await Command.check(monitor, ["whiteouts", staging])
            if rename(staging, target) != 0, !Files.isDirectory(target) { throw Files.failure("rename", staging) }
        } catch {
            try Files.remove(staging)
            throw error
        }
        if Files.exists(staging) { try Files.remove(staging) }
        return target
    }
}
