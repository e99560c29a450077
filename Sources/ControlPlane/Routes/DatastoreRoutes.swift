internal import ControlPlaneAPI
internal import KubeCore

/// Datastores: the two of every workspace, and registered ones.
struct DatastoreRoutes {
    let core: Core

    func register(_ routes: inout RouteTable) {
        let core = core
        let scoped = WorkspaceRoutes(core: core)
        scoped.add(&routes, "GET", "/datastores") { call, scope in
            var documents = try await core.store.read { t in try t.list(.datastore, parent: scope.id) }
            if let wanted = call.query["isDefault"] {
                documents = documents.filter { $0[property: "isDefault"]?.boolValue == (wanted.lowercased() == "true") }
            }
            return .list(documents.map(resource))
        }
        scoped.add(&routes, "GET", "/datastores/{n}") { call, scope in
            .json(resource(try await find(call, scope)))
        }
        scoped.add(&routes, "PUT", "/datastores/{n}") { call, scope in
            let body = try await call.json()
            let name = call["n"]
            guard let type = body[path: "properties", "datastoreType"]?.stringValue else {
                throw ARMError.invalid(
                    "properties.datastoreType",
                    "Datastore '\(name)' has no datastoreType; set AzureBlob."
                )
            }
            guard type.lowercased() == "azureblob" else {
                throw ARMError.invalid(
                    "properties.datastoreType",
                    "Datastore '\(name)': type '\(type)' is not offered; the only one is AzureBlob."
                )
            }
            let result = try await core.store.write { t -> (Document, Bool) in
                let id = scope.id + "/datastores/" + name
                let old = try t.find(id)
                if old?.hidden["isBuiltIn"] == true {
                    throw ARMError.conflict(
                        "DatastoreReadOnly",
                        "Datastore '\(name)' belongs to the workspace and cannot be changed."
                    )
                }
                var document = old ?? Document(kind: .datastore, id: id, parent: scope.id, name: name, body: body)
                document.body = body
                if let secrets = body[path: "properties", "credentials", "secrets"] {
                    document.hidden["secrets"] = secrets
                    document.body[path: "properties", "credentials", "secrets"] = nil
                }
                document[property: "isDefault"] = false
                try t.put(&document)
                return (document, old == nil)
            }
            return .json(resource(result.0), status: result.1 ? 201 : 200)
        }
        scoped.add(&routes, "DELETE", "/datastores/{n}") { call, scope in
            let document = try await find(call, scope)
            guard document.hidden["isBuiltIn"] != true else {
                throw ARMError.conflict(
                    "DatastoreReadOnly",
                    "Datastore '\(document.name)' belongs to the workspace and cannot be deleted."
                )
            }
            _ = try await core.store.write { t in try t.remove(document.id) }
            return Reply(200)
        }
        scoped.add(&routes, "POST", "/datastores/{n}/listSecrets") { call, scope in
            let document = try await find(call, scope)
            guard document.hidden["isBuiltIn"] == true else {
                var secrets = document.hidden["secrets"] ?? .object([:])
                if secrets["secretsType"] == nil {
                    secrets["secretsType"] = document[property: "credentials", "credentialsType"] ?? "None"
                }
                return .json(secrets)
            }
            let container = document[property: "containerName"]?.stringValue ?? ""
            let token = core.signatures.query(container: container, prefix: "", permissions: "rw", lifetime: 12 * 3600)
            return .json(["secretsType": "Sas", "sasToken": .string(token)])
        }
    }

    private func find(_ call: Call, _ scope: Scope) async throws -> Document {
        let name = call["n"]
        return try await core.store.read { t in
            try t.require(
                scope.id + "/datastores/" + name,
                "Datastore",
                remedy: "The default one is workspaceblobstore."
            )
        }
    }

    private func resource(_ document: Document) -> JSON {
        var resource = document.resource
        guard document.hidden["isBuiltIn"] == true else { return resource }
        resource[path: "properties", "accountName"] = .string(core.authority + "/store")
        resource[path: "properties", "endpoint"] = .string(BlobAddress.suffix)
        resource[path: "properties", "subscriptionId"] = .string(core.connection.subscriptionId)
        resource[path: "properties", "resourceGroup"] = .string(core.connection.resourceGroup)
        resource[path: "properties", "description"] = ""
        return resource
    }
}
