internal import Foundation
internal import KubeCore
internal import KubeRuntime
internal import MLTypes

/// One pass over one `OnlineDeployment`.
struct OnlineDeploymentReconciler: Sendable {
    static let podsByDeployment = "deployment"

    let api: any ResourceAPI
    let configuration: InferenceOperatorConfiguration
    let endpoints: Informer
    let models: Informer
    let instanceTypes: Informer
    let workloads: Informer
    let services: Informer
    let pods: Informer
    let events: EventRecorder

    /// The `OnlineDeployment` whose labels this child carries.
    static func owner(of child: KubeObject) -> ObjectKey {
        let endpoint = child.labels[MLLabels.endpoint] ?? ""
        let deployment = child.labels[MLLabels.deployment] ?? ""
        return ObjectKey(
            namespace: child.namespace,
            name: OnlineDeploymentSpec.objectName(endpoint: endpoint, deployment: deployment)
        )
    }

    static func indexValue(_ child: KubeObject) -> String { "\(owner(of: child))" }

    func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        // Children carry an owner reference, so a deleted deployment needs no work here.
        guard let object = models.get(key) else { return .settled }
        let present: OnlineDeploymentStatus? = try object["status"]?.decode()
        if object.isTerminating {
            try await write(OnlineDeploymentStatus(provisioningState: "Deleting"), on: object, present: present)
            return .settled
        }
        let spec: OnlineDeploymentSpec
        do {
            spec = try (object["spec"] ?? .null).decode()
        } catch {
            return try await fail(object, present, InferenceReason.invalidSpec, "spec cannot be read: \(error)")
        }
        guard let endpoint = endpoints.get(ObjectKey(namespace: key.namespace, name: spec.endpointName)) else {
            return try await waitForEndpoint(object, present, spec)
        }
        try await adopt(object, by: endpoint)

        let plan: OnlineDeploymentPlan
        do {
            let instanceType = try InstanceTypeSpec.resolve(spec.instanceType, among: instanceTypes.list())
            let problems = DeploymentValidation.problems(spec, name: object.name, instanceType: instanceType)
            guard problems.isEmpty else {
                return try await fail(object, present, InferenceReason.invalidSpec, problems.joined(separator: "; "))
            }
            plan = try OnlineDeploymentPlan(
                object: object,
                spec: spec,
                compute: endpoint["spec", "compute"]?.stringValue,
                instanceType: instanceType,
                configuration: configuration
            )
            if !plan.isApplied(to: workloads.get(key), service: services.get(key)) {
                let manager = OnlineDeploymentPlan.fieldManager
                try await api.apply(.configMaps, plan.configMap, fieldManager: manager)
                try await api.apply(.services, plan.service, fieldManager: manager)
                try await api.apply(.deployments, plan.deployment, fieldManager: manager)
            }
        } catch let error as InstanceTypeError {
            return try await fail(object, present, InferenceReason.invalidSpec, error.description)
        } catch let error as APIError where error.reason == .invalid || error.reason == .badRequest {
            return try await fail(object, present, InferenceReason.invalidSpec, error.message)
        }
        return try await judge(object, spec: spec, plan: plan, present: present)
    }

    private func judge(
        _ object: KubeObject,
        spec: OnlineDeploymentSpec,
        plan: OnlineDeploymentPlan,
        present: OnlineDeploymentStatus?
    ) async throws -> ReconcileOutcome {
        let conditions = OnlineDeploymentConditions(
            object: object,
            spec: spec,
            deployment: workloads.get(object.key),
            pods: pods.list(index: Self.podsByDeployment, value: "\(object.key)"),
            contentHash: plan.contentHash,
            now: Date.now.timeIntervalSince1970
        )
        var decision = conditions.decide(present: present)
        if decision.status.provisioningState == "Failed", decision.status.reason == present?.reason,
            present?.provisioningState == "Failed", present?.observedGeneration == object.generation
        {
            // The same failure, told by another pod: keep the first account of it.
            decision.status.message = present?.message
            decision.status.logTail = present?.logTail
        } else if decision.diagnosis?.isFinal == true, decision.status.provisioningState == "Failed" {
            decision.status.logTail = await log(decision) ?? decision.status.logTail
        }
        try await write(decision.status, on: object, present: present)
        return decision.needsRecheck ? .recheck(after: .seconds(5)) : .settled
    }

    /// The end of the failed container's log, when it can be read; the failure itself does not depend on it.
    private func log(_ decision: OnlineDeploymentConditions.Decision) async -> String? {
        guard let read = configuration.readLog, let pod = decision.pod, let container = decision.diagnosis?.container
        else {
            return nil
        }
        do {
            let text = try await read(pod, container, decision.diagnosis?.isPrevious ?? false)
            return text.isEmpty ? nil : String(text.suffix(4096))
        } catch {
            return nil
        }
    }

    private func waitForEndpoint(
        _ object: KubeObject,
        _ present: OnlineDeploymentStatus?,
        _ spec: OnlineDeploymentSpec
    ) async throws -> ReconcileOutcome {
        let created = object.creationTimestamp.flatMap { Timestamp.seconds($0) } ?? 0
        guard Date.now.timeIntervalSince1970 - created < 10 else {
            return try await fail(
                object,
                present,
                InferenceReason.endpointNotFound,
                "endpoint \"\(spec.endpointName)\" does not exist in namespace \"\(object.namespace ?? "")\"; create it first"
            )
        }
        try await write(
            OnlineDeploymentStatus(
                provisioningState: "Creating",
                message: "waiting for endpoint \"\(spec.endpointName)\"",
                observedGeneration: object.generation
            ),
            on: object,
            present: present
        )
        return .recheck(after: .seconds(2))
    }

    /// Makes the endpoint the owner, so that its deletion takes its deployments along.
    private func adopt(_ object: KubeObject, by endpoint: KubeObject) async throws {
        guard !object.ownerReferences.contains(where: { $0.uid == endpoint.uid }) else { return }
        var owners = object.ownerReferences.filter { $0.kind != endpoint.kind }
        owners.append(
            OwnerReference(
                apiVersion: endpoint.apiVersion,
                kind: endpoint.kind,
                name: endpoint.name,
                uid: endpoint.uid
            )
        )
        _ = try await api.patch(
            MLResources.onlineDeployments,
            object.key,
            .merge(["metadata": ["ownerReferences": .array(owners.map(\.json))]])
        )
    }

    private func fail(
        _ object: KubeObject,
        _ present: OnlineDeploymentStatus?,
        _ reason: String,
        _ message: String
    ) async throws -> ReconcileOutcome {
        let status = OnlineDeploymentStatus(
            provisioningState: "Failed",
            reason: reason,
            message: message,
            observedGeneration: object.generation
        )
        try await write(status, on: object, present: present)
        return .settled
    }

    private func write(
        _ status: OnlineDeploymentStatus,
        on object: KubeObject,
        present: OnlineDeploymentStatus?
    ) async throws {
        guard status != present else { return }
        var object = object
        // A status that another writer changed in between is decided anew with the next event.
        object["status"] = try JSON(encoding: status)
        do {
            try await api.updateStatus(MLResources.onlineDeployments, object)
        } catch let error as APIError where error.isNotFound {
            return
        }
        guard status.provisioningState != present?.provisioningState || status.reason != present?.reason else { return }
        let isBad = status.provisioningState == "Failed" || status.reason != nil
        await events.record(
            isBad ? .warning : .normal,
            reason: status.reason ?? status.provisioningState,
            status.message ?? "the deployment is \(status.provisioningState)",
            about: object
        )
    }
}
