internal import ControlPlaneAPI
internal import KubeCore
internal import MLTypes

/// Online deployments.
struct DeploymentService: Sendable {
    let core: Core

    static func id(_ endpoint: Document, _ name: String) -> String { endpoint.id + "/deployments/" + name }
    static func tokenSecret(endpoint: String, name: String) -> String {
        OnlineDeploymentSpec.objectName(endpoint: endpoint, deployment: name) + "-token"
    }

    func find(_ scope: Scope, _ endpoint: String, _ name: String) async throws -> Document {
        try await core.store.read { t in try DeploymentService.find(t, scope, endpoint, name) }
    }

    static func find(_ t: Transaction, _ scope: Scope, _ endpoint: String, _ name: String) throws -> Document {
        let parent = try EndpointService.find(t, scope, endpoint)
        return try t.require(
            id(parent, name),
            "Online deployment",
            remedy: "Endpoint '\(endpoint)' has other deployments or none; list them."
        )
    }

    func put(
        _ scope: Scope,
        endpoint: String,
        name: String,
        body: JSON
    ) async throws
        -> (document: Document, isNew: Bool, operation: String)
    {
        try EndpointService.checkName(name, what: "Deployment")
        let object = OnlineDeploymentSpec.objectName(endpoint: endpoint, deployment: name)
        guard object.count <= 63 else {
            throw ARMError.invalid(
                "name",
                "Deployment '\(name)': the names of endpoint and deployment have \(object.count - 1) characters together; Kubernetes takes at most 62."
            )
        }
        let core = core
        return try await core.store.write { t in
            let parent = try EndpointService.find(t, scope, endpoint)
            guard parent.hidden["isDeleting"] != true else {
                throw ARMError.conflict("OperationInProgress", "Endpoint '\(endpoint)' is being deleted.")
            }
            let id = DeploymentService.id(parent, name)
            let old = try t.find(id)
            if let old, old.hidden["isDeleting"] == true {
                throw ARMError.conflict(
                    "OperationInProgress",
                    "Deployment '\(name)' is being deleted; wait until it is gone."
                )
            }
            var deployment =
                old ?? Document(kind: .onlineDeployment, id: id, parent: parent.id, name: name, body: .object([:]))
            deployment.body = DeploymentService.prepared(body, location: core.configuration.location)
            deployment.hidden["endpoint"] = .string(parent.name)
            deployment.hidden["usesDefaultResources"] = .bool(
                body[path: "properties", "containerResourceRequirements"]?.objectValue == nil
            )
            deployment.hidden["cluster"] = parent.hidden["cluster"]
            deployment.hidden["namespace"] = parent.hidden["namespace"]
            let plan = try DeploymentPlan.make(deployment, scope, core, t)
            let subject = Caller.deploymentSubject(id: id)
            try t.revoke(subject)
            for place in plan.readable {
                try t.grant(subject, container: place.container, prefix: place.name, canWrite: false)
            }
            let operation = try DeploymentService.begin(t, &deployment, state: old == nil ? "Creating" : "Updating")
            return (deployment, old == nil, operation)
        }
    }

    /// PATCH: the number of instances and tags.
    func patch(
        _ scope: Scope,
        endpoint: String,
        name: String,
        body: JSON
    ) async throws -> (document: Document, operation: String) {
        let core = core
        return try await core.store.write { t in
            var deployment = try DeploymentService.find(t, scope, endpoint, name)
            if let capacity = body[path: "sku", "capacity"] { deployment.body[path: "sku", "capacity"] = capacity }
            if let tags = body["tags"]?.objectValue { deployment.body["tags"] = .object(tags) }
            _ = try DeploymentPlan.make(deployment, scope, core, t)
            let operation = try DeploymentService.begin(t, &deployment, state: "Updating")
            return (deployment, operation)
        }
    }

    func delete(_ scope: Scope, endpoint: String, name: String) async throws -> String? {
        try await core.store.write { t in
            guard let parent = try t.find(EndpointService.id(scope, endpoint)),
                let deployment = try t.find(DeploymentService.id(parent, name))
            else { return nil }
            let percent = parent[property: "traffic", deployment.name]?.intValue ?? 0
            guard percent == 0 else {
                throw ARMError.conflict(
                    "DeploymentHasTraffic",
                    "Deployment '\(name)' gets \(percent) percent of the traffic of endpoint '\(endpoint)'; set that to 0 first."
                )
            }
            return try DeploymentService.startDelete(t, deployment)
        }
    }

    static func startDelete(_ t: Transaction, _ deployment: Document) throws -> String {
        var deployment = deployment
        deployment.hidden["isDeleting"] = true
        return try begin(t, &deployment, state: "Deleting", action: .delete)
    }

    private static func begin(
        _ t: Transaction,
        _ deployment: inout Document,
        state: String,
        action: OutboxItem.Action = .apply
    ) throws -> String {
        let operation = RandomText.uuid()
        if let old = deployment.hidden["operation"]?.stringValue { try Operations.finish(t, id: old, error: nil) }
        deployment.hidden["operation"] = .string(operation)
        deployment.hidden["generation"] = JSON((deployment.hidden["generation"]?.intValue ?? 0) + 1)
        deployment[property: "provisioningState"] = .string(state)
        deployment[property: "error"] = nil
        deployment[property: "statusMessage"] = nil
        try t.put(&deployment)
        try Operations.start(t, id: operation, resource: deployment.id)
        try ClusterObjects.enqueue(t, deployment, action: action)
        return operation
    }

    /// The body with what the service supplies when it is left out.
    private static func prepared(_ body: JSON, location: String) -> JSON {
        var properties = body["properties"] ?? .object([:])
        for (key, value) in properties.objectValue ?? [:] where value.isNull { properties[key] = nil }
        properties["endpointComputeType"] = "Kubernetes"
        if properties["scaleSettings"]?.objectValue == nil { properties["scaleSettings"] = ["scaleType": "Default"] }
        if properties["containerResourceRequirements"]?.objectValue == nil {
            // Source: the reference's YAML defaults for Kubernetes deployments.
            properties["containerResourceRequirements"] = [
                "containerResourceRequests": ["cpu": "100m", "memory": "0.5Gi"],
                "containerResourceLimits": ["cpu": "2", "memory": "2Gi"],
            ]
        }
        let probe: JSON = [
            "initialDelay": "PT10S", "period": "PT10S", "timeout": "PT2S", "successThreshold": 1,
            "failureThreshold": 30,
        ]
        for key in ["livenessProbe", "readinessProbe"] {
            var wanted = probe
            for (name, value) in properties[key]?.objectValue ?? [:] where !value.isNull { wanted[name] = value }
            properties[key] = wanted
        }
        var requests: JSON = [
            "requestTimeout": "PT5S", "maxQueueWait": "PT0.5S", "maxConcurrentRequestsPerInstance": 1,
        ]
        for (name, value) in properties["requestSettings"]?.objectValue ?? [:] where !value.isNull {
            requests[name] = value
        }
        properties["requestSettings"] = requests
        properties["environmentVariables"] = properties["environmentVariables"]?.objectValue.map(JSON.object) ?? [:]
        properties["properties"] = properties["properties"]?.objectValue.map(JSON.object) ?? [:]
        properties["appInsightsEnabled"] = properties["appInsightsEnabled"] ?? false
        var sku = body["sku"]?.objectValue ?? [:]
        sku["name"] = "Default"
        sku["capacity"] = sku["capacity"] ?? 1
        return [
            "location": .string(location), "kind": "K8S", "sku": .object(sku), "properties": properties,
            "tags": body["tags"]?.objectValue.map(JSON.object) ?? [:],
        ]
    }
}
