package import KubeCore

/// One write as admission outside of the registry sees it.
package struct AdmissionRequest: Sendable {
    package enum Operation: String, Sendable {
        case create = "CREATE"
        case update = "UPDATE"
        case delete = "DELETE"
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
    package var user: RequestUser
    package var isDryRun: Bool
}

/// Admission outside of the registry (webhooks, policies), asked for every write after the built-in admission.
package protocol AdmissionHook: Sendable {
    /// The changed object, or nil to leave it. Not asked on delete.
    func mutate(_ request: AdmissionRequest) async throws -> KubeObject?
    /// Throws to refuse; the object is final.
    func validate(_ request: AdmissionRequest) async throws
}

extension Registry {
    /// Runs the hook's mutation; the result passes the kind's schema again.
    func mutated(
        _ object: KubeObject,
        old: KubeObject?,
        _ resource: Resource,
        _ context: StrategyContext
    ) async throws -> KubeObject {
        guard let hook = admissionHook else { return object }
        let request = admissionRequest(object, old: old, resource, context)
        guard let changed = try await hook.mutate(request), changed != object else { return object }
        guard changed.key == object.key else {
            throw APIError.internalError("a mutating admission hook changed the name of \(object.key)")
        }
        return try decode(resource, object.namespace ?? "", changed, WriteOptions(fieldValidation: "Ignore"))
    }

    func admitFinal(
        _ object: KubeObject?,
        old: KubeObject?,
        _ resource: Resource,
        _ context: StrategyContext
    ) async throws {
        guard let hook = admissionHook else { return }
        try await hook.validate(admissionRequest(object, old: old, resource, context))
    }

    private func admissionRequest(
        _ object: KubeObject?,
        old: KubeObject?,
        _ resource: Resource,
        _ context: StrategyContext
    ) -> AdmissionRequest {
        let operation: AdmissionRequest.Operation = object == nil ? .delete : old == nil ? .create : .update
        return AdmissionRequest(
            operation: operation,
            type: resource.type,
            namespace: (object ?? old)?.namespace,
            name: (object ?? old)?.name ?? "",
            subresource: context.subresource,
            object: object,
            oldObject: old,
            user: context.user,
            isDryRun: context.isDryRun
        )
    }
}
