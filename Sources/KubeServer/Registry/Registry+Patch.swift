package import KubeCore
internal import KubeStore

extension Registry {
    package func patch(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?,
        patch: Patch,
        options: WriteOptions
    ) async throws -> KubeObject {
        let resource = try resource(type)
        let namespace = try self.namespace(resource, namespace)
        if case .apply(let json) = patch {
            return try await apply(resource, namespace, name, subresource, KubeObject(json), options)
        }
        if options.force {
            throw Registry.invalidPatchOptions([
                FieldError("force", .forbidden, "may not be specified for non-apply patch")
            ])
        }
        if case .strategic = patch, resource.kind.isCustom {
            throw APIError(
                code: 415,
                reason: .unsupportedMediaType,
                message: "the body of the request was in an unknown format - accepted media types include: "
                    + "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
            )
        }
        if subresource == "scale" {
            return try await updateScale(resource, namespace, name, options) { scale in
                try Registry.applied(patch, to: scale, schema: nil)
            }
        }
        if let subresource, resource.kind.subresource(subresource) == nil { throw notServed(subresource, resource) }
        return try await change(resource, namespace, name, subresource, options, isPatch: true) { current in
            try Registry.applied(patch, to: current, schema: resource.kind.schema)
        }
    }

    private static func applied(_ patch: Patch, to object: KubeObject, schema: Schema?) throws -> KubeObject {
        switch patch {
        case .json(let operations): return KubeObject(try JSONPatch.apply(operations, to: object.json))
        case .merge(let json):
            guard case .object = json else { throw APIError.badRequest("a merge patch must be an object") }
            return KubeObject(JSONPatch.merge(json, into: object.json))
        case .strategic(let json):
            guard case .object = json else { throw APIError.badRequest("a strategic merge patch must be an object") }
            guard let schema else { return KubeObject(JSONPatch.merge(json, into: object.json)) }
            return KubeObject(try schema.strategicMerge(object.json, patch: json))
        case .apply: throw APIError.badRequest("apply is no patch of an existing object")
        }
    }

    /// Server-side apply: makes the object or merges the manager's fields into it.
    private func apply(
        _ resource: Resource,
        _ namespace: String,
        _ name: String,
        _ subresource: String?,
        _ body: KubeObject,
        _ options: WriteOptions
    ) async throws -> KubeObject {
        guard let manager = options.fieldManager, !manager.isEmpty else {
            throw Registry.invalidPatchOptions([
                FieldError("fieldManager", .required, "is required for apply patch")
            ])
        }
        guard body["metadata", "managedFields"] == nil else {
            throw APIError.badRequest("metadata.managedFields must be nil")
        }
        if let subresource, resource.kind.subresource(subresource) == nil { throw notServed(subresource, resource) }
        var applied = body
        if applied.name.isEmpty { applied.name = name }
        guard applied.name == name else {
            throw APIError.badRequest(
                "the name of the object (\(applied.name)) does not match the name on the URL (\(name))"
            )
        }
        if subresource == "scale" {
            return try await updateScale(resource, namespace, name, options) { scale in
                KubeObject(JSONPatch.merge(applied.json, into: scale.json))
            }
        }
        try validateApplied(resource, namespace, &applied, options)
        let request = applied
        for _ in 0..<8 {
            if store.find(resource.storage, namespace: namespace, name: name) == nil {
                guard subresource == nil else { throw APIError.notFound(resource.type, name) }
                guard request.uid.isEmpty else {
                    throw APIError.conflict(
                        resource.type,
                        name,
                        "uid mismatch: the provided object specified uid \(request.uid), and no existing object was found"
                    )
                }
                do {
                    return try await applyNew(resource, namespace, request, manager, options)
                } catch let error as APIError where error.isAlreadyExists {
                    continue
                }
            }
            do {
                return try await change(resource, namespace, name, subresource, options, isApply: true) { live in
                    var merged = try ManagedFields.apply(
                        live: live,
                        applied: request,
                        manager: manager,
                        force: options.force,
                        subresource: subresource,
                        apiVersion: resource.type.apiVersion,
                        now: self.now,
                        schema: resource.kind.schema
                    )
                    if request.resourceVersion == nil { merged.resourceVersion = nil }
                    return merged
                }
            } catch let error as APIError where error.isNotFound {
                continue
            }
        }
        throw APIError.conflict(resource.type, name, Registry.modifiedText)
    }

    private func applyNew(
        _ resource: Resource,
        _ namespace: String,
        _ applied: KubeObject,
        _ manager: String,
        _ options: WriteOptions
    ) async throws -> KubeObject {
        let merged = try ManagedFields.apply(
            live: nil,
            applied: applied,
            manager: manager,
            force: options.force,
            subresource: nil,
            apiVersion: resource.type.apiVersion,
            now: now,
            schema: resource.kind.schema
        )
        var decoded = try decode(resource, namespace, merged, options)
        decoded.resourceVersion = nil
        try EscalationGuard.checkCreation(resource, namespace: namespace, name: applied.name)
        return try await insert(resource, namespace, decoded, options, apply: true)
    }

    /// Checks the applied fields alone: defaults must not become the manager's.
    private func validateApplied(
        _ resource: Resource,
        _ namespace: String,
        _ applied: inout KubeObject,
        _ options: WriteOptions
    ) throws(APIError) {
        guard !applied.apiVersion.isEmpty, !applied.kind.isEmpty else {
            throw APIError.badRequest("apiVersion and kind must be set in an applied object")
        }
        _ = try decode(resource, namespace, applied, options)
        resource.kind.schema.prune(&applied.json)
        if resource.type.isNamespaced { applied.namespace = namespace }
    }

    private static func invalidPatchOptions(_ errors: [FieldError]) -> APIError {
        let type = ResourceType(group: "meta.k8s.io", version: "v1", plural: "patchoptions", kind: "PatchOptions")
        return APIError.invalid(type, "", errors)
    }
}
