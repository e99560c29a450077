internal import Foundation
internal import KubeCore
internal import KubeRuntime
internal import MLTypes

/// One pass over one `OnlineEndpoint`.
struct OnlineEndpointReconciler: Sendable {
    static let deploymentsByEndpoint = "endpoint"

    let api: any ResourceAPI
    let configuration: InferenceOperatorConfiguration
    let endpoints: Informer
    let models: Informer
    let router: Informer
    let events: EventRecorder

    /// Namespace and name of the endpoint that a deployment belongs to.
    static func indexValue(_ deployment: KubeObject) -> String {
        "\(ObjectKey(namespace: deployment.namespace, name: deployment["spec", "endpointName"]?.stringValue ?? ""))"
    }

    func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let object = endpoints.get(key) else { return .settled }
        let present: OnlineEndpointStatus? = try object["status"]?.decode()
        if object.isTerminating {
            try await write(
                OnlineEndpointStatus(provisioningState: "Deleting", scoringUri: present?.scoringUri),
                on: object,
                present: present
            )
            return .settled
        }
        let spec: OnlineEndpointSpec
        do {
            spec = try (object["spec"] ?? .null).decode()
        } catch {
            let status = OnlineEndpointStatus(
                provisioningState: "Failed",
                reason: InferenceReason.badArgument,
                message: "spec cannot be read: \(error)",
                observedGeneration: object.generation
            )
            try await write(status, on: object, present: present)
            return .settled
        }
        let service = router.get(configuration.routerService)
        let names = models.list(index: Self.deploymentsByEndpoint, value: "\(key)")
            .filter { !$0.isTerminating }.compactMap { $0["spec", "deploymentName"]?.stringValue }
        let plan = OnlineEndpointPlan(
            object: object,
            spec: spec,
            deployments: Set(names),
            router: service,
            nodeAddress: try await nodeAddress(service),
            hasKeys: try await hasKeys(spec, key),
            configuration: configuration,
            now: Date.now.timeIntervalSince1970
        )
        let status = plan.status
        try await write(status, on: object, present: present)
        return plan.needsRecheck(status) ? .recheck(after: .seconds(3)) : .settled
    }

    /// Keys are read from the API and not cached: the operator keeps no Secret in memory.
    private func hasKeys(_ spec: OnlineEndpointSpec, _ key: ObjectKey) async throws -> Bool {
        if spec.authMode == "AMLToken" { return true }
        return try await api.find(.secrets, namespace: key.namespace, name: spec.keysSecret) != nil
    }

    /// Address of the first ready node by name; only asked for when the router is reached through nodes.
    private func nodeAddress(_ service: KubeObject?) async throws -> String? {
        guard service?["spec", "type"]?.stringValue == "NodePort", configuration.scoringHost == nil else { return nil }
        let nodes = try await api.list(.nodes).items.filter { $0.isConditionTrue("Ready") }.sorted { $0.name < $1.name }
        for kind in ["ExternalIP", "InternalIP"] {
            for node in nodes {
                let addresses = node["status", "addresses"]?.arrayValue ?? []
                if let found = addresses.first(where: { $0["type"]?.stringValue == kind })?["address"]?.stringValue {
                    return found
                }
            }
        }
        return nil
    }

    private func write(
        _ status: OnlineEndpointStatus,
        on object: KubeObject,
        present: OnlineEndpointStatus?
    ) async throws {
        guard status != present else { return }
        var object = object
        object["status"] = try JSON(encoding: status)
        do {
            try await api.updateStatus(MLResources.onlineEndpoints, object)
        } catch let error as APIError where error.isNotFound {
            return
        }
        guard status.provisioningState != present?.provisioningState || status.reason != present?.reason else { return }
        await events.record(
            status.provisioningState == "Failed" ? .warning : .normal,
            reason: status.reason ?? status.provisioningState,
            status.message ?? "the endpoint is \(status.provisioningState)",
            about: object
        )
    }
}
