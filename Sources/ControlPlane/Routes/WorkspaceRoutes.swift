internal import ControlPlaneAPI
internal import KubeCore

/// Workspaces: read, list, change, keys, and creation by template deployment as the SDK does it.
struct WorkspaceResourceRoutes {
    let core: Core

    func register(_ routes: inout RouteTable) {
        let core = core
        let service = WorkspaceService(core: core)
        let scoped = WorkspaceRoutes(core: core)
        scoped.add(&routes, "GET", "") { _, scope in
            let document = try await core.store.read { t in try t.require(scope.id, "Workspace") }
            return .json(service.resource(document))
        }
        scoped.add(&routes, "PATCH", "") { call, scope in
            .json(service.resource(try await service.update(scope, try await call.json())))
        }
        scoped.add(&routes, "DELETE", "") { _, scope in
            try await service.delete(scope)
            return Reply(200)
        }
        scoped.add(&routes, "POST", "/listKeys") { _, _ in
            .json([
                "userStorageResourceId": "store", "userStorageKey": "", "appInsightsInstrumentationKey": "",
                "containerRegistryCredentials": .null,
            ])
        }
        scoped.add(&routes, "GET", "/connections") { _, _ in .list([]) }
        scoped.add(&routes, "GET", "/outboundRules") { _, _ in .list([]) }
        routes.put(WorkspaceRoutes.path) { call in
            let result = try await service.create(
                subscription: call["s"],
                group: call["g"],
                name: call["w"],
                body: try await call.json()
            )
            return .json(service.resource(result.document), status: result.isNew ? 201 : 200)
        }
        let provider = "/providers/Microsoft.MachineLearningServices/workspaces"
        routes.get("/subscriptions/{s}/resourceGroups/{g}" + provider) { call in
            let parent = WorkspaceService.parent(subscription: call["s"], group: call["g"])
            let documents = try await core.store.read { t in try t.list(.workspace, parent: parent) }
            return .list(documents.map(service.resource))
        }
        routes.get("/subscriptions/{s}" + provider) { _ in
            let documents = try await core.store.read { t in try t.listAll(.workspace) }
            return .list(documents.map(service.resource))
        }
        registerDeployments(&routes, service)
    }

    /// Only the parameters of the template count: they say which workspace is wanted.
    private func registerDeployments(_ routes: inout RouteTable, _ service: WorkspaceService) {
        let path = "/subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.Resources/deployments/{d}"
        for address in [path, "/subscriptions/{s}/resourceGroups/{g}/deployments/{d}"] {
            routes.put(address) { call in
                let body = try await call.json()
                let parameters = body[path: "properties", "parameters"] ?? .object([:])
                func value(_ name: String) -> JSON? { parameters[name]?["value"] }
                guard let name = value("workspaceName")?.stringValue else {
                    throw ARMError.invalid(
                        "properties.parameters.workspaceName",
                        "Deployment '\(call["d"])' has no parameter workspaceName; only workspaces can be deployed."
                    )
                }
                var workspace: JSON = ["properties": [:]]
                if let tags = value("tagValues")?.objectValue ?? value("tags")?.objectValue {
                    workspace["tags"] = .object(tags)
                }
                for key in ["description", "friendlyName", "publicNetworkAccess"] {
                    if let text = value(key)?.stringValue, !text.isEmpty {
                        workspace[path: "properties", key] = .string(text)
                    }
                }
                _ = try await service.create(subscription: call["s"], group: call["g"], name: name, body: workspace)
                return .json(deployment(call), status: 201)
            }
            routes.get(address) { call in .json(deployment(call)) }
            routes.get(address + "/operations") { _ in .list([]) }
        }
    }

    private func deployment(_ call: Call) -> JSON {
        [
            "id": .string(call.path), "name": .string(call["d"]), "type": "Microsoft.Resources/deployments",
            "properties": [
                "provisioningState": "Succeeded", "mode": "Incremental", "timestamp": .string(rfc3339(nowSeconds())),
            ],
        ]
    }
}
