package import KubeCore
internal import KubeStore

extension Registry {
    package func update(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject {
        let resource = try resource(type)
        let namespace = try self.namespace(resource, namespace ?? object.namespace)
        if subresource == "scale" {
            return try await updateScale(resource, namespace, name, options) { _ in object }
        }
        if let subresource, resource.kind.subresource(subresource) == nil { throw notServed(subresource, resource) }
        var body = try decode(resource, namespace, object, options)
        if body.name.isEmpty { body.name = name }
        guard body.name == name else {
            throw APIError.badRequest(
                "the name of the object (\(body.name)) does not match the name on the URL (\(name))"
            )
        }
        if resource.kind.allowsCreateOnUpdate, subresource == nil,
            store.find(resource.storage, namespace: namespace, name: name) == nil
        {
            body.resourceVersion = nil
            try EscalationGuard.checkCreation(resource, namespace: namespace, name: name)
            return try await insert(resource, namespace, body, options)
        }
        if (body.resourceVersion ?? "").isEmpty, !resource.kind.allowsUnconditionalUpdate {
            throw APIError.invalid(
                resource.type,
                name,
                [
                    FieldError(
                        "metadata.resourceVersion",
                        .invalid,
                        "must be specified for an update",
                        badValue: .int(0)
                    )
                ]
            )
        }
        let decoded = body
        return try await change(resource, namespace, name, subresource, options, isDecoded: true) { _ in decoded }
    }

    /// Reads, changes and writes one object until no other write came between.
    ///
    /// A result without resourceVersion takes whatever is there; one with another than the present fails with 409.
    func change(
        _ resource: Resource,
        _ namespace: String,
        _ name: String,
        _ subresource: String?,
        _ options: WriteOptions,
        isDecoded: Bool = false,
        isApply: Bool = false,
        isPatch: Bool = false,
        isHookAsked: Bool = true,
        transform: (KubeObject) async throws -> KubeObject
    ) async throws -> KubeObject {
        for _ in 0..<64 {
            let stored = try current(resource, namespace, name)
            let old = resource.conversion.present(stored)
            var given = try await transform(old)
            if !isDecoded { given = try decode(resource, namespace, given, options) }
            let context = context(
                resource,
                subresource: subresource,
                dryRun: options.dryRun,
                fieldManager: options.fieldManager,
                isPatch: isPatch || isApply
            )
            if let result = try await replace(
                resource,
                namespace,
                stored,
                old,
                given,
                context,
                options,
                isApply: isApply,
                isHookAsked: isHookAsked
            ) {
                return result
            }
        }
        throw APIError.conflict(resource.type, name, Registry.modifiedText)
    }

    /// One attempt; nil when the object changed meanwhile and the attempt may be repeated.
    private func replace(
        _ resource: Resource,
        _ namespace: String,
        _ stored: StoredObject,
        _ old: KubeObject,
        _ given: KubeObject,
        _ context: StrategyContext,
        _ options: WriteOptions,
        isApply: Bool,
        isHookAsked: Bool
    ) async throws -> KubeObject? {
        let subresource = context.subresource
        let type = resource.type
        let name = old.name
        guard given.name == name else {
            throw APIError.badRequest(
                "the name of the object (\(given.name)) does not match the name on the URL (\(name))"
            )
        }
        let wanted = given.resourceVersion ?? ""
        if !wanted.isEmpty, wanted != stored.resourceVersion {
            throw APIError.conflict(type, name, Registry.modifiedText)
        }
        if !given.uid.isEmpty, given.uid != old.uid {
            throw APIError.conflict(
                type,
                name,
                "Precondition failed: UID in precondition: \(given.uid), UID in object meta: \(old.uid)"
            )
        }
        var object = isolate(resource, given, old: old, subresource)
        object["metadata"] = Registry.metadata(object, old: old)
        object = try await mutated(object, old: old, resource, context, isHookAsked: isHookAsked)
        do {
            try resource.strategy.prepareForUpdate(&object, old: old, context)
            countGeneration(resource, &object, old: old, subresource)
            // A hook is asked about writes that change nothing, too.
            if object == old, !(isHookAsked && hasActiveHook) { return old }
            let errors = errors(resource, object, old: old, context)
            if !errors.isEmpty { throw APIError.invalid(type, name, errors) }
            try await admitFinal(object, old: old, resource, context, isHookAsked: isHookAsked)
            if object == old { return old }
        } catch {
            await resource.strategy.finish(object, old: old, isCommitted: false, context)
            throw error
        }
        if !isApply { object = recorded(resource, live: old, object, options, subresource: subresource) }
        if Registry.differsInTimesOnly(object, old) {
            await resource.strategy.finish(object, old: old, isCommitted: false, context)
            return old
        }
        if options.dryRun {
            await resource.strategy.finish(object, old: old, isCommitted: false, context)
            return object
        }
        return try await write(resource, namespace, stored, old, object, context)
    }

    private func write(
        _ resource: Resource,
        _ namespace: String,
        _ stored: StoredObject,
        _ old: KubeObject,
        _ object: KubeObject,
        _ context: StrategyContext
    ) async throws -> KubeObject? {
        // The last finalizer went: this write ends the object.
        let ends = Registry.isFinished(object)
        let write = StoreWrite(
            resource: resource.storage,
            namespace: namespace,
            name: old.name,
            precondition: .revision(stored.revision),
            action: ends ? .delete : .put,
            object: resource.conversion.keep(object)
        )
        if !ends, write.encoded.isSame(as: stored.encoded) { return old }
        do throws(StoreError) {
            let result = resource.conversion.present(try await store.commit(write))
            await resource.strategy.finish(ends ? nil : result, old: old, isCommitted: true, context)
            return result
        } catch {
            await resource.strategy.finish(object, old: old, isCommitted: false, context)
            switch error {
            case .conflict: return nil
            case .missing: throw APIError.notFound(resource.type, old.name)
            default: throw Registry.apiError(error, resource, old.name)
            }
        }
    }

    /// A write whose only change is when its manager wrote is none.
    private static func differsInTimesOnly(_ object: KubeObject, _ old: KubeObject) -> Bool {
        guard let after = object["metadata", "managedFields"]?.arrayValue,
            let before = old["metadata", "managedFields"]?.arrayValue, after.count == before.count, after != before
        else { return false }
        func timeless(_ entries: [JSON]) -> Set<JSON> {
            Set(
                entries.map { entry in
                    var entry = entry
                    entry["time"] = nil
                    return entry
                }
            )
        }
        guard timeless(after) == timeless(before) else { return false }
        var plain = object
        var other = old
        plain["metadata", "managedFields"] = nil
        other["metadata", "managedFields"] = nil
        return plain == other
    }

    static func isFinished(_ object: KubeObject) -> Bool {
        object.isTerminating && object.finalizers.isEmpty
            && (object["metadata", "deletionGracePeriodSeconds"]?.intValue ?? 0) == 0
            && (object.kind != "Namespace" || (object["spec", "finalizers"]?.arrayValue ?? []).isEmpty)
    }

    /// Metadata of an update: what the server owns stays as it was.
    private static func metadata(_ object: KubeObject, old: KubeObject) -> JSON {
        var metadata = object["metadata"] ?? [:]
        let before = old["metadata"] ?? [:]
        for field in [
            "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "namespace",
            "resourceVersion", "generateName", "selfLink",
        ] {
            metadata[field] = before[field]
        }
        if metadata["managedFields"] == nil {
            metadata["managedFields"] = before["managedFields"]
        } else if let entries = metadata["managedFields"]?.arrayValue, entries.allSatisfy({ $0 == .object([:]) }) {
            // An empty list asks for a fresh start.
            metadata["managedFields"] = nil
        }
        for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
            let isEmpty = metadata[field].map { $0 == .object([:]) || $0 == .array([]) || $0.isNull } ?? false
            if isEmpty, before[field] == nil { metadata[field] = nil }
        }
        return metadata
    }

    /// Keeps the parts that this address does not change.
    private func isolate(
        _ resource: Resource,
        _ given: KubeObject,
        old: KubeObject,
        _ subresource: String?
    ) -> KubeObject {
        var object = given
        guard let subresource else {
            if resource.kind.hasStatus { object["status"] = old["status"] }
            return object
        }
        var result = old
        switch subresource {
        case "status":
            result["status"] = given["status"]
            if !resource.kind.isCustom {
                for field in ["labels", "annotations", "finalizers"] {
                    result["metadata", field] = given["metadata", field]
                }
            }
            result["metadata", "managedFields"] = given["metadata", "managedFields"]
        case "ephemeralcontainers": result["spec", "ephemeralContainers"] = given["spec", "ephemeralContainers"]
        case "resize":
            result["spec"] = given["spec"]
        case "finalize": result["spec", "finalizers"] = given["spec", "finalizers"]
        case "approval":
            result["status", "conditions"] = given["status", "conditions"]
        default: result = given
        }
        return result
    }

    private func countGeneration(
        _ resource: Resource,
        _ object: inout KubeObject,
        old: KubeObject,
        _ subresource: String?
    ) {
        // A binding is no change of the user's intent.
        guard resource.strategy.tracksGeneration, subresource != "binding" else { return }
        if Registry.content(resource, object) != Registry.content(resource, old) {
            object["metadata", "generation"] = JSON(old.generation + 1)
        }
    }

    /// What generation counts: everything but metadata, and status where it is a subresource.
    private static func content(_ resource: Resource, _ object: KubeObject) -> [String: JSON] {
        var members = object.json.objectValue ?? [:]
        members["metadata"] = nil
        members["apiVersion"] = nil
        if resource.kind.hasStatus { members["status"] = nil }
        return members
    }
}
