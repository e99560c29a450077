internal import ControlPlaneAPI
internal import KubeCore
internal import MLTypes

/// Online endpoints: their traffic rules, keys and tokens.
struct EndpointService: Sendable {
    let core: Core

    static func id(_ scope: Scope, _ name: String) -> String { scope.id + "/onlineEndpoints/" + name }
    static func keysSecret(_ name: String) -> String { name + "-keys" }

    static func find(_ t: Transaction, _ scope: Scope, _ name: String) throws -> Document {
        try t.require(id(scope, name), "Online endpoint", remedy: "Create it with 'ml online-endpoint create'.")
    }

    func find(_ scope: Scope, _ name: String) async throws -> Document {
        try await core.store.read { t in try EndpointService.find(t, scope, name) }
    }

    func put(
        _ scope: Scope,
        name: String,
        body: JSON
    ) async throws -> (document: Document, isNew: Bool, operation: String) {
        try EndpointService.checkName(name, what: "Endpoint")
        let location = core.configuration.location
        return try await core.store.write { t in
            let old = try t.find(EndpointService.id(scope, name))
            if let old, old.hidden["isDeleting"] == true {
                throw ARMError.conflict(
                    "OperationInProgress",
                    "Endpoint '\(name)' is being deleted; wait until it is gone."
                )
            }
            let properties = body["properties"] ?? .object([:])
            var endpoint =
                old
                ?? Document(
                    kind: .onlineEndpoint,
                    id: EndpointService.id(scope, name),
                    parent: scope.id,
                    name: name,
                    body: .object([:]),
                    hidden: ["primaryKey": .string(RandomText.secret()), "secondaryKey": .string(RandomText.secret())]
                )
            try EndpointService.checkAuthMode(properties["authMode"]?.stringValue, old: old, name: name)
            let compute = try References(scope: scope, owner: "Endpoint '\(name)'").compute(
                properties["compute"]?.stringValue ?? old?[property: "compute"]?.stringValue,
                field: "properties.compute",
                t
            )
            if let old, old[property: "compute"]?.stringValue?.lowercased() != compute.id.lowercased() {
                throw ARMError.conflict(
                    "EndpointAlreadyExists",
                    "Endpoint '\(name)' is on another compute; delete it or choose another name."
                )
            }
            if old == nil { try EndpointService.checkUnique(t, name: name, compute: compute) }
            let before = endpoint[property: "traffic"]
            var merged = properties
            for (key, value) in properties.objectValue ?? [:] where value.isNull { merged[key] = nil }
            for key in ["scoringUri", "swaggerUri", "error"] { merged[key] = old?[property: key] }
            merged["authMode"] = merged["authMode"] ?? old?[property: "authMode"] ?? "Key"
            merged["compute"] = .string(compute.id)
            merged["traffic"] = merged["traffic"] ?? before ?? [:]
            merged["mirrorTraffic"] = merged["mirrorTraffic"] ?? [:]
            merged["properties"] = merged["properties"] ?? [:]
            merged["keys"] = nil
            endpoint.body = [
                "location": .string(location), "kind": "K8S", "properties": merged,
                "tags": body["tags"]?.objectValue.map(JSON.object) ?? [:],
                "identity": body["identity"] ?? old?.body["identity"] ?? ["type": "SystemAssigned"],
            ]
            endpoint.hidden["cluster"] = .string(compute.computeCluster)
            endpoint.hidden["namespace"] = .string(compute.computeNamespace)
            endpoint.hidden["computeName"] = .string(compute.name)
            try EndpointService.checkTraffic(t, endpoint, isNew: old == nil)
            let operation = try EndpointService.begin(t, &endpoint, state: old == nil ? "Creating" : "Updating")
            return (endpoint, old == nil, operation)
        }
    }

    /// PATCH: only tags, traffic and identity.
    func patch(_ scope: Scope, name: String, body: JSON) async throws -> (document: Document, operation: String) {
        try await core.store.write { t in
            var endpoint = try EndpointService.find(t, scope, name)
            if let tags = body["tags"]?.objectValue { endpoint.body["tags"] = .object(tags) }
            if let identity = body["identity"] { endpoint.body["identity"] = identity }
            for key in ["traffic", "mirrorTraffic"] {
                if let value = body[path: "properties", key]?.objectValue { endpoint[property: key] = .object(value) }
            }
            try EndpointService.checkTraffic(t, endpoint, isNew: false)
            let operation = try EndpointService.begin(t, &endpoint, state: "Updating")
            return (endpoint, operation)
        }
    }

    /// Removes the endpoint with its deployments; nil when there is none.
    func delete(_ scope: Scope, name: String) async throws -> String? {
        try await core.store.write { t in
            guard var endpoint = try t.find(EndpointService.id(scope, name)) else { return nil }
            for deployment in try t.list(.onlineDeployment, parent: endpoint.id) {
                _ = try DeploymentService.startDelete(t, deployment)
            }
            endpoint.hidden["isDeleting"] = true
            return try EndpointService.begin(t, &endpoint, state: "Deleting", action: .delete)
        }
    }

    static func begin(
        _ t: Transaction,
        _ endpoint: inout Document,
        state: String,
        action: OutboxItem.Action = .apply
    ) throws -> String {
        let operation = RandomText.uuid()
        if let old = endpoint.hidden["operation"]?.stringValue {
            // A newer change takes over; whoever waits for the older one is told it was replaced by success of the newer.
            try Operations.finish(t, id: old, error: nil)
        }
        endpoint.hidden["operation"] = .string(operation)
        endpoint.hidden["generation"] = JSON((endpoint.hidden["generation"]?.intValue ?? 0) + 1)
        endpoint[property: "provisioningState"] = .string(state)
        try t.put(&endpoint)
        try Operations.start(t, id: operation, resource: endpoint.id)
        try ClusterObjects.enqueue(t, endpoint, action: action)
        return operation
    }

    func regenerateKey(_ scope: Scope, name: String, type: String) async throws {
        let key = type.lowercased() == "secondary" ? "secondaryKey" : "primaryKey"
        guard ["primary", "secondary"].contains(type.lowercased()) else {
            throw ARMError.invalid(
                "keyType",
                "Endpoint '\(name)': keyType '\(type)' is not known; use Primary or Secondary."
            )
        }
        try await core.store.write { t in
            var endpoint = try EndpointService.find(t, scope, name)
            try EndpointService.requireMode(endpoint, "Key")
            endpoint.hidden[key] = .string(RandomText.secret())
            _ = try EndpointService.begin(t, &endpoint, state: "Updating")
        }
    }

    static func requireMode(_ endpoint: Document, _ mode: String) throws {
        let actual = endpoint[property: "authMode"]?.stringValue ?? "Key"
        guard actual.lowercased() == mode.lowercased() else {
            throw ARMError(
                400,
                "AuthModeMismatch",
                "Endpoint '\(endpoint.name)' has auth_mode '\(actual)'; \(mode == "Key" ? "keys exist only with 'key'" : "tokens exist only with 'aml_token'")."
            )
        }
    }

    private static func checkAuthMode(_ mode: String?, old: Document?, name: String) throws {
        guard let mode else { return }
        guard mode.lowercased() != "aadtoken" else {
            throw ARMError.invalid(
                "properties.authMode",
                "Endpoint '\(name)': auth_mode aad_token is not offered by Kubernetes endpoints; use key or aml_token."
            )
        }
        guard ["key", "amltoken"].contains(mode.lowercased()) else {
            throw ARMError.invalid(
                "properties.authMode",
                "Endpoint '\(name)': auth_mode '\(mode)' is not known; use key or aml_token."
            )
        }
        if let old = old?[property: "authMode"]?.stringValue, old.lowercased() != mode.lowercased() {
            throw ARMError.conflict(
                "AuthModeImmutable",
                "Endpoint '\(name)': auth_mode cannot change from '\(old)' to '\(mode)'; create another endpoint."
            )
        }
    }

    /// Names are unique on a cluster, because the scoring address holds nothing else.
    private static func checkUnique(_ t: Transaction, name: String, compute: Document) throws {
        for other in try t.listAll(.onlineEndpoint)
        where other.name.lowercased() == name.lowercased()
            && other.hidden["cluster"]?.stringValue == compute.computeCluster
        {
            throw ARMError.conflict(
                "EndpointAlreadyExists",
                "Endpoint '\(name)' already exists on this cluster (\(other.id)); choose another name."
            )
        }
    }

    static func checkTraffic(_ t: Transaction, _ endpoint: Document, isNew: Bool) throws {
        let name = endpoint.name
        let deployments = Set(
            try t.list(.onlineDeployment, parent: endpoint.id).filter { $0.hidden["isDeleting"] != true }.map {
                $0.name.lowercased()
            }
        )
        let traffic = endpoint[property: "traffic"]?.objectValue ?? [:]
        let mirror = endpoint[property: "mirrorTraffic"]?.objectValue ?? [:]
        for (field, map) in [("traffic", traffic), ("mirrorTraffic", mirror)] {
            for (deployment, value) in map {
                guard let percent = value.intValue, (0...100).contains(percent) else {
                    throw ARMError.invalid(
                        "properties.\(field)",
                        "Endpoint '\(name)': \(field) of '\(deployment)' is \(value.text); use a whole number from 0 to 100."
                    )
                }
                guard deployments.contains(deployment.lowercased()) || (percent == 0 && !isNew) else {
                    throw ARMError.invalid(
                        "properties.\(field)",
                        "Endpoint '\(name)': \(field) names the deployment '\(deployment)', which does not exist"
                            + (isNew ? "; deployments come after the endpoint, so leave it out at creation." : ".")
                    )
                }
            }
        }
        let sum = traffic.values.compactMap(\.intValue).reduce(0, +)
        guard sum == 0 || sum == 100 else {
            throw ARMError.invalid(
                "properties.traffic",
                "Endpoint '\(name)': traffic adds up to \(sum); it must be 0 or 100."
            )
        }
        let mirrored = mirror.filter { ($0.value.intValue ?? 0) > 0 }
        guard mirrored.count <= 1, (mirrored.first?.value.intValue ?? 0) <= 50 else {
            throw ARMError.invalid(
                "properties.mirrorTraffic",
                "Endpoint '\(name)': mirror_traffic takes one deployment with at most 50 percent."
            )
        }
        if let target = mirrored.first?.key, (traffic[target]?.intValue ?? 0) > 0 {
            throw ARMError.invalid(
                "properties.mirrorTraffic",
                "Endpoint '\(name)': deployment '\(target)' gets live traffic, so it cannot get mirrored traffic too."
            )
        }
    }

    static func checkName(_ name: String, what: String) throws {
        let fits = name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
        guard fits, (3...32).contains(name.count), name.first?.isLetter == true, name.last != "-" else {
            throw ARMError.invalid(
                "name",
                "\(what) name '\(name)' is not allowed; use 3 to 32 letters, digits and '-', a letter first and no '-' last."
            )
        }
        guard name == name.lowercased() else {
            throw ARMError.invalid(
                "name",
                "\(what) name '\(name)' is not allowed on Kubernetes; use lower-case letters."
            )
        }
    }
}
