package import KubeCore
internal import KubeStore

extension Registry {
    @discardableResult
    package func delete(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        options: DeleteOptions
    ) async throws -> KubeObject? {
        let resource = try resource(type)
        return try await remove(resource, try self.namespace(resource, namespace), name, options)
    }

    package func deleteCollection(
        _ type: ResourceType,
        namespace: String?,
        selection: ListOptions,
        options: DeleteOptions
    ) async throws {
        let resource = try resource(type)
        let page = try await page(resource, namespace, selection)
        try await withThrowingTaskGroup(of: Void.self) { group in
            var running = 0
            for object in page.objects {
                // Enough at a time for the writer to commit them together.
                if running >= 64 { try await group.next() } else { running += 1 }
                group.addTask {
                    do {
                        _ = try await self.remove(resource, object.namespace, object.name, options)
                    } catch let error as APIError where error.isNotFound {}
                }
            }
            try await group.waitForAll()
        }
    }

    /// Marks or removes one object: finalizers and grace decide.
    func remove(
        _ resource: Resource,
        _ namespace: String,
        _ name: String,
        _ options: DeleteOptions,
        isHookAsked: Bool = true
    ) async throws -> KubeObject {
        let context = context(resource, dryRun: options.dryRun)
        for _ in 0..<64 {
            let stored = try current(resource, namespace, name)
            let old = resource.conversion.present(stored)
            try Registry.check(options, old, resource.type)
            try resource.strategy.validateDelete(old, context)
            try await admitFinal(nil, old: old, resource, context, isHookAsked: isHookAsked)
            guard let marked = marked(resource, old, options, context) else { return old }
            let ends = Registry.isFinished(marked)
            // What goes at once was never terminating; a pod's last state says that it was killed.
            let object = ends && !old.isTerminating && resource.storage != "pods" ? old : marked
            if options.dryRun { return object }
            let write = StoreWrite(
                resource: resource.storage,
                namespace: namespace,
                name: name,
                precondition: .revision(stored.revision),
                action: ends ? .delete : .put,
                object: resource.conversion.keep(object)
            )
            do throws(StoreError) {
                let result = resource.conversion.present(try await store.commit(write))
                if ends { RequestScope.current?.markDeleted() }
                await resource.strategy.finish(ends ? nil : result, old: old, isCommitted: true, context)
                return result
            } catch {
                switch error {
                case .conflict: continue
                case .missing: throw APIError.notFound(resource.type, name)
                default: throw Registry.apiError(error, resource, name)
                }
            }
        }
        throw APIError.conflict(resource.type, name, Registry.modifiedText)
    }

    private static func check(_ options: DeleteOptions, _ old: KubeObject, _ type: ResourceType) throws(APIError) {
        if let uid = options.preconditionUID, uid != old.uid {
            throw APIError.conflict(
                type,
                old.name,
                "the UID in the precondition (\(uid)) does not match the UID in record (\(old.uid)). "
                    + "The object might have been deleted and then recreated"
            )
        }
        if let version = options.preconditionResourceVersion, version != old.resourceVersion {
            throw APIError.conflict(
                type,
                old.name,
                "the ResourceVersion in the precondition (\(version)) does not match the ResourceVersion in record "
                    + "(\(old.resourceVersion ?? "")). The object might have been modified"
            )
        }
    }

    /// The object as the deletion leaves it; nil when it is being deleted already and nothing changes.
    private func marked(
        _ resource: Resource,
        _ old: KubeObject,
        _ options: DeleteOptions,
        _ context: StrategyContext
    ) -> KubeObject? {
        var object = old
        var finalizers = old.finalizers
        switch options.propagation {
        case .orphan:
            finalizers.removeAll { $0 == "foregroundDeletion" }
            if !finalizers.contains("orphan") { finalizers.append("orphan") }
        case .foreground:
            finalizers.removeAll { $0 == "orphan" }
            if !finalizers.contains("foregroundDeletion") { finalizers.append("foregroundDeletion") }
        case .background: finalizers.removeAll { $0 == "orphan" || $0 == "foregroundDeletion" }
        case nil: break
        }
        object.finalizers = finalizers
        let grace = max(0, resource.strategy.deletionGrace(old, asked: options.gracePeriodSeconds))
        let seconds = configuration.clock()
        if old.isTerminating {
            let present = old["metadata", "deletionGracePeriodSeconds"]?.intValue ?? 0
            let isShorter = grace < present
            if isShorter {
                // The time at which the deletion was asked for stays the start of the grace period.
                let started = (old.deletionTimestamp.flatMap(Timestamp.seconds) ?? seconds) - Double(present)
                object["metadata", "deletionTimestamp"] = .string(Timestamp.text(seconds: started + Double(grace)))
                object["metadata", "deletionGracePeriodSeconds"] = JSON(grace)
            }
            if !isShorter, finalizers == old.finalizers, !Registry.isFinished(object) { return nil }
        } else {
            object["metadata", "deletionTimestamp"] = .string(Timestamp.text(seconds: seconds + Double(grace)))
            object["metadata", "deletionGracePeriodSeconds"] = JSON(grace)
            if resource.strategy.tracksGeneration, old.generation > 0 {
                object["metadata", "generation"] = JSON(old.generation + 1)
            }
            resource.strategy.prepareForDelete(&object, context)
        }
        return object
    }
}
