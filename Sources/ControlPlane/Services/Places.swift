internal import ControlPlaneAPI
internal import KubeCore

/// Where the files of an asset, input or output are.
enum Place: Sendable, Hashable {
    case blob(BlobAddress)
    /// Outside the control plane; fetched as it is.
    case external(String)
}

/// Turns the many ways of naming files into a place.
struct Places {
    let scope: Scope

    /// Reads a URI, a reference or an ARM id.
    ///
    /// - Throws: 400 with the field `target` when it names nothing that exists or has an unknown form.
    func resolve(_ uri: String, target: String, _ t: Transaction) throws -> Place {
        if let address = BlobAddress(url: uri) { return .blob(address) }
        let lower = uri.lowercased()
        if lower.hasPrefix("azureml://") { return try resolveURI(uri, target: target, t) }
        if lower.hasPrefix("runs:/") { return .blob(try run(uri, target: target, t)) }
        if lower.hasPrefix("/subscriptions/") { return try asset(uri, target: target, t) }
        if lower.hasPrefix("azureml:/") { return try asset(String(uri.dropFirst("azureml:".count)), target: target, t) }
        if lower.hasPrefix("azureml:") { return try short(uri, target: target, t) }
        if lower.hasPrefix("http://") || lower.hasPrefix("https://") { return .external(uri) }
        throw ARMError.invalid(
            target,
            "'\(uri)' has a form that is not offered; use azureml://datastores/D/paths/P, azureml://jobs/J/outputs/O/paths/P, azureml:NAME:VERSION, runs:/RUN/PATH or an http(s) address."
        )
    }

    private func resolveURI(_ uri: String, target: String, _ t: Transaction) throws -> Place {
        let segments = uri.dropFirst("azureml://".count).split(separator: "/", omittingEmptySubsequences: false).map(
            String.init
        )
        func rest(after word: String) -> (name: String, path: String)? {
            guard let index = segments.firstIndex(where: { $0.lowercased() == word }), index + 1 < segments.count else {
                return nil
            }
            var path = segments.dropFirst(index + 2)
            if path.first?.lowercased() == "paths" { path = path.dropFirst() }
            return (segments[index + 1], path.joined(separator: "/"))
        }
        if let (name, path) = rest(after: "datastores") { return .blob(try datastore(name, path, target: target, t)) }
        if let (_, _) = rest(after: "jobs"), let (output, path) = rest(after: "outputs"),
            let job = rest(after: "jobs")?.name
        {
            return .blob(try jobOutput(job, output, path, target: target, t))
        }
        if segments.first?.lowercased() == "artifacts", let (origin, path) = rest(after: "artifacts") {
            return .blob(BlobAddress(container: scope.artifactContainer, name: origin + "/" + path))
        }
        throw ARMError.invalid(
            target,
            "'\(uri)' is not understood; use azureml://datastores/D/paths/P or azureml://jobs/J/outputs/O/paths/P."
        )
    }

    private func datastore(_ name: String, _ path: String, target: String, _ t: Transaction) throws -> BlobAddress {
        guard let document = try t.find(scope.id + "/datastores/" + name) else {
            throw ARMError(
                400,
                "DatastoreNotFound",
                "Datastore '\(name)' does not exist in workspace '\(scope.name)'; the default one is workspaceblobstore.",
                target: target
            )
        }
        guard document.hidden["isBuiltIn"] == true, let container = document[property: "containerName"]?.stringValue
        else {
            throw ARMError.invalid(
                target,
                "Datastore '\(name)' is outside this control plane; its files cannot be delivered to pods yet."
            )
        }
        return BlobAddress(container: container, name: path)
    }

    private func jobOutput(
        _ job: String,
        _ output: String,
        _ path: String,
        target: String,
        _ t: Transaction
    ) throws -> BlobAddress {
        guard let document = try t.find(scope.id + "/jobs/" + job) else {
            throw ARMError(
                400,
                "JobNotFound",
                "Job '\(job)' does not exist in workspace '\(scope.name)'.",
                target: target
            )
        }
        if ["artifacts", "default"].contains(output.lowercased()) {
            return try artifact(document.name, path, t)
        }
        guard let uri = document.hidden[path: "outputs", output]?.stringValue, let folder = BlobAddress(url: uri) else {
            let known = ["artifacts"] + (document.hidden["outputs"]?.objectValue ?? [:]).keys.sorted()
            throw ARMError(
                400,
                "OutputNotFound",
                "Job '\(job)' has no output '\(output)'; it has \(known.joined(separator: ", ")).",
                target: target
            )
        }
        return path.isEmpty ? folder : folder.appending(path)
    }

    private func run(_ uri: String, target: String, _ t: Transaction) throws -> BlobAddress {
        let parts = uri.dropFirst("runs:/".count).split(separator: "/", maxSplits: 1).map(String.init)
        guard let run = parts.first, try t.run(run) != nil else {
            throw ARMError(400, "RunNotFound", "'\(uri)' names no run of this workspace.", target: target)
        }
        return try artifact(run, parts.count > 1 ? parts[1] : "", t)
    }

    /// A path among a run's artifacts.
    ///
    /// MLflow 3 keeps models apart from them, so a name that is no folder may be a model's.
    private func artifact(_ run: String, _ path: String, _ t: Transaction) throws -> BlobAddress {
        let address = BlobAddress(container: scope.artifactContainer, name: Scope.runFolder(run) + path)
        let parts = path.split(separator: "/", maxSplits: 1).map(String.init)
        guard let name = parts.first, try Places.existing(address, t) == nil,
            let folder = try LoggedModels.folder(scope, run: run, name: name, t)
        else { return address }
        return BlobAddress(container: scope.artifactContainer, name: folder + (parts.count > 1 ? parts[1] : ""))
    }

    private func short(_ reference: String, target: String, _ t: Transaction) throws -> Place {
        let parts = reference.dropFirst("azureml:".count).split(separator: ":", maxSplits: 1).map(String.init)
        guard parts.count == 2 else {
            throw ARMError.invalid(target, "'\(reference)' has no version; write azureml:NAME:VERSION.")
        }
        for kind in [AssetKind.data, .models] {
            let id = scope.id + "/\(kind.rawValue)/\(parts[0])/versions/\(parts[1])"
            if try t.find(id) != nil { return try asset(id, target: target, t) }
        }
        throw ARMError(
            400,
            "AssetNotFound",
            "'\(reference)' is neither a data asset nor a model of workspace '\(scope.name)'.",
            target: target
        )
    }

    private func asset(_ id: String, target: String, _ t: Transaction) throws -> Place {
        guard let document = try t.find(id) else {
            throw ARMError(400, "AssetNotFound", "'\(ARMName.last(id))' does not exist (\(id)).", target: target)
        }
        for kind in AssetKind.allCases where kind.version == document.kind {
            guard let property = kind.uriProperty, let uri = document[property: property]?.stringValue else { break }
            return try resolve(uri, target: target, t)
        }
        throw ARMError.invalid(target, "'\(ARMName.last(id))' has no files that could be used here.")
    }

    /// The long datastore form that clients store; other containers are named by address.
    func uri(_ address: BlobAddress, base: String) -> String {
        let names = [scope.blobContainer: "workspaceblobstore", scope.artifactContainer: "workspaceartifactstore"]
        guard let datastore = names[address.container] else { return address.url(base: base) }
        return
            "azureml://subscriptions/\(scope.subscription)/resourcegroups/\(scope.resourceGroup)/workspaces/\(scope.name)"
            + "/datastores/\(datastore)/paths/\(address.name)"
    }

    /// The address with a final slash if it is a folder, without if it is a blob; nil when there is nothing.
    static func existing(_ address: BlobAddress, _ t: Transaction) throws -> BlobAddress? {
        let bare = address.name.hasSuffix("/") ? String(address.name.dropLast()) : address.name
        if !bare.isEmpty, try t.blob(address.container, bare) != nil {
            return BlobAddress(container: address.container, name: bare)
        }
        let folder = address.asFolder
        return try t.hasBlobs(folder.container, prefix: folder.name) ? folder : nil
    }
}
