internal import Foundation
package import KubeCore
internal import KubeStore

extension Registry {
    package func create(
        _ type: ResourceType,
        namespace: String?,
        name: String?,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject {
        let resource = try resource(type)
        let namespace = try self.namespace(resource, namespace ?? object.namespace)
        if let subresource, let name {
            return try await createSubresource(resource, namespace, name, subresource, object, options)
        }
        if type == .bindings {
            return try await bind(namespace, object.name, object, options)
        }
        guard resource.kind.isStored else {
            throw APIError(
                code: 405,
                reason: .methodNotAllowed,
                message: "\(type.kind) is a request that this address does not answer"
            )
        }
        return try await insert(resource, namespace, try decode(resource, namespace, object, options), options)
    }

    /// Makes a decoded object: server-owned metadata, admission, validation, write.
    func insert(
        _ resource: Resource,
        _ namespace: String,
        _ decoded: KubeObject,
        _ options: WriteOptions,
        apply: Bool = false
    ) async throws -> KubeObject {
        guard (decoded.resourceVersion ?? "").isEmpty else {
            throw APIError.badRequest("resourceVersion should not be set on objects to be created")
        }
        guard !resource.isTerminating else {
            throw APIError(
                code: 405,
                reason: .methodNotAllowed,
                message: "create not allowed while custom resource definition is terminating"
            )
        }
        var context = context(resource, dryRun: options.dryRun, fieldManager: options.fieldManager, isPatch: apply)
        let prefix = decoded["metadata", "generateName"]?.stringValue ?? ""
        let isGenerated = decoded.name.isEmpty && !prefix.isEmpty
        context.isNameGenerated = isGenerated
        // A generated name that is taken is generated again.
        for attempt in 0..<8 {
            var object = stamped(decoded, resource)
            if isGenerated { object.name = Registry.generatedName(prefix) }
            do {
                let made = try await insertOnce(resource, namespace, object, options, context, apply: apply)
                RequestScope.current?.markCreated()
                return made
            } catch let error as APIError where error.isAlreadyExists && isGenerated && attempt < 7 {
                continue
            } catch var error as APIError where isGenerated && error.reason == .forbidden {
                // Refused before it has a name: the same attempt gets the same words each time.
                error.message = error.message.replacing("\"\(object.name)\"", with: "\"\(prefix)\"")
                error.name = prefix
                throw error
            }
        }
        throw APIError.alreadyExists(resource.type, prefix)
    }

    private func stamped(_ decoded: KubeObject, _ resource: Resource) -> KubeObject {
        var object = decoded
        var metadata = object["metadata"] ?? [:]
        for field in ["resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"] {
            metadata[field] = nil
        }
        metadata["uid"] = .string(UUID().uuidString.lowercased())
        metadata["creationTimestamp"] = .string(now)
        if resource.strategy.tracksGeneration { metadata["generation"] = 1 }
        object["metadata"] = metadata
        return object
    }

    private func insertOnce(
        _ resource: Resource,
        _ namespace: String,
        _ given: KubeObject,
        _ options: WriteOptions,
        _ context: StrategyContext,
        apply: Bool
    ) async throws -> KubeObject {
        var object = resource.strategy.keepsStatusOnCreate ? given : withoutStatus(resource, given)
        let strategy = resource.strategy
        try requireNamespace(resource, namespace, object.name)
        let name = object.name
        defer { quotas.release(storage: resource.storage, namespace: namespace, name: name) }
        object = try await mutated(object, old: nil, resource, context)
        do {
            try strategy.prepareForCreate(&object, context)
            if !resource.kind.isCustom, resource.kind.hasStatus, object["status"] == nil {
                object["status"] = Registry.emptyStatus[resource.storage] ?? [:]
            }
            let errors = errors(resource, object, old: nil, context)
            if !errors.isEmpty { throw APIError.invalid(resource.type, object.name, errors) }
            try await admitFinal(object, old: nil, resource, context)
            if !apply { object = recorded(resource, live: nil, object, options, subresource: nil) }
            if options.dryRun {
                if store.find(resource.storage, namespace: namespace, name: object.name) != nil {
                    throw APIError.alreadyExists(resource.type, object.name)
                }
                await strategy.finish(object, old: nil, isCommitted: false, context)
                return object
            }
            let write = StoreWrite(
                resource: resource.storage,
                namespace: namespace,
                name: object.name,
                precondition: .absent,
                action: .put,
                object: resource.conversion.keep(object)
            )
            let stored: StoredObject
            do throws(StoreError) {
                stored = try await store.commit(write)
            } catch {
                throw Registry.apiError(error, resource, object.name)
            }
            let result = resource.conversion.present(stored)
            await strategy.finish(result, old: nil, isCommitted: true, context)
            return result
        } catch {
            await strategy.finish(object, old: nil, isCommitted: false, context)
            throw error
        }
    }

    /// Field ownership after a write that is no apply.
    ///
    /// Callers that name no manager own nothing.
    func recorded(
        _ resource: Resource,
        live: KubeObject?,
        _ object: KubeObject,
        _ options: WriteOptions,
        subresource: String?
    ) -> KubeObject {
        guard let manager = options.fieldManager, !manager.isEmpty else { return object }
        return ManagedFields.update(
            live: live,
            updated: object,
            manager: manager,
            subresource: subresource,
            apiVersion: resource.type.apiVersion,
            now: now,
            schema: resource.kind.schema
        )
    }

    /// - Throws: 404 when the namespace is not there, 403 when it is being deleted.
    private func requireNamespace(_ resource: Resource, _ namespace: String, _ name: String) throws(APIError) {
        guard resource.type.isNamespaced else { return }
        guard let found = store.find("namespaces", namespace: "", name: namespace) else {
            throw APIError.notFound(.namespaces, namespace)
        }
        guard found.isTerminating else { return }
        var error = APIError.forbidden(
            resource.type,
            name,
            "unable to create new content in namespace \(namespace) because it is being terminated"
        )
        error.causes = [
            APIError.Cause(
                reason: "NamespaceTerminating",
                message: "namespace \(namespace) is being terminated",
                field: "metadata.namespace"
            )
        ]
        throw error
    }

    static func generatedName(_ prefix: String) -> String {
        let alphabet = Array("bcdfghjklmnpqrstvwxz2456789")
        let base = prefix.utf8.count > 58 ? String(prefix.prefix(58)) : prefix
        return base + String((0..<5).map { _ in alphabet[Int.random(in: 0..<alphabet.count)] })
    }
}

extension APIError {
    static func forbidden(_ type: ResourceType, _ name: String, _ detail: String) -> APIError {
        APIError(
            code: 403,
            reason: .forbidden,
            message: "\(type.groupResource) \"\(name)\" is forbidden: \(detail)",
            name: name,
            group: type.group,
            kind: type.plural
        )
    }
}
