internal import ControlPlaneAPI
internal import KubeCore

/// Kubernetes computes: a namespace of a cluster that has the extension.
struct ComputeRoutes {
    let core: Core

    func register(_ routes: inout RouteTable) {
        let core = core
        let scoped = WorkspaceRoutes(core: core)
        scoped.add(&routes, "GET", "/computes") { call, scope in
            let documents = try await core.store.read { t in try t.list(.compute, parent: scope.id) }
            return Paging.reply(call, documents, publicURL: core.publicURL)
        }
        scoped.add(&routes, "GET", "/computes/{n}") { call, scope in
            let name = call["n"]
            let document = try await core.store.read { t in
                try t.require(
                    scope.id + "/computes/" + name,
                    "Compute",
                    remedy: "Attach it with 'ml compute attach', or list the computes."
                )
            }
            return .json(document.resource)
        }
        scoped.add(&routes, "PUT", "/computes/{n}") { call, scope in
            let body = try await call.json()
            let (document, isNew) = try await attach(scope, name: call["n"], body: body)
            return .json(document.resource, status: isNew ? 201 : 200)
        }
        scoped.add(&routes, "DELETE", "/computes/{n}") { call, scope in
            let name = call["n"]
            let action = call.query["underlyingResourceAction"] ?? "Detach"
            guard action.lowercased() == "detach" else {
                throw ARMError.invalid(
                    "underlyingResourceAction",
                    "Compute '\(name)': a Kubernetes compute can only be detached, not '\(action)'."
                )
            }
            return try await detach(scope, name: name) ? Reply(200) : .noContent
        }
    }

    private func attach(_ scope: Scope, name: String, body: JSON) async throws -> (Document, Bool) {
        try ComputeRoutes.checkName(name)
        let properties = body["properties"] ?? .object([:])
        let type = properties["computeType"]?.stringValue ?? ""
        guard type.lowercased() == "kubernetes" else {
            throw ARMError.invalid(
                "properties.computeType",
                "Compute '\(name)': type '\(type)' is not offered; attach a Kubernetes compute."
            )
        }
        let resource = properties["resourceId"]?.stringValue ?? ""
        guard let target = core.cluster(resourceID: resource) else {
            throw ARMError(
                400,
                "ClusterNotFound",
                "Compute '\(name)': the cluster '\(resource)' is not known here. Use the id of a connectedClusters or managedClusters resource of this instance.",
                target: "properties.resourceId"
            )
        }
        let namespace = properties[path: "properties", "namespace"]?.stringValue ?? "default"
        // Without an extension there is no gateway to ask, and the better error is this one.
        try await core.store.read { t in try ComputeRoutes.checkExtension(t, target: target, name: name) }
        try await checkNamespace(namespace, name: name, target: target)
        let identity = try ComputeRoutes.identity(body["identity"], name: name)
        let location = core.configuration.location
        return try await core.store.write { t in
            try ComputeRoutes.checkExtension(t, target: target, name: name)
            let id = scope.id + "/computes/" + name
            let old = try t.find(id)
            if let old, old[property: "resourceId"]?.stringValue?.lowercased() != resource.lowercased() {
                throw ARMError.conflict(
                    "ComputeAlreadyExists",
                    "Compute '\(name)' is attached to another cluster; detach it first."
                )
            }
            var document = old ?? Document(kind: .compute, id: id, parent: scope.id, name: name, body: .object([:]))
            document.body = body
            document.body["location"] = .string(location)
            document.body["identity"] = identity
            document[property: "computeType"] = "Kubernetes"
            document[property: "computeLocation"] = .string(target.location)
            document[property: "provisioningState"] = "Succeeded"
            document[property: "isAttachedCompute"] = true
            document[property: "disableLocalAuth"] = false
            document[property: "createdOn"] = .string(rfc3339(document.createdAt))
            document[property: "modifiedOn"] = .string(rfc3339(nowSeconds()))
            document[property: "properties", "namespace"] = .string(namespace)
            if document[property: "properties", "defaultInstanceType"]?.stringValue == nil {
                document[property: "properties", "defaultInstanceType"] = "defaultinstancetype"
            }
            document.hidden["cluster"] = .string(target.key)
            try t.put(&document)
            return (document, old == nil)
        }
    }

    private func detach(_ scope: Scope, name: String) async throws -> Bool {
        try await core.store.write { t in
            let id = scope.id + "/computes/" + name
            for endpoint in try t.list(.onlineEndpoint, parent: scope.id)
            where endpoint[property: "compute"]?.stringValue?.lowercased() == id.lowercased() {
                throw ARMError.conflict(
                    "ComputeInUse",
                    "Compute '\(name)' serves the online endpoint '\(endpoint.name)'; delete that first."
                )
            }
            for job in try t.list(.job, parent: scope.id)
            where job[property: "computeId"]?.stringValue?.lowercased() == id.lowercased() && !JobState.isEnded(job) {
                throw ARMError.conflict(
                    "ComputeInUse",
                    "Compute '\(name)' runs the job '\(job.name)'; cancel that or wait for it."
                )
            }
            return try t.remove(id)
        }
    }

    private func checkNamespace(_ namespace: String, name: String, target: ClusterTarget) async throws {
        let isThere: Bool
        do {
            isThere = try await hasNamespace(namespace, target)
        } catch {
            throw ARMError(
                503,
                "ClusterNotReachable",
                "Compute '\(name)': whether namespace '\(namespace)' exists cannot be asked of cluster '\(target.name)' now: \(error)."
            )
        }
        guard isThere else {
            throw ARMError(
                400,
                "NamespaceNotFound",
                "Compute '\(name)': namespace '\(namespace)' does not exist on cluster '\(target.name)'. Create it with 'kubectl create namespace \(namespace)'.",
                target: "properties.properties.namespace"
            )
        }
    }

    /// Asks the cluster itself, or its gateway where nothing connects inwards.
    private func hasNamespace(_ namespace: String, _ target: ClusterTarget) async throws -> Bool {
        if let api = target.api { return try await api.find(.namespaces, name: namespace) != nil }
        guard let entry = core.clusters.entry(key: target.key) else { return false }
        do {
            try await core.gateways.client(entry).send("GET", "/v1/namespaces/" + percentEncoded(namespace))
            return true
        } catch let error as APIError where error.isNotFound {
            return false
        }
    }

    private static func checkExtension(_ t: Transaction, target: ClusterTarget, name: String) throws {
        let installed = try t.listAll(.extension).first { target.holds($0.id) }
        guard let installed else {
            throw ARMError(
                400,
                "ExtensionNotInstalled",
                "Compute '\(name)': cluster '\(target.name)' has no Azure ML extension. Install it with 'k8s-extension create'.",
                target: "properties.resourceId"
            )
        }
        let state = installed[property: "provisioningState"]?.stringValue ?? ""
        guard state == "Succeeded" else {
            throw ARMError(
                400,
                "ExtensionNotReady",
                "Compute '\(name)': the extension '\(installed.name)' on cluster '\(target.name)' is '\(state)', not 'Succeeded'. See 'k8s-extension show'.",
                target: "properties.resourceId"
            )
        }
    }

    private static func identity(_ identity: JSON?, name: String) throws -> JSON {
        guard var identity, let type = identity["type"]?.stringValue, !type.isEmpty else {
            return ["type": "SystemAssigned"]
        }
        let known = ["systemassigned", "userassigned", "systemassigned,userassigned", "none"]
        guard known.contains(type.lowercased().replacing(" ", with: "")) else {
            throw ARMError.invalid(
                "identity.type",
                "Compute '\(name)': identity type '\(type)' is not known; use SystemAssigned or UserAssigned."
            )
        }
        if let users = identity["userAssignedIdentities"]?.objectValue {
            identity["userAssignedIdentities"] = .object(users.mapValues { _ in ["principalId": "", "clientId": ""] })
        }
        return identity
    }

    private static func checkName(_ name: String) throws {
        let fits = name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
        guard fits, (2...32).contains(name.count), name.first?.isLetter == true, name.last != "-" else {
            throw ARMError.invalid(
                "name",
                "Compute name '\(name)' is not allowed; use 2 to 32 letters, digits and '-', a letter first and no '-' last."
            )
        }
    }
}
