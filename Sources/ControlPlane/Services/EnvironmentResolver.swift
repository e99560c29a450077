internal import ControlPlaneAPI
internal import KubeCore
internal import MLTypes

/// References to environments, computes and code, as jobs and deployments carry them.
struct References {
    let scope: Scope
    /// `Job 'x'`, for messages.
    let owner: String

    func environment(_ reference: String, field: String, _ t: Transaction) throws -> EnvironmentSpec {
        let document = try version(reference, .environments, field: field, t)
        let name = ARMName.last(document.id)
        guard let image = document[property: "image"]?.stringValue else {
            throw ARMError.invalid(
                field,
                "\(owner): environment '\(name)' is built from a Dockerfile, which this control plane cannot do; use an image, with a conda_file for Python packages."
            )
        }
        let isAnonymous = name.hasPrefix("CliV2AnonymousEnvironment:")
        return EnvironmentSpec(
            name: isAnonymous ? nil : name,
            image: image,
            condaFile: document[property: "condaFile"]?.stringValue
        )
    }

    func environmentDocument(_ reference: String, field: String, _ t: Transaction) throws -> Document {
        try version(reference, .environments, field: field, t)
    }

    /// The code's folder.
    func code(_ reference: String, field: String, _ t: Transaction) throws -> BlobAddress {
        let document = try version(reference, .codes, field: field, t)
        guard let address = BlobAddress(url: document[property: "codeUri"]?.stringValue ?? "")?.asFolder else {
            throw ARMError.invalid(field, "\(owner): code '\(reference)' has no files on this control plane.")
        }
        guard try t.hasBlobs(address.container, prefix: address.name) else {
            throw ARMError(
                400,
                "CodeNotFound",
                "\(owner): the code folder of '\(ARMName.last(document.id))' holds no files; upload it again.",
                target: field
            )
        }
        return address
    }

    /// A version by ARM id, `azureml:NAME:VERSION` or `azureml:NAME@latest`.
    func version(_ reference: String, _ kind: AssetKind, field: String, _ t: Transaction) throws -> Document {
        var text = reference
        if text.lowercased().hasPrefix("azureml://registries/") {
            throw ARMError.invalid(
                field,
                "\(owner): '\(reference)' is in a registry of the public cloud, which cannot be reached from here; register an environment of your own."
            )
        }
        if text.lowercased().hasPrefix("azureml:") { text = String(text.dropFirst("azureml:".count)) }
        if !text.hasPrefix("/") {
            let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
            if parts.count == 2 {
                text = scope.id + "/\(kind.rawValue)/\(parts[0])/versions/\(parts[1])"
            } else {
                let name = text.split(separator: "@").first.map(String.init) ?? text
                let container = try t.find(scope.id + "/\(kind.rawValue)/\(name)")
                let latest = container?[property: "latestVersion"]?.stringValue ?? ""
                text = scope.id + "/\(kind.rawValue)/\(name)/versions/\(latest)"
            }
        }
        guard let document = try t.find(text), document.kind == kind.version else {
            throw ARMError(
                400,
                kind.noun.replacing(" ", with: "") + "NotFound",
                "\(owner): \(kind.noun.lowercased()) '\(ARMName.last(text))' does not exist in workspace '\(scope.name)'.",
                target: field
            )
        }
        return document
    }

    /// The compute a reference names; without one, the workspace's only compute.
    func compute(_ reference: String?, field: String, _ t: Transaction) throws -> Document {
        let all = try t.list(.compute, parent: scope.id)
        var name = reference ?? ""
        if name.lowercased().hasPrefix("azureml:") { name = String(name.dropFirst("azureml:".count)) }
        name = name.split(separator: "/").last.map(String.init) ?? ""
        if name.isEmpty || name.lowercased() == "serverless" {
            if all.count == 1 { return all[0] }
            throw ARMError.invalid(
                field,
                "\(owner) names no compute, and the workspace has \(all.count); "
                    + (all.isEmpty
                        ? "attach one with 'ml compute attach'."
                        : "set one of: \(all.map(\.name).joined(separator: ", ")).")
            )
        }
        guard let compute = try t.find(scope.id + "/computes/" + name) else {
            let known = all.isEmpty ? "none is attached" : "attached: " + all.map(\.name).joined(separator: ", ")
            throw ARMError(
                400,
                "ComputeNotFound",
                "\(owner): compute '\(name)' does not exist in workspace '\(scope.name)' (\(known)).",
                target: field
            )
        }
        return compute
    }
}

extension Document {
    /// Namespace of a compute's pods.
    var computeNamespace: String { self[property: "properties", "namespace"]?.stringValue ?? "default" }
    /// Key of a compute's cluster.
    var computeCluster: String { hidden["cluster"]?.stringValue ?? "" }
}
