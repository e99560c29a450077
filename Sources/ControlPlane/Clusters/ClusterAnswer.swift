internal import ControlPlaneAPI
internal import KubeCore

/// Clusters as ARM resources.
struct ClusterAnswer: Sendable {
    let core: Core

    /// The resource; `type` is the resource type that was asked for.
    func resource(_ entry: ClusterDirectory.Entry, _ type: String) async throws -> JSON {
        let id = ClusterRoutes.id(core, entry.target, type)
        let (document, record) = try await core.store.read { t in
            (try t.find(id), try ClusterHeartbeats.record(t, cluster: id))
        }
        if entry.isEmbedded { return try await embedded(entry.target, type, id: id, record) }
        guard let document else { throw ARMError.resourceNotFound("Cluster", entry.target.name) }
        return registered(document, record, isManaged: type == "managedClusters")
    }

    /// A registered cluster: what was given and what its agent says.
    func registered(_ document: Document, _ record: ClusterHeartbeats.Record?, isManaged: Bool) -> JSON {
        var resource = document.resource
        var properties = document.body["properties"]?.objectValue ?? [:]
        let last = record?.heartbeat
        let version = last?.kubernetesVersion ?? document.hidden["kubernetesVersion"]?.stringValue
        let nodes = last?.nodeCount ?? document.hidden["nodeCount"]?.intValue
        properties["provisioningState"] = "Succeeded"
        properties["kubernetesVersion"] = version.map(JSON.string) ?? .null
        properties["agentVersion"] = last.map { .string($0.agentVersion) } ?? .null
        properties["connectivityStatus"] = .string(ClusterHeartbeats.connectivity(last: record?.time, now: core.now))
        properties["lastConnectivityTime"] = record.map { .string(rfc3339($0.time)) } ?? .null
        if isManaged {
            properties["currentKubernetesVersion"] = properties["kubernetesVersion"]
            properties["distribution"] = .string(last?.distribution ?? "aks")
            properties["agentPoolProfiles"] = ClusterAnswer.pools(nodes ?? 0)
            properties["powerState"] = ["code": "Running"]
        } else {
            properties["totalNodeCount"] = nodes.map { JSON($0) } ?? .null
            // What the agent finds is more exact than what was said at registration.
            if let found = last?.distribution, found != "generic" { properties["distribution"] = .string(found) }
        }
        resource["properties"] = .object(properties)
        return resource
    }

    private static func pools(_ nodes: Int) -> JSON {
        .array([["name": "nodes", "count": JSON(nodes), "mode": "System"]])
    }

    private func embedded(
        _ target: ClusterTarget,
        _ type: String,
        id: String,
        _ record: ClusterHeartbeats.Record?
    ) async throws -> JSON {
        let nodes: Int
        var version = ""
        do {
            let list = try await target.api?.list(.nodes)
            nodes = list?.items.count ?? 0
            version = list?.items.first?["status", "nodeInfo", "kubeletVersion"]?.stringValue ?? ""
        } catch {
            throw ARMError(
                503,
                "ClusterNotReachable",
                "The Kubernetes API of cluster '\(target.name)' does not answer: \(error)."
            )
        }
        var properties: [String: JSON] = [
            "provisioningState": "Succeeded", "distribution": .string(target.distribution),
            "kubernetesVersion": .string(version), "agentVersion": .string(core.configuration.version),
        ]
        if type == "managedClusters" {
            properties["currentKubernetesVersion"] = .string(version)
            properties["agentPoolProfiles"] = ClusterAnswer.pools(nodes)
            properties["powerState"] = ["code": "Running"]
        } else {
            properties["totalNodeCount"] = JSON(nodes)
            properties["infrastructure"] = "generic"
            // Its agent runs in this process and its API has just answered.
            properties["connectivityStatus"] = "Connected"
            properties["lastConnectivityTime"] = .string(rfc3339(record?.time ?? core.now))
            properties["agentPublicKeyCertificate"] = ""
        }
        return [
            "id": .string(id), "name": .string(target.name), "type": .string(ARMPath.type(of: id)),
            "location": .string(target.location), "properties": .object(properties), "tags": [:],
            "identity": ["type": "SystemAssigned"],
        ]
    }
}
