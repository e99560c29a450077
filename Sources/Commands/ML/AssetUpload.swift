internal import AzureMLYAML
internal import Crypto
internal import Foundation
internal import KubeCore

/// Brings what a YAML file refers to into the workspace and answers the ids by which jobs and deployments name it.
struct AssetUpload {
    let session: ARMSession

    init(_ session: ARMSession) { self.session = session }

    // MARK: Models and data

    func create(_ asset: AssetYAML) async throws -> JSON {
        let collection = asset.kind == .model ? "models" : "data"
        let uri: String
        if case .local(let path) = asset.path {
            uri = try await session.upload(path)
        } else {
            uri = try Self.uri(asset.path)
        }
        let version = try await version(asset.version, collection: collection, name: asset.name)
        return try await session.put(
            session.workspaceID + "/\(collection)/\(asset.name)/versions/\(version)",
            asset.body(uri: uri)
        )
    }

    private static func uri(_ reference: AssetReference) throws -> String {
        switch reference {
        case .uri(let uri), .id(let uri): return uri
        case .version(let name, let version): return "azureml:\(name):\(version)"
        default: throw CommandError("a path or URI is expected", exitStatus: 2)
        }
    }

    /// The given version, else the next number of the container, else 1.
    private func version(_ given: String?, collection: String, name: String) async throws -> String {
        if let given { return given }
        let container = try await session.find(session.workspaceID + "/\(collection)/\(name)")
        return container?["properties"]?["nextVersion"]?.stringValue ?? "1"
    }

    // MARK: Environments

    func create(_ environment: EnvironmentYAML) async throws -> JSON {
        let name = environment.name ?? Self.anonymousEnvironment
        let version = try await version(environment.version, collection: "environments", name: name)
        return try await put(environment, name: name, version: version, isAnonymous: false)
    }

    private static let anonymousEnvironment = "CliV2AnonymousEnvironment"

    private func put(
        _ environment: EnvironmentYAML,
        name: String,
        version: String,
        isAnonymous: Bool
    ) async throws -> JSON {
        var buildURI: String?
        if let path = environment.buildPath { buildURI = try await session.upload(path) }
        var properties = environment.properties(buildURI: buildURI)
        if isAnonymous { properties["isAnonymous"] = true }
        return try await session.put(
            session.workspaceID + "/environments/\(name)/versions/\(version)",
            ["properties": properties]
        )
    }

    /// ARM id of a job's or deployment's environment; what is written out is registered under its content hash.
    func environmentID(_ choice: EnvironmentChoice) async throws -> String {
        switch choice {
        case .reference(let reference): return try await id(reference, collection: "environments", what: "environment")
        case .inline(let environment):
            let digest = SHA256.hash(data: Data(environment.properties().bytes))
            let version = digest.map { String(format: "%02x", $0) }.joined()
            let resource = try await put(
                environment,
                name: Self.anonymousEnvironment,
                version: version,
                isAnonymous: true
            )
            return try requireID(resource)
        }
    }

    // MARK: Code and references

    /// ARM id of a code asset made from a folder or file.
    func codeID(_ reference: AssetReference) async throws -> String {
        guard case .local(let path) = reference else {
            return try await id(reference, collection: "codes", what: "code")
        }
        return try await session.uploadCode(path)
    }

    /// What an input's `uri` becomes.
    func inputURI(_ reference: AssetReference) async throws -> String {
        switch reference {
        case .local(let path): return try await session.upload(path)
        case .uri(let uri): return uri
        default: return try await id(reference, collection: "data", what: "data asset")
        }
    }

    func modelID(_ choice: OnlineDeploymentYAML.ModelChoice) async throws -> String {
        switch choice {
        case .reference(let reference): return try await id(reference, collection: "models", what: "model")
        case .inline(var asset):
            if asset.name.isEmpty, case .local(let path) = asset.path {
                // The reference client names anonymous models by their content.
                asset.name = try session.contentHash(path)
                asset.version = "1"
            }
            return try requireID(try await create(asset))
        }
    }

    /// ARM id of a named asset; labels and bare names are looked up.
    private func id(_ reference: AssetReference, collection: String, what: String) async throws -> String {
        switch reference {
        case .id(let id): return id
        case .version(let name, let version):
            return session.workspaceID + "/\(collection)/\(name)/versions/\(version)"
        case .label(let name, let label):
            return try requireID(
                try await AssetQueries.show(session, collection: collection, name: name, version: nil, label: label)
            )
        case .name(let name):
            throw CommandError(
                "\(what) azureml:\(name) names no version",
                remedy: "write azureml:\(name):VERSION or azureml:\(name)@latest",
                exitStatus: 2
            )
        case .local(let path), .uri(let path):
            throw CommandError(
                "\(what) \(path) is no registered asset",
                remedy: "write azureml:NAME:VERSION",
                exitStatus: 2
            )
        }
    }

    private func requireID(_ resource: JSON) throws -> String {
        guard let id = resource["id"]?.stringValue else {
            throw CommandError("the control plane answered a resource without an id")
        }
        return id
    }
}
