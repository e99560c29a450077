internal import ControlPlaneAPI
internal import KubeCore

/// `Microsoft.KubernetesConfiguration/extensions` on both cluster types.
struct ExtensionRoutes {
    let core: Core

    func register(_ routes: inout RouteTable) {
        let core = core
        let service = ExtensionService(core: core)
        for (type, cluster) in ClusterRoutes.paths {
            let list = cluster + "/providers/Microsoft.KubernetesConfiguration/extensions"
            let one = list + "/{e}"
            routes.get(list) { call in
                let target = try ClusterRoutes.target(core, type, call)
                let parent = ClusterRoutes.id(core, target, type)
                let documents = try await core.store.read { t in try t.list(.extension, parent: parent) }
                return .list(documents.map(ExtensionService.resource))
            }
            routes.get(one) { call in
                .json(ExtensionService.resource(try await find(call, type)))
            }
            routes.put(one) { call in
                let target = try ClusterRoutes.target(core, type, call)
                let result = try await service.put(
                    cluster: ClusterRoutes.id(core, target, type),
                    type: type,
                    target: target,
                    name: call["e"],
                    body: try await call.json()
                )
                return .json(
                    ExtensionService.resource(result.document),
                    status: result.isNew ? 201 : 200,
                    headers: headers(result.document, result.operation)
                )
            }
            routes.patch(one) { call in
                let id = try ExtensionRoutes.id(core, call, type)
                let result = try await service.patch(id: id, body: try await call.json())
                return .json(
                    ExtensionService.resource(result.document),
                    status: 202,
                    headers: headers(result.document, result.operation)
                )
            }
            routes.delete(one) { call in
                let id = try ExtensionRoutes.id(core, call, type)
                guard let operation = try await service.delete(id: id, force: call.query.flag("forceDelete")) else {
                    return .noContent
                }
                return Reply(202, headers: Operations.headers(core.publicURL + id + "/operations/" + operation))
            }
            routes.get(one + "/operations/{o}") { call in
                let operation = try await core.store.read { t in
                    try t.require(Operations.key(call["o"]), "Operation")
                }
                return Operations.reply(operation, id: call.path)
            }
        }
    }

    private func headers(_ document: Document, _ operation: String) -> [String: String] {
        Operations.headers(core.publicURL + document.id + "/operations/" + operation)
    }

    private static func id(_ core: Core, _ call: Call, _ type: String) throws -> String {
        let target = try ClusterRoutes.target(core, type, call)
        return ExtensionService.id(cluster: ClusterRoutes.id(core, target, type), name: call["e"])
    }

    private func find(_ call: Call, _ type: String) async throws -> Document {
        let id = try ExtensionRoutes.id(core, call, type)
        return try await core.store.read { t in
            guard let document = try t.find(id) else {
                throw ARMError(
                    404,
                    "ExtensionNotFound",
                    "Extension '\(call["e"])' was not found on cluster '\(call["c"])'. List the extensions to see the names."
                )
            }
            return document
        }
    }
}
