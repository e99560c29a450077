internal import KubeCore
internal import NIOCore
internal import NIOHTTP1

/// Requests to resources: from the address and body to a call of the registry and back.
struct ResourceRoutes: Sendable {
    let registry: Registry
    let reviews: AccessReviews
    let nodes: NodeProxy
    let services: ServiceProxy

    /// One request to a known kind, with what belongs to it.
    struct Call: Sendable {
        var kind: Kind
        var target: RequestTarget
        var request: ServerRequest
        var user: RequestUser

        var type: ResourceType { kind.type }
        var namespace: String? { type.isNamespaced ? target.namespaceOrNil : nil }
    }

    /// nil when no such kind is served.
    func respond(_ request: ServerRequest, _ target: RequestTarget, _ user: RequestUser) async throws -> RequestOutcome?
    {
        guard let kind = registry.kind(group: target.group, version: target.version, plural: target.resource) else {
            return nil
        }
        let call = Call(kind: kind, target: target, request: request, user: user)
        if let outcome = try await nodes.respond(call, registry: registry) { return outcome }
        if let outcome = try await services.respond(call, registry: registry) { return outcome }
        if !target.rest.isEmpty { return nil }
        try checkMethod(call)
        switch target.verb {
        case "get": return .response(try await get(call))
        case "list": return .response(try await list(call))
        case "watch": return try await watch(call)
        case "create": return .response(try await create(call))
        case "update": return .response(try await update(call))
        case "patch": return .response(try await patch(call))
        case "delete": return .response(try await delete(call))
        case "deletecollection": return .response(try await deleteCollection(call))
        default: throw Self.notAllowed
        }
    }

    static let notAllowed = APIError(
        code: 405,
        reason: .methodNotAllowed,
        message: "the server does not allow this method on the requested resource"
    )

    /// Refuses what the kind does not offer, before a body is looked at.
    private func checkMethod(_ call: Call) throws {
        if let name = call.target.subresourceOrNil {
            // The registry knows which subresources exist; here only their verbs are compared.
            guard let subresource = call.kind.subresource(name) else { throw Registry.notServed }
            guard subresource.verbs.contains(call.target.verb) else { throw Self.notAllowed }
            return
        }
        let verb = call.target.verb
        guard call.kind.verbs.contains(verb) || (verb == "deletecollection" && call.kind.verbs.contains("delete"))
        else {
            throw Self.notAllowed
        }
        let isCollection = call.target.pathName == nil
        if call.request.method == .POST, !isCollection { throw Self.notAllowed }
        if isCollection, call.request.method == .PUT || call.request.method == .PATCH { throw Self.notAllowed }
    }

    // MARK: Reading

    private func get(_ call: Call) async throws -> ServerResponse {
        let presentation = try Presentation(kind: call.kind, request: call.request)
        let subresource = call.target.subresourceOrNil
        if presentation.isPlainJSON, subresource == nil || subresource == "status", call.request.query["pretty"] == nil
        {
            let bytes = try registry.getBytes(call.type, namespace: call.namespace, name: call.target.name)
            return ServerResponse(contentType: "application/json", body: bytes)
        }
        let object = try await registry.get(
            call.type,
            namespace: call.namespace,
            name: call.target.name,
            subresource: subresource
        )
        return answer(presentation.object(object, isSubresource: subresource != nil), presentation, call)
    }

    private func list(_ call: Call) async throws -> ServerResponse {
        let presentation = try Presentation(kind: call.kind, request: call.request)
        let options = try RequestOptions.list(call.request.query)
        let scope = RequestScope(user: call.user)
        do {
            return try await RequestScope.$current.withValue(scope) {
                try await list(call, presentation, options)
            }
        } catch let error as APIError where error.isExpired {
            guard let token = scope.inconsistentContinueToken else { throw error }
            var status = error.status
            status["metadata"] = ["continue": .string(token)]
            return ServerResponse(
                status: HTTPResponseStatus(statusCode: error.code),
                contentType: presentation.choice.format.contentType,
                body: presentation.choice.format.encode(status)
            )
        }
    }

    private func list(
        _ call: Call,
        _ presentation: Presentation,
        _ options: ListOptions
    ) async throws -> ServerResponse {
        if presentation.choice.shape == .object {
            let list = try await registry.listBytes(call.type, namespace: call.namespace, options: options)
            if presentation.choice.format == .json {
                return ServerResponse(contentType: "application/json", body: list.bytes)
            }
            let json = (try? JSON(parsing: list.bytes)) ?? .null
            return ServerResponse(contentType: presentation.contentType, body: presentation.choice.format.encode(json))
        }
        let list = try await registry.list(call.type, namespace: call.namespace, options: options)
        return answer(presentation.list(list), presentation, call)
    }

    /// Encodes an answer; `pretty` is a courtesy to people with curl.
    func answer(
        _ json: JSON,
        _ presentation: Presentation,
        _ call: Call,
        status: HTTPResponseStatus = .ok
    ) -> ServerResponse {
        let isPretty = presentation.choice.format == .json && call.request.query.flag("pretty") ?? false
        let body = isPretty ? Array((json.prettyText + "\n").utf8) : presentation.choice.format.encode(json)
        return ServerResponse(status: status, contentType: presentation.contentType, body: body)
    }

    // MARK: Writing

    /// Decodes the body in the kind that the address expects.
    private func body(_ call: Call) throws -> RequestBody {
        let expected = bodyType(call)
        let request = call.request
        return try RequestBody.decode(
            request.body,
            contentType: request.headers.first(name: "Content-Type"),
            what: call.target.resource
        ) { apiVersion, kind in
            if call.target.subresource.isEmpty, apiVersion == call.type.apiVersion, kind == call.type.kind {
                return call.kind.schema
            }
            return BuiltInKinds.schema(apiVersion: apiVersion, kind: kind)
                ?? (apiVersion == expected.apiVersion && kind == expected.kind ? call.kind.schema : nil)
        }
    }

    /// apiVersion and kind of the body.
    private func bodyType(_ call: Call) -> (apiVersion: String, kind: String) {
        guard let name = call.target.subresourceOrNil, let subresource = call.kind.subresource(name) else {
            return (call.type.apiVersion, call.type.kind)
        }
        if subresource.version.isEmpty { return (call.type.apiVersion, subresource.kind) }
        let group = subresource.group
        return (group.isEmpty ? subresource.version : group + "/" + subresource.version, subresource.kind)
    }

    /// Fills in apiVersion and kind, which clients leave out where the address says them.
    private func object(_ body: RequestBody, _ call: Call) throws -> KubeObject {
        guard case .object = body.json else {
            throw APIError.badRequest("the body of the request must be an object, not \(body.json.text.prefix(60))")
        }
        var object = KubeObject(body.json)
        let expected = bodyType(call)
        if object.apiVersion.isEmpty { object["apiVersion"] = .string(expected.apiVersion) }
        if object.kind.isEmpty { object["kind"] = .string(expected.kind) }
        return object
    }

    /// Runs a write inside the scope that admission and warnings need.
    private func scoped<T: Sendable>(
        _ call: Call,
        duplicates: [String],
        _ body: @Sendable () async throws -> T
    ) async throws -> (T, RequestScope) {
        let scope = RequestScope(user: call.user, duplicateFields: duplicates)
        let result = try await RequestScope.$current.withValue(scope) {
            try await EscalationGuard.$current.withValue(EscalationGuard(authorizer: reviews.authorizer)) {
                try await body()
            }
        }
        return (result, scope)
    }

    private func create(_ call: Call) async throws -> ServerResponse {
        let presentation = try Presentation(kind: call.kind, request: call.request)
        let options = try RequestOptions.write(call.request.query, headers: call.request.headers, kind: "CreateOptions")
        let body = try body(call)
        let object = try object(body, call)
        if !call.kind.isStored, call.target.subresource.isEmpty,
            let answer = try await reviews.answer(
                kind: call.type.kind,
                namespace: call.namespace,
                body: object,
                user: call.user
            )
        {
            return self.answer(answer.json, presentation, call, status: .created)
        }
        let (made, scope) = try await scoped(call, duplicates: body.duplicates) {
            try await registry.create(
                call.type,
                namespace: call.namespace,
                name: call.target.pathName,
                subresource: call.target.subresourceOrNil,
                object: object,
                options: options
            )
        }
        return written(made, scope, presentation, call, status: .created)
    }

    private func update(_ call: Call) async throws -> ServerResponse {
        let presentation = try Presentation(kind: call.kind, request: call.request)
        let options = try RequestOptions.write(call.request.query, headers: call.request.headers, kind: "UpdateOptions")
        let body = try body(call)
        let object = try object(body, call)
        let (made, scope) = try await scoped(call, duplicates: body.duplicates) {
            try await registry.update(
                call.type,
                namespace: call.namespace,
                name: call.target.name,
                subresource: call.target.subresourceOrNil,
                object: object,
                options: options
            )
        }
        return written(made, scope, presentation, call, status: scope.isCreated ? .created : .ok)
    }

    private func patch(_ call: Call) async throws -> ServerResponse {
        let contentType = RequestBody.mediaType(call.request.headers.first(name: "Content-Type"))
        let kinds = [
            "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
            "application/apply-patch+yaml",
        ]
        guard kinds.contains(contentType) else {
            return .text("415: Unsupported Media Type", status: .unsupportedMediaType)
        }
        let presentation = try Presentation(kind: call.kind, request: call.request)
        let isApply = contentType == "application/apply-patch+yaml"
        let options = try RequestOptions.write(
            call.request.query,
            headers: call.request.headers,
            kind: "PatchOptions",
            isApply: isApply
        )
        let body = try RequestBody.yamlOrJSON(call.request.body, isYAML: isApply)
        let patch: Patch =
            switch contentType {
            case "application/json-patch+json": .json(body.json)
            case "application/merge-patch+json": .merge(body.json)
            case "application/strategic-merge-patch+json": .strategic(body.json)
            default: .apply(body.json)
            }
        let (made, scope) = try await scoped(call, duplicates: body.duplicates) {
            try await registry.patch(
                call.type,
                namespace: call.namespace,
                name: call.target.name,
                subresource: call.target.subresourceOrNil,
                patch: patch,
                options: options
            )
        }
        return written(made, scope, presentation, call, status: scope.isCreated ? .created : .ok)
    }

    private func written(
        _ object: KubeObject,
        _ scope: RequestScope,
        _ presentation: Presentation,
        _ call: Call,
        status: HTTPResponseStatus
    ) -> ServerResponse {
        let json = presentation.object(object, isSubresource: !call.target.subresource.isEmpty)
        var response = answer(json, presentation, call, status: status)
        response.addWarnings(scope.warnings)
        return response
    }

    // MARK: Deleting

    private func deleteOptions(_ call: Call) throws -> DeleteOptions {
        guard !call.request.body.isEmpty else { return try RequestOptions.delete(call.request.query, body: nil) }
        let body = try RequestBody.decode(
            call.request.body,
            contentType: call.request.headers.first(name: "Content-Type"),
            what: "DeleteOptions"
        ) { _, kind in
            kind == "DeleteOptions" ? BuiltInKinds.schema(apiVersion: "v1", kind: kind) : nil
        }
        return try RequestOptions.delete(call.request.query, body: body.json)
    }

    private func delete(_ call: Call) async throws -> ServerResponse {
        let presentation = try Presentation(kind: call.kind, request: call.request)
        let options = try deleteOptions(call)
        let (removed, scope) = try await scoped(call, duplicates: []) {
            try await registry.delete(call.type, namespace: call.namespace, name: call.target.name, options: options)
        }
        if let removed, !scope.isDeleted || Self.answersObject.contains(call.type.groupResource) {
            return written(removed, scope, presentation, call, status: .ok)
        }
        var details: [String: JSON] = ["name": .string(call.target.name), "kind": .string(call.type.plural)]
        if !call.type.group.isEmpty { details["group"] = .string(call.type.group) }
        if let removed { details["uid"] = .string(removed.uid) }
        let status: JSON = [
            "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Success", "details": .object(details),
        ]
        var response = ServerResponse.json(status)
        response.addWarnings(scope.warnings)
        return response
    }

    /// Kinds whose deletion answers the deleted object instead of a Status.
    private static let answersObject: Set<String> = [
        "pods", "services", "serviceaccounts", "podtemplates", "resourcequotas", "persistentvolumes",
        "persistentvolumeclaims",
    ]

    private func deleteCollection(_ call: Call) async throws -> ServerResponse {
        let options = try deleteOptions(call)
        let selection = try RequestOptions.list(call.request.query)
        let before = try await registry.list(call.type, namespace: call.namespace, options: selection)
        _ = try await scoped(call, duplicates: []) {
            try await registry.deleteCollection(
                call.type,
                namespace: call.namespace,
                selection: selection,
                options: options
            )
        }
        let list: JSON = [
            "apiVersion": .string(call.type.apiVersion), "kind": .string(call.kind.listKind),
            "metadata": ["resourceVersion": .string(before.resourceVersion)], "items": .array(before.items.map(\.json)),
        ]
        return .json(list)
    }
}

extension RequestBody {
    static func yamlOrJSON(_ bytes: [UInt8], isYAML: Bool) throws(APIError) -> RequestBody {
        if isYAML { return try yaml(bytes) }
        return try decode(bytes, contentType: nil, what: "patch") { _, _ in nil }
    }
}
