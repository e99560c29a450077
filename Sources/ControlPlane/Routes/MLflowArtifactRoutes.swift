internal import ControlPlaneAPI
internal import Hummingbird
internal import KubeCore
internal import NIOCore

/// The artifact proxy of MLflow: paths below `mlflow-artifacts:/` are names in the workspace's artifact container.
struct MLflowArtifactRoutes {
    let core: Core

    func register(_ routes: inout RouteTable) {
        let core = core
        for (prefix, usesAzureURIs) in MLflowRoutes.prefixes {
            let base = prefix + "/api/2.0/mlflow-artifacts/artifacts"
            let run = prefix + "/api/2.0/mlflow/artifacts/list"
            routes.get(base, access: .workload) { call in
                try await MLflowRoutes.answer { .json(try await list(call, prefix, folder: call.query["path"] ?? "")) }
            }
            routes.get(base + "/**", access: .workload) { call in
                try await MLflowRoutes.answer {
                    let address = try await address(call, prefix, write: false)
                    let blob = try await core.blobs.require(address)
                    var reply = BlobRoutes.head(blob)
                    reply.headers["Content-Length"] = nil
                    reply.content = .stream(
                        core.blobs.files.body(blob.file, range: 0..<blob.size),
                        type: blob.contentType
                    )
                    return reply
                }
            }
            routes.put(base + "/**", access: .workload) { call in
                try await MLflowRoutes.answer {
                    let address = try await address(call, prefix, write: true)
                    let type = call.header("Content-Type") ?? "application/octet-stream"
                    try await core.blobs.put(address, body: call.request.body, contentType: type)
                    return .json([:])
                }
            }
            routes.delete(base + "/**", access: .workload) { call in
                try await MLflowRoutes.answer {
                    let address = try await address(call, prefix, write: true)
                    if try await !core.blobs.delete(address) { try await core.blobs.deleteAll(below: address.asFolder) }
                    return .json([:])
                }
            }
            routes.get(run, access: .workload) { call in
                try await MLflowRoutes.answer { .json(try await listRun(call, prefix, usesAzureURIs)) }
            }
        }
    }

    private func scope(_ call: Call, _ prefix: String) async throws -> Scope {
        prefix.isEmpty ? try await core.defaultScope(call.caller) : try await core.scope(call)
    }

    private func address(_ call: Call, _ prefix: String, write: Bool) async throws -> BlobAddress {
        let scope = try await scope(call, prefix)
        let address = BlobAddress(container: scope.artifactContainer, name: call.rest)
        try await check(call, address, write: write)
        return address
    }

    private func check(_ call: Call, _ address: BlobAddress, write: Bool) async throws {
        if call.caller.isUser { return }
        let subject = call.caller.subject
        let isGranted = try await core.store.read { t in
            try t.isGranted(subject, container: address.container, blob: address.name, write: write)
        }
        guard isGranted else {
            throw ARMError(
                403,
                "PERMISSION_DENIED",
                "\(subject) may not \(write ? "write" : "read") the artifact '\(address.name)'."
            )
        }
    }

    private func list(_ call: Call, _ prefix: String, folder: String) async throws -> JSON {
        let scope = try await scope(call, prefix)
        let address = BlobAddress(container: scope.artifactContainer, name: folder)
        try await check(call, address, write: false)
        let files = try await entries(scope, below: folder, relativeTo: folder)
        return ["files": .array(files)]
    }

    private func listRun(_ call: Call, _ prefix: String, _ usesAzureURIs: Bool) async throws -> JSON {
        let scope = try await scope(call, prefix)
        let id = call.query["run_id"] ?? call.query["run_uuid"] ?? ""
        let service = MLflowService(core: core, scope: scope, caller: call.caller, usesAzureURIs: usesAzureURIs)
        let run = try await core.store.read { t in try service.run(id, t) }
        let root = String(Scope.runFolder(run.id).dropLast())
        let path = call.query["path"] ?? ""
        let files = try await entries(scope, below: path.isEmpty ? root : root + "/" + path, relativeTo: root)
        return ["root_uri": .string(service.artifactURI(run)), "files": .array(files)]
    }

    /// Files and folders directly below a folder, with paths relative to `base`.
    private func entries(_ scope: Scope, below folder: String, relativeTo base: String) async throws -> [JSON] {
        let prefix = folder.isEmpty || folder.hasSuffix("/") ? folder : folder + "/"
        let container = scope.artifactContainer
        let blobs = try await core.store.read { t in try t.blobs(container, prefix: prefix, limit: 50000) }
        let skip = base.isEmpty ? 0 : base.count + 1
        var files: [JSON] = []
        var folders: Set<String> = []
        for blob in blobs {
            let rest = blob.name.dropFirst(prefix.count)
            if let slash = rest.firstIndex(of: "/") {
                let name = prefix + rest[..<slash]
                guard folders.insert(name).inserted else { continue }
                files.append(["path": .string(String(name.dropFirst(skip))), "is_dir": true])
            } else {
                files.append([
                    "path": .string(String(blob.name.dropFirst(skip))), "is_dir": false, "file_size": JSON(blob.size),
                ])
            }
        }
        return files
    }
}
