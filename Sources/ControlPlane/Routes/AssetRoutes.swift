internal import ControlPlaneAPI
internal import KubeCore

/// Codes, environments, data, models and components: containers and versions.
struct AssetRoutes {
    let core: Core

    func register(_ routes: inout RouteTable) {
        for kind in AssetKind.allCases { register(&routes, kind) }
    }

    private func register(_ routes: inout RouteTable, _ kind: AssetKind) {
        let core = core
        let service = AssetService(core: core)
        let scoped = WorkspaceRoutes(core: core)
        let base = "/" + kind.rawValue
        scoped.add(&routes, "GET", base) { call, scope in
            let documents = try await core.store.read { t in
                try t.list(kind.container, parent: scope.id, newestFirst: true)
            }
            return Paging.reply(call, Paging.visible(documents, call), publicURL: core.publicURL)
        }
        scoped.add(&routes, "GET", base + "/{n}") { call, scope in
            let id = service.containerID(scope, kind, call["n"])
            let document = try await core.store.read { t in try t.require(id, kind.noun) }
            return .json(document.resource)
        }
        scoped.add(&routes, "PUT", base + "/{n}") { call, scope in
            let body = try await call.json()
            let name = call["n"]
            let id = service.containerID(scope, kind, name)
            let document = try await core.store.write { t -> Document in
                var document =
                    try t.find(id)
                    ?? Document(
                        kind: kind.container,
                        id: id,
                        parent: scope.id,
                        name: name,
                        body: ["properties": ["nextVersion": "1"]]
                    )
                for (key, value) in body["properties"]?.objectValue ?? [:]
                where !["latestVersion", "nextVersion"].contains(key) {
                    document[property: key] = value
                }
                try t.put(&document)
                return document
            }
            return .json(document.resource)
        }
        scoped.add(&routes, "DELETE", base + "/{n}") { call, scope in
            let id = service.containerID(scope, kind, call["n"])
            let removed = try await core.store.write { t in
                for version in try t.list(kind.version, parent: id) { try t.remove(version.id) }
                return try t.remove(id)
            }
            return removed ? Reply(200) : .noContent
        }
        scoped.add(&routes, "GET", base + "/{n}/versions") { call, scope in
            .json(try await versions(call, scope, kind))
        }
        scoped.add(&routes, "GET", base + "/{n}/versions/{v}") { call, scope in
            let id = service.containerID(scope, kind, call["n"]) + "/versions/" + call["v"]
            let document = try await core.store.read { t in
                try t.require(id, kind.noun, remedy: "List the versions of '\(call["n"])' to see which exist.")
            }
            return .json(document.resource)
        }
        scoped.add(&routes, "PUT", base + "/{n}/versions/{v}") { call, scope in
            let result = try await service.put(
                scope,
                kind,
                name: call["n"],
                version: call["v"],
                body: try await call.json()
            )
            return .json(result.document.resource, status: result.isNew ? 201 : 200)
        }
        scoped.add(&routes, "DELETE", base + "/{n}/versions/{v}") { call, scope in
            let id = service.containerID(scope, kind, call["n"]) + "/versions/" + call["v"]
            return try await core.store.write { t in try t.remove(id) } ? Reply(200) : .noContent
        }
        scoped.add(&routes, "POST", base + "/{n}/versions/{v}/startPendingUpload") { call, scope in
            .json(pendingUpload(scope, kind, name: call["n"], version: call["v"]))
        }
    }

    private func versions(_ call: Call, _ scope: Scope, _ kind: AssetKind) async throws -> JSON {
        // The client looks for code by its hash under a name it has just made up, so all names are searched.
        if kind == .codes, let hash = call.query["hash"] {
            let found = try await core.store.read { t in
                try t.list(.codeContainer, parent: scope.id).flatMap { try t.list(.codeVersion, parent: $0.id) }
                    .filter { $0[property: "properties", "hash_sha256"]?.stringValue == hash }
            }
            return ["value": .array(found.prefix(1).map(\.resource))]
        }
        let name = call["n"]
        let parent = scope.id + "/\(kind.rawValue)/\(name)"
        var documents = try await core.store.read { t in try t.list(kind.version, parent: parent, newestFirst: true) }
        documents = Paging.visible(documents, call)
        if let tag = call.query["stage"] { documents = documents.filter { $0[property: "stage"]?.stringValue == tag } }
        if let top = call.count("$top") ?? call.count("top"), top > 0 { documents = Array(documents.prefix(top)) }
        return ["value": .array(documents.map(\.resource))]
    }

    private func pendingUpload(_ scope: Scope, _ kind: AssetKind, name: String, version: String) -> JSON {
        let container =
            "code-"
            + String(RandomText.sha256("\(scope.key)/\(kind.rawValue)/\(name)/\(version)".lowercased()).prefix(32))
        let address = BlobAddress(container: container, name: "")
        let uri = address.url(base: core.publicURL)
        let signature = core.signatures.query(container: container, prefix: "", permissions: "rw", lifetime: 12 * 3600)
        return [
            "pendingUploadId": .string(RandomText.uuid()), "pendingUploadType": "TemporaryBlobReference",
            "blobReferenceForConsumption": [
                "blobUri": .string(uri), "storageAccountArmId": "store",
                "credential": ["credentialType": "SAS", "sasUri": .string(uri + "?" + signature)],
            ],
        ]
    }
}
