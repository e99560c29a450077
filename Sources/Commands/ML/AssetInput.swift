internal import AzureMLYAML
internal import Foundation
internal import KubeCore

/// A model or data asset from a file, from flags, or from a file with flags on top.
enum AssetInput {
    static func read(
        _ kind: AssetYAML.Kind,
        file: String?,
        set: [String],
        name: String?,
        version: String?,
        path: String?,
        type: String?,
        description: String?
    ) throws -> AssetYAML {
        if let file {
            var asset = try AssetYAML(try SpecDocument(file: file, overrides: set), kind: kind)
            if let name { asset.name = name }
            if let version { asset.version = version }
            if let path { asset.path = AssetReference(path, folder: ".") }
            return asset
        }
        guard let name, let path else {
            throw CommandError("--name and --path are required", remedy: "give both, or --file", exitStatus: 2)
        }
        let types = AssetYAML.types(of: kind)
        let chosen = type ?? types[0]
        guard types.contains(chosen) else {
            throw CommandError(
                "--type \(chosen): unknown type",
                remedy: "use one of \(types.joined(separator: ", "))",
                exitStatus: 2
            )
        }
        let reference = AssetReference(path, folder: ".")
        if case .local(let local) = reference, !FileManager.default.fileExists(atPath: local) {
            throw CommandError("--path \(path): there is no file or folder of that name", exitStatus: 2)
        }
        return AssetYAML(
            kind: kind,
            name: name,
            version: version,
            type: chosen,
            path: reference,
            description: description
        )
    }
}
