internal import ControlPlaneAPI
internal import KubeCore

/// `{ws}/onlineEndpoints` and their deployments.
struct EndpointRoutes {
    let core: Core
    /// Log of a deployment's pods, by the gateway of its cluster.
    let logs: @Sendable (Document, _ tail: Int?, _ container: String) async throws -> String

    func register(_ routes: inout RouteTable) {
        registerEndpoints(&routes)
        registerKeys(&routes)
        registerDeployments(&routes)
        let core = core
        WorkspaceRoutes(core: core).add(&routes, "GET", "/operationsStatus/{o}") { call, scope in
            let id = call["o"]
            let operation = try await core.store.read { t in try t.require(Operations.key(id), "Operation") }
            return Operations.reply(operation, id: scope.id + "/operationsStatus/" + id)
        }
    }

    private func headers(_ scope: Scope, _ operation: String) -> [String: String] {
        Operations.headers(core.publicURL + scope.id + "/operationsStatus/" + operation)
    }

    private func registerEndpoints(_ routes: inout RouteTable) {
        let core = core
        let service = EndpointService(core: core)
        let scoped = WorkspaceRoutes(core: core)
        scoped.add(&routes, "GET", "/onlineEndpoints") { call, scope in
            var endpoints = try await core.store.read { t in try t.list(.onlineEndpoint, parent: scope.id) }
            if let name = call.query["name"] { endpoints = endpoints.filter { $0.name == name } }
            return Paging.reply(call, endpoints, publicURL: core.publicURL)
        }
        scoped.add(&routes, "GET", "/onlineEndpoints/{n}") { call, scope in
            .json(try await service.find(scope, call["n"]).resource)
        }
        scoped.add(&routes, "PUT", "/onlineEndpoints/{n}") { call, scope in
            let result = try await service.put(scope, name: call["n"], body: try await call.json())
            return .json(
                result.document.resource,
                status: result.isNew ? 201 : 200,
                headers: headers(scope, result.operation)
            )
        }
        scoped.add(&routes, "PATCH", "/onlineEndpoints/{n}") { call, scope in
            let result = try await service.patch(scope, name: call["n"], body: try await call.json())
            return .json(result.document.resource, status: 202, headers: headers(scope, result.operation))
        }
        scoped.add(&routes, "DELETE", "/onlineEndpoints/{n}") { call, scope in
            guard let operation = try await service.delete(scope, name: call["n"]) else { return .noContent }
            return Reply(202, headers: headers(scope, operation))
        }
    }

    private func registerKeys(_ routes: inout RouteTable) {
        let core = core
        let service = EndpointService(core: core)
        let scoped = WorkspaceRoutes(core: core)
        scoped.add(&routes, "POST", "/onlineEndpoints/{n}/listKeys") { call, scope in
            let endpoint = try await service.find(scope, call["n"])
            try EndpointService.requireMode(endpoint, "Key")
            return .json([
                "primaryKey": endpoint.hidden["primaryKey"] ?? "",
                "secondaryKey": endpoint.hidden["secondaryKey"] ?? "",
            ])
        }
        scoped.add(&routes, "POST", "/onlineEndpoints/{n}/regenerateKeys") { call, scope in
            let type = try await call.json()["keyType"]?.stringValue ?? "Primary"
            try await service.regenerateKey(scope, name: call["n"], type: type)
            return .json([:])
        }
        scoped.add(&routes, "POST", "/onlineEndpoints/{n}/token") { call, scope in
            let endpoint = try await service.find(scope, call["n"])
            try EndpointService.requireMode(endpoint, "AMLToken")
            let token = try await ScoringTokens.make(
                endpoint: endpoint.name,
                primaryKey: endpoint.hidden["primaryKey"]?.stringValue ?? "",
                issuer: core.tokens
            )
            let now = Int(nowSeconds())
            return .json([
                "accessToken": .string(token), "tokenType": "Bearer",
                "expiryTimeUtc": JSON(now + ScoringTokens.lifetime),
                "refreshAfterTimeUtc": JSON(now + ScoringTokens.lifetime - 600),
            ])
        }
    }

    private func registerDeployments(_ routes: inout RouteTable) {
        let core = core
        let service = DeploymentService(core: core)
        let scoped = WorkspaceRoutes(core: core)
        let path = "/onlineEndpoints/{n}/deployments"
        scoped.add(&routes, "GET", path) { call, scope in
            let name = call["n"]
            let deployments = try await core.store.read { t in
                try t.list(.onlineDeployment, parent: try EndpointService.find(t, scope, name).id)
            }
            return Paging.reply(call, deployments, publicURL: core.publicURL)
        }
        scoped.add(&routes, "GET", path + "/{d}") { call, scope in
            .json(try await service.find(scope, call["n"], call["d"]).resource)
        }
        scoped.add(&routes, "PUT", path + "/{d}") { call, scope in
            let result = try await service.put(scope, endpoint: call["n"], name: call["d"], body: try await call.json())
            return .json(
                result.document.resource,
                status: result.isNew ? 201 : 200,
                headers: headers(scope, result.operation)
            )
        }
        scoped.add(&routes, "PATCH", path + "/{d}") { call, scope in
            let result = try await service.patch(
                scope,
                endpoint: call["n"],
                name: call["d"],
                body: try await call.json()
            )
            return .json(result.document.resource, status: 202, headers: headers(scope, result.operation))
        }
        scoped.add(&routes, "DELETE", path + "/{d}") { call, scope in
            guard let operation = try await service.delete(scope, endpoint: call["n"], name: call["d"]) else {
                return .noContent
            }
            return Reply(202, headers: headers(scope, operation))
        }
        scoped.add(&routes, "POST", path + "/{d}/getLogs") { call, scope in
            let body = try await call.json()
            let deployment = try await service.find(scope, call["n"], call["d"])
            let isInitializer = body["containerType"]?.stringValue?.lowercased() == "storageinitializer"
            let text = try await logs(
                deployment,
                body["tail"]?.intValue,
                isInitializer ? "storage-initializer" : "inference-server"
            )
            return .json(["content": .string(text)])
        }
        scoped.add(&routes, "GET", path + "/{d}/skus") { _, _ in
            .list([
                [
                    "resourceType": "Microsoft.MachineLearning.Services/endpoints/deployments",
                    "sku": ["name": "Default"],
                    "capacity": ["minimum": 0, "maximum": 1000, "default": 1, "scaleType": "Manual"],
                ]
            ])
        }
    }
}
