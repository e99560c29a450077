/// An image made ready on this machine.
struct ResolvedImage: Sendable, Hashable {
    /// Lower folders of the overlay, topmost first; `["/"]` for the host.
    var layers: [String]
    var isHost: Bool
    var entrypoint: [String]
    var command: [String]
    /// `NAME=value`.
    var environment: [String]
    var workingDir: String
    /// `user[:group]` as the image's configuration has it.
    var user: String
    /// `status.containerStatuses[].imageID`.
    var imageID: String
    var expose: [String]
    var carriesOutrigger: Bool
    /// Tag of the image's name.
    var tag: String?
    /// The image was not in the table, and the host stands in for it.
    var isSubstituted: Bool
}

/// Makes images ready.
///
/// Stateless but for files below `<data>/blobs/layers`.
struct ImageStore: Sendable {
    let table: ImageTable
    let mapUnknownImages: Bool
    let layerFolder: String
    let monitor: String

    /// - Throws: `.imageUnknown`, or `.configuration` when a folder of the table is not there.
    func resolve(_ image: String) async throws -> ResolvedImage {
        let (entry, isSubstituted) = try table.resolve(image, mapUnknownImages: mapUnknownImages)
        var resolved = ResolvedImage(
            layers: ["/"],
            isHost: true,
            entrypoint: entry.entrypoint,
            command: entry.command,
            environment: entry.environment,
            workingDir: "",
            user: "",
            imageID: "outrigger.ml/host",
            expose: entry.expose,
            carriesOutrigger: entry.carriesOutrigger,
            tag: ImageReference(image).tag,
            isSubstituted: isSubstituted
        )
        switch entry.source {
        case .host:
            if entry.expose != table.expose { resolved.expose += table.expose }
        case .directory(let path):
            guard Files.isDirectory(path) else {
                throw NodeAgentError(
                    .imageUnknown,
                    "image \"\(image)\" maps to \(path), which is no folder",
                    remedy: "correct the image table"
                )
            }
            resolved.layers = [path]
            resolved.isHost = false
            resolved.imageID = "dir:" + path
        case .layout(let path, let reference):
            let layout = try await ImageLayout.open(
                path,
                reference: reference,
                layerFolder: layerFolder,
                monitor: monitor
            )
            resolved.layers = layout.layers
            resolved.isHost = false
            resolved.imageID = layout.digest
            if resolved.entrypoint.isEmpty { resolved.entrypoint = layout.entrypoint }
            if resolved.command.isEmpty { resolved.command = layout.command }
            resolved.environment = layout.environment + resolved.environment
            resolved.workingDir = layout.workingDir
            resolved.user = layout.user
        }
        return resolved
    }
}
