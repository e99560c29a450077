internal import ControlPlaneAPI
internal import KubeCore

/// Run history and the resolution of output names, as the SDK streams and downloads with them.
struct HistoryRoutes {
    let core: Core

    func register(_ routes: inout RouteTable) {
        let core = core
        let history = RunHistory(core: core)
        let base = "/history/v1.0" + WorkspaceRoutes.path
        routes.get(base + "/runs/{r}/details", access: .workload) { call in
            let scope = try await core.scope(call)
            let entry = try await history.entry(scope, call["r"], caller: call.caller, withLogs: true)
            return .json(history.details(scope, entry))
        }
        for path in ["/runs/{r}", "/experiments/{e}/runs/{r}", "/experimentids/{e}/runs/{r}"] {
            routes.get(base + path, access: .workload) { call in
                let scope = try await core.scope(call)
                return .json(history.summary(try await history.entry(scope, call["r"], caller: call.caller)))
            }
            routes.get(base + path + "/children") { _ in .list([]) }
            routes.patch(base + path, access: .workload) { call in
                let scope = try await core.scope(call)
                _ = try await history.entry(scope, call["r"], caller: call.caller)
                try await history.patch(scope, call["r"], try await call.json())
                return .json(history.summary(try await history.entry(scope, call["r"], caller: call.caller)))
            }
            routes.get(base + path + "/serviceinstances/{node}") { _ in .json(["instances": [:]]) }
            routes.get(base + path + "/token", access: .workload) { call in
                let scope = try await core.scope(call)
                let entry = try await history.entry(scope, call["r"], caller: call.caller)
                if let job = entry.job, JobState.isEnded(job), !call.caller.isUser {
                    throw ARMError(403, "AuthorizationFailed", "Job '\(job.name)' has ended; its token is not renewed.")
                }
                let lifetime = RunTokens.lifetime(timeout: nil)
                let token = try await core.tokens.runToken(
                    workspace: scope.key,
                    name: entry.run.owner.isEmpty ? entry.run.id : entry.run.owner,
                    audience: core.publicURL,
                    lifetime: lifetime
                )
                return .json([
                    "token": .string(token), "expiryTimeUtc": .string(rfc3339(nowSeconds() + Double(lifetime))),
                ])
            }
        }
        routes.post(base + "/rundata") { call in
            let scope = try await core.scope(call)
            let body = try await call.json()
            let entry = try await history.entry(scope, body["runId"]?.stringValue ?? "", caller: call.caller)
            return .json(["runMetadata": history.summary(entry), "runDefinition": .null, "jobSpecification": .null])
        }
        routes.post("/data/v1.0" + WorkspaceRoutes.path + "/dataversion/batchGetResolvedUris") { call in
            let scope = try await core.scope(call)
            let ids = try await call.json()["values"]?.stringArray ?? []
            return .json(["values": .object(try await resolved(scope, ids))])
        }
        routes.post("/modelregistry/v1.0" + WorkspaceRoutes.path + "/models/batchGetResolvedUris") { call in
            let scope = try await core.scope(call)
            let ids = try await call.json()["values"]?.stringArray ?? []
            let values = try await resolved(scope, ids).mapValues { item -> JSON in
                ["path": item["uri"] ?? "", "type": item["type"] ?? ""]
            }
            return .json(["values": .object(values)])
        }
        registerArtifacts(&routes)
    }

    private func resolved(_ scope: Scope, _ ids: [String]) async throws -> [String: JSON] {
        let base = core.publicURL
        return try await core.store.read { t in
            let places = Places(scope: scope)
            var values: [String: JSON] = [:]
            for id in ids {
                guard case .blob(let address) = try places.resolve(id, target: "values", t) else { continue }
                let isFile = try Places.existing(address, t).map { !$0.name.hasSuffix("/") } ?? false
                values[id] = [
                    "uri": .string(places.uri(isFile ? address : address.asFolder, base: base)),
                    "type": isFile ? "uri_file" : "uri_folder",
                ]
            }
            return values
        }
    }
}

/// How long tokens of runs live.
enum RunTokens {
    /// Seconds; a job without a timeout gets two weeks.
    static func lifetime(timeout: Int?) -> Int { timeout.map { $0 + 86400 } ?? 14 * 86400 }
}

extension HistoryRoutes {
    /// Artifacts by origin, container and path, as Azure's MLflow plugin reads and writes them.
    private func registerArtifacts(_ routes: inout RouteTable) {
        let runs = "/history/v1.0" + WorkspaceRoutes.path + "/experiments/{e}/runs/{r}/artifacts"
        let byID = "/history/v1.0" + WorkspaceRoutes.path + "/runs/{r}/artifacts"
        let service = "/artifact/v2.0" + WorkspaceRoutes.path + "/artifacts/{origin}/{container}"
        for base in [runs, byID, service] {
            routes.post(base + "/batch/metadata", access: .workload) { call in
                let (scope, root) = try await root(call)
                var infos: [String: JSON] = [:]
                var artifacts: [String: JSON] = [:]
                for item in try await call.json()["paths"]?.arrayValue ?? [] {
                    guard let path = item["path"]?.stringValue else { continue }
                    try await check(call, scope, root + path, write: true)
                    infos[path] = information(scope, root, path, permissions: "rw")
                    artifacts[path] = description(root, path)
                }
                return .json([
                    "artifacts": .object(artifacts), "artifactContentInformation": .object(infos), "errors": [:],
                ])
            }
            routes.get(base, access: .workload) { call in
                let (scope, root) = try await root(call)
                let prefix = root + (call.query["path"] ?? "")
                try await check(call, scope, prefix, write: false)
                let blobs = try await core.store.read { t in
                    try t.blobs(scope.artifactContainer, prefix: prefix, limit: 50000)
                }
                return .list(blobs.map { description(root, String($0.name.dropFirst(root.count))) })
            }
            routes.get(base + "/contentinfo", access: .workload) { call in
                let (scope, root) = try await root(call)
                let path = call.query["path"] ?? ""
                try await check(call, scope, root + path, write: false)
                _ = try await core.blobs.require(BlobAddress(container: scope.artifactContainer, name: root + path))
                return .json(information(scope, root, path, permissions: "r"))
            }
        }
    }

    private func root(_ call: Call) async throws -> (Scope, String) {
        let scope = try await core.scope(call)
        guard call["origin"].isEmpty else { return (scope, call["origin"] + "/" + call["container"] + "/") }
        return (scope, Scope.runFolder(call["r"]))
    }

    private func check(_ call: Call, _ scope: Scope, _ name: String, write: Bool) async throws {
        if call.caller.isUser { return }
        let subject = call.caller.subject
        guard
            try await core.store.read({ t in
                try t.isGranted(subject, container: scope.artifactContainer, blob: name, write: write)
            })
        else {
            throw ARMError(
                403,
                "AuthorizationFailed",
                "\(subject) may not \(write ? "write" : "read") the artifact '\(name)'."
            )
        }
    }

    private func description(_ root: String, _ path: String) -> JSON {
        let parts = root.split(separator: "/", maxSplits: 1).map(String.init)
        let container = parts.count > 1 ? String(parts[1].dropLast()) : ""
        return [
            "artifactId": .string(root + path), "origin": .string(parts.first ?? ""), "container": .string(container),
            "path": .string(path),
        ]
    }

    private func information(_ scope: Scope, _ root: String, _ path: String, permissions: String) -> JSON {
        var info = description(root, path)
        let address = BlobAddress(container: scope.artifactContainer, name: root + path)
        let signature = core.signatures.query(
            container: address.container,
            prefix: address.name,
            permissions: permissions,
            lifetime: 3600
        )
        info["contentUri"] = .string(address.url(base: core.publicURL) + "?" + signature)
        return info
    }
}
