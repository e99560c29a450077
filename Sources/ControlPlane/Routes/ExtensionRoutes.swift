internal import ControlPlaneAPI
internal import KubeCore

/// `Microsoft.KubernetesConfiguration/extensions` on both cluster types.
struct ExtensionRoutes {
    static let provider = "/providers/Microsoft.KubernetesConfiguration"

    let core: Core

    func register(_ routes: inout RouteTable) {
        for (type, cluster) in ClusterRoutes.paths {
            registerResource(&routes, type, cluster + Self.provider + "/extensions")
            registerQuestions(&routes, type, cluster + Self.provider + "/extensions/{e}")
            registerOperations(&routes, type, cluster)
        }
    }

    private func registerResource(_ routes: inout RouteTable, _ type: String, _ list: String) {
        let core = core
        let service = ExtensionService(core: core)
        let tenant = core.connection.tenant
        let one = list + "/{e}"
        routes.get(list) { call in
            try Self.checkVersion(call)
            let parent = try Self.cluster(core, type, call)
            return .list(
                try await core.store.read { t in
                    try t.list(.extension, parent: parent).map {
                        try ExtensionAnswer.resource(t, ExtensionRecord($0), tenant: tenant, now: core.now)
                    }
                }
            )
        }
        routes.get(one) { call in
            try Self.checkVersion(call)
            let id = try Self.id(core, type, call)
            return .json(
                try await core.store.read { t in
                    let record = try ExtensionRecord.require(t, id)
                    return try ExtensionAnswer.resource(t, record, tenant: tenant, now: core.now)
                }
            )
        }
        routes.put(one) { call in
            try Self.checkVersion(call)
            let target = try ClusterRoutes.target(core, type, call)
            let outcome = try await service.put(
                cluster: ClusterRoutes.id(core, target, type),
                type: type,
                target: target,
                name: call["e"],
                body: try await call.json(),
                flags: Self.flags(call)
            )
            return reply(outcome, call, status: outcome.isNew ? 201 : 200)
        }
        routes.patch(one) { call in
            try Self.checkVersion(call)
            let id = try Self.id(core, type, call)
            let outcome = try await service.patch(id: id, body: try await call.json(), flags: Self.flags(call))
            return reply(outcome, call, status: outcome.operation == nil ? 200 : 202)
        }
        routes.delete(one) { call in
            try Self.checkVersion(call)
            let id = try Self.id(core, type, call)
            switch try await service.delete(id: id, flags: Self.flags(call)) {
            case .nothingThere: return .noContent
            case .done: return Reply(200)
            case .started(let operation): return Reply(202, headers: headers(id, operation, call))
            }
        }
        routes.post(one + "/rollback") { call in
            try Self.checkVersion(call)
            let id = try Self.id(core, type, call)
            let outcome = try await service.rollback(
                id: id,
                revision: try Self.revision(try await call.json()),
                flags: Self.flags(call)
            )
            return reply(outcome, call, status: outcome.operation == nil ? 200 : 202)
        }
        routes.get(one + "/revisions") { call in
            let id = try Self.id(core, type, call)
            let record = try await core.store.read { t in try ExtensionRecord.require(t, id) }
            let wish = record.wish
            return .list(record.revisions.reversed().map { $0.resource(isCurrent: $0.wish == wish) })
        }
    }

    private func registerQuestions(_ routes: inout RouteTable, _ type: String, _ one: String) {
        let core = core
        let service = ExtensionService(core: core)
        for word in ["preview", "check", "components", "diagnose"] {
            routes.post(one + "/" + word) { call in
                try Self.checkVersion(call)
                let question = ExtensionQuestion(
                    cluster: try Self.cluster(core, type, call),
                    type: type,
                    name: call["e"],
                    operation: call.query["operation"],
                    body: try await call.json(),
                    flags: Self.flags(call)
                )
                let operation: String
                switch AgentRequest.Kind(rawValue: word) {
                case .preview: operation = try await service.preview(question)
                case .check: operation = try await service.check(question)
                case let kind: operation = try await service.inquire(kind ?? .components, question)
                }
                let id = question.id
                let started: JSON = [
                    "id": .string(Self.operationID(id, operation)), "name": .string(operation),
                    "status": "InProgress", "resourceId": .string(id),
                ]
                return .json(started, status: 202, headers: headers(id, operation, call))
            }
        }
    }

    private func registerOperations(_ routes: inout RouteTable, _ type: String, _ cluster: String) {
        let core = core
        routes.get(cluster + Self.provider + "/extensions/{e}/operations/{o}") { call in
            let id = try Self.id(core, type, call)
            let name = call["o"]
            let operation = try await core.store.read { t in try Operations.require(t, id: name, resource: id) }
            return Operations.reply(operation, id: Self.operationID(id, name))
        }
        routes.get(cluster + Self.provider + "/operations") { call in
            let parent = try Self.cluster(core, type, call)
            let operations = try await core.store.read { t in try Operations.list(t, below: parent + Self.provider) }
            return .list(
                operations.map { operation in
                    let resource = operation.body["resource"]?.stringValue ?? parent
                    var body = Operations.body(operation, id: Self.operationID(resource, operation.name))
                    // Results may be large; each is answered by its own address.
                    body["properties"] = nil
                    return body
                }
            )
        }
    }

    // MARK: Parts

    private func reply(_ outcome: ExtensionService.Outcome, _ call: Call, status: Int) -> Reply {
        .json(
            ExtensionAnswer.resource(outcome.record, tenant: core.connection.tenant),
            status: status,
            headers: outcome.operation.map { headers(outcome.record.document.id, $0, call) } ?? [:]
        )
    }

    private func headers(_ id: String, _ operation: String, _ call: Call) -> [String: String] {
        let version = call.query["api-version"].map { "?api-version=" + percentEncoded($0) } ?? ""
        return Operations.headers(core.publicURL + Self.operationID(id, operation) + version)
    }

    private static func operationID(_ id: String, _ operation: String) -> String { id + "/operations/" + operation }

    private static func cluster(_ core: Core, _ type: String, _ call: Call) throws -> String {
        ClusterRoutes.id(core, try ClusterRoutes.target(core, type, call), type)
    }

    private static func id(_ core: Core, _ type: String, _ call: Call) throws -> String {
        ExtensionService.id(cluster: try cluster(core, type, call), name: call["e"])
    }

    private static func flags(_ call: Call) -> ExtensionFlags {
        ExtensionFlags(
            allowsUnknown: call.query.flag("allowUnknown"),
            isAtomic: call.query.flag("atomic"),
            isForced: call.query.flag("forceDelete"),
            isPurging: call.query.flag("purge"),
            mustBeNew: call.header("If-None-Match") == "*"
        )
    }

    private static func revision(_ body: JSON) throws(ARMError) -> Int? {
        guard let value = body["revision"] ?? body["properties"]?["revision"], !value.isNull else { return nil }
        guard let number = value.intValue ?? value.stringValue.flatMap({ Int($0) }) else {
            throw ARMError.invalid("revision", "revision is \(value.text); send a number of the list of revisions.")
        }
        return number
    }

    /// Any api-version since the first with extensions is answered, in one shape, and so is none.
    ///
    /// - Throws: 400 for what is no api-version, or an older one.
    static func checkVersion(_ call: Call) throws(ARMError) {
        guard let version = call.query["api-version"] else { return }
        let isDate = version.wholeMatch(of: /\d{4}-\d{2}-\d{2}(-[a-z]+)?/) != nil
        guard isDate, version >= "2020-07-01" else {
            throw ARMError(
                400,
                "InvalidApiVersionParameter",
                "The api-version '\(version)' is not supported for Microsoft.KubernetesConfiguration; use one from 2020-07-01-preview on, such as 2023-05-01 or 2025-03-01.",
                target: "api-version"
            )
        }
    }
}
