package import KubeCore
internal import KubeStore

/// One write, or connection, as admission outside of the registry sees it.
package struct AdmissionRequest: Sendable {
    package enum Operation: String, Sendable {
        case create = "CREATE"
        case update = "UPDATE"
        case delete = "DELETE"
        /// A connection to something: `exec`, `attach`, `portforward`, `proxy`.
        case connect = "CONNECT"
    }

    package var operation: Operation
    package var type: ResourceType
    package var namespace: String?
    package var name: String
    package var subresource: String?
    /// nil on delete.
    package var object: KubeObject?
    /// nil on create.
    package var oldObject: KubeObject?
    /// `CreateOptions`, `UpdateOptions` and their like.
    package var options: JSON = .null
    package var user: RequestUser
    package var isDryRun: Bool
    /// The object is of another kind than the resource, such as a Scale.
    package var isForeign = false
    let registry: Registry
}

extension AdmissionRequest {
    /// apiVersion of the object when the resource is looked at as `type`.
    func objectType(as type: ResourceType) -> (group: String, version: String) {
        guard isForeign, let parts = object?.apiVersion.split(separator: "/"), let last = parts.last else {
            return (type.group, type.version)
        }
        return (parts.count > 1 ? String(parts[0]) : "", String(last))
    }

    var objectKind: String { isForeign ? object?.kind ?? type.kind : type.kind }

    /// The object, which is in the version of `self.type`, in that of `other`, another version of the same kind.
    func converted(_ object: KubeObject, to other: ResourceType) -> KubeObject {
        registry.converted(object, from: type, to: other, isForeign: isForeign)
    }
}

/// Admission outside of the registry (webhooks), asked for every write after the built-in admission.
package protocol AdmissionHook: Sendable {
    /// The changed object, or nil to leave it.
    ///
    /// `normalize` fits a changed object to the kind's schema; `repeatBuiltIn` runs the built-in admission on it again.
    func mutate(
        _ request: AdmissionRequest,
        normalize: @Sendable (KubeObject) throws -> KubeObject,
        repeatBuiltIn: @Sendable (KubeObject) async throws -> KubeObject
    ) async throws -> KubeObject?
    /// Throws to refuse; the object is final.
    func validate(_ request: AdmissionRequest) async throws
    /// Whether `mutate` and `validate` have nothing to do for any request now.
    var isIdle: Bool { get }
}

extension AdmissionHook {
    package var isIdle: Bool { false }
}

/// Writes of the server's own upkeep, which no hook may hold up.
enum Upkeep {
    @TaskLocal static var isRunning = false
}

extension Registry {
    /// The hook that is to be asked now; nil when none is, or it has nothing to do.
    private var activeHook: (any AdmissionHook)? {
        guard let hook = admissionHook, !hook.isIdle, !Upkeep.isRunning else { return nil }
        return hook
    }

    var hasActiveHook: Bool { activeHook != nil }

    /// Runs the built-in mutation and the hook's; what a hook changed passes the kind's schema again.
    func mutated(
        _ given: KubeObject,
        old: KubeObject?,
        _ resource: Resource,
        _ context: StrategyContext,
        isHookAsked: Bool = true
    ) async throws -> KubeObject {
        let object = try await builtInMutation(given, old: old, resource, context)
        guard isHookAsked, let hook = activeHook else { return object }
        let kept = object["metadata"] ?? [:]
        var shown = object
        if old == nil {
            for field in Registry.stampedFields { shown["metadata", field] = nil }
            if context.isNameGenerated { shown["metadata", "name"] = nil }
        }
        let request = admissionRequest(shown, old: old, resource, context)
        let changed = try await hook.mutate(request) { changed in
            try self.normalized(changed, resource, context)
        } repeatBuiltIn: { changed in
            try await self.builtInMutation(changed, old: old, resource, context)
        }
        guard var changed else { return object }
        if old == nil {
            // Back comes what the server gives and a hook does not see.
            for field in Registry.stampedFields { changed["metadata", field] = kept[field] }
            if changed.name.isEmpty { changed.name = object.name }
        }
        guard changed.key == object.key else {
            throw APIError.internalError("a mutating admission hook changed the name of \(object.key)")
        }
        return changed
    }

    private static let stampedFields = ["uid", "creationTimestamp", "generation"]

    private func normalized(
        _ object: KubeObject,
        _ resource: Resource,
        _ context: StrategyContext
    ) throws -> KubeObject {
        guard context.subresource == nil || resource.kind.subresource(context.subresource ?? "")?.kind == object.kind
        else { return object }
        return try decode(resource, object.namespace ?? "", object, WriteOptions(fieldValidation: "Ignore"))
    }

    /// Built-in validation and the hook's of what is to be written; `object` is nil on delete.
    func admitFinal(
        _ object: KubeObject?,
        old: KubeObject?,
        _ resource: Resource,
        _ context: StrategyContext,
        isHookAsked: Bool = true
    ) async throws {
        try await builtInValidation(object, old: old, resource, context)
        if isHookAsked, let hook = activeHook {
            let request = admissionRequest(object, old: old, resource, context)
            // A deletion has nothing to change, yet mutating hooks are asked.
            if object == nil { _ = try await hook.mutate(request, normalize: { $0 }, repeatBuiltIn: { $0 }) }
            try await hook.validate(request)
        }
        try await quotaAdmission(object, old: old, resource, context)
    }

    private func admissionRequest(
        _ object: KubeObject?,
        old: KubeObject?,
        _ resource: Resource,
        _ context: StrategyContext
    ) -> AdmissionRequest {
        let operation: AdmissionRequest.Operation = object == nil ? .delete : old == nil ? .create : .update
        let name = (object ?? old)?.name ?? ""
        return AdmissionRequest(
            operation: operation,
            type: resource.type,
            namespace: resource.type == .namespaces ? name : (object ?? old)?.namespace,
            name: name,
            subresource: context.subresource,
            object: object,
            oldObject: old,
            options: Registry.optionsJSON(operation, context),
            user: context.user,
            isDryRun: context.isDryRun,
            registry: self
        )
    }

    private static func optionsJSON(_ operation: AdmissionRequest.Operation, _ context: StrategyContext) -> JSON {
        let kind: String =
            switch operation {
            case .create: "CreateOptions"
            case .update: context.isPatch ? "PatchOptions" : "UpdateOptions"
            case .delete: "DeleteOptions"
            case .connect: "ConnectOptions"
            }
        var options: [String: JSON] = ["apiVersion": "meta.k8s.io/v1", "kind": .string(kind)]
        if context.isDryRun { options["dryRun"] = ["All"] }
        if let manager = context.fieldManager, operation != .delete { options["fieldManager"] = .string(manager) }
        return .object(options)
    }

    /// Asks the hook about a request on a subresource whose body is of a kind of its own; answers the body to go on with.
    func admitForeign(
        _ object: KubeObject,
        old: KubeObject?,
        operation: AdmissionRequest.Operation,
        _ resource: Resource,
        namespace: String,
        name: String,
        _ context: StrategyContext
    ) async throws -> KubeObject {
        guard let hook = activeHook else { return object }
        var request = AdmissionRequest(
            operation: operation,
            type: resource.type,
            namespace: resource.type.isNamespaced ? namespace : nil,
            name: name,
            subresource: context.subresource,
            object: object,
            oldObject: old,
            options: Registry.optionsJSON(operation, context),
            user: context.user,
            isDryRun: context.isDryRun,
            isForeign: true,
            registry: self
        )
        if operation == .connect { request.options = .null }
        let changed = try await hook.mutate(request, normalize: { $0 }, repeatBuiltIn: { $0 }) ?? object
        request.object = changed
        try await hook.validate(request)
        return changed
    }

    /// Asks the hook whether a connection may be made.
    func admitConnection(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String,
        options: JSON,
        user: RequestUser
    ) async throws {
        guard activeHook != nil else { return }
        let resource = try resource(type)
        var context = context(resource, subresource: subresource)
        context.user = user
        _ = try await admitForeign(
            KubeObject(options),
            old: nil,
            operation: .connect,
            resource,
            namespace: namespace ?? "",
            name: name,
            context
        )
    }

    func converted(
        _ object: KubeObject,
        from type: ResourceType,
        to other: ResourceType,
        isForeign: Bool
    ) -> KubeObject {
        guard !isForeign, type != other, let source = table.find(type), let target = table.find(other) else {
            return object
        }
        return target.conversion.present(source.conversion.keep(object))
    }

    /// The other served versions of the same kind.
    func equivalents(of type: ResourceType) -> [ResourceType] {
        guard let resource = table.find(type) else { return [] }
        return table.all.filter { $0.storage == resource.storage && $0.type != type }.map(\.type)
    }
}
