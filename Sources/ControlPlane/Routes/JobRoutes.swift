internal import ControlPlaneAPI
internal import KubeCore

/// `{ws}/jobs`.
struct JobRoutes {
    let core: Core

    func register(_ routes: inout RouteTable) {
        let core = core
        let service = JobService(core: core)
        let scoped = WorkspaceRoutes(core: core)
        scoped.add(&routes, "GET", "/jobs") { call, scope in
            var jobs = try await core.store.read { t in try t.list(.job, parent: scope.id, newestFirst: true) }
            jobs = Paging.visible(jobs, call)
            if let type = call.query["jobType"] {
                jobs = jobs.filter { $0[property: "jobType"]?.stringValue?.lowercased() == type.lowercased() }
            }
            if let tag = call.query["tag"] { jobs = jobs.filter { $0[property: "tags", tag] != nil } }
            let skip = max(0, Int(call.query["$skip"] ?? "") ?? 0)
            let page = jobs.dropFirst(skip).prefix(min(max(1, call.count("$top") ?? 200), 1000))
            let items = page.map(service.resource)
            guard call.query["$top"] == nil, skip + page.count < jobs.count else { return .list(items) }
            return .list(
                items,
                next: core.publicURL + call.path
                    + "?%24skip=\(skip + page.count)&listViewType=\(call.query["listViewType"] ?? "ActiveOnly")"
            )
        }
        scoped.add(&routes, "GET", "/jobs/{n}") { call, scope in
            .json(service.resource(try await service.find(scope, call["n"])))
        }
        scoped.add(&routes, "PUT", "/jobs/{n}") { call, scope in
            let result = try await service.put(scope, name: call["n"], body: try await call.json(), caller: call.caller)
            return .json(service.resource(result.document), status: result.isNew ? 201 : 200)
        }
        scoped.add(&routes, "POST", "/jobs/{n}/cancel") { call, scope in
            _ = try await service.cancel(scope, call["n"])
            return .json([:])
        }
        scoped.add(&routes, "DELETE", "/jobs/{n}") { call, scope in
            try await service.delete(scope, call["n"]) ? Reply(200) : .noContent
        }
    }
}
