internal import ControlPlaneAPI
internal import KubeCore

/// Clusters under both resource types, and the relay calls that `az k8s-extension create` makes for connected ones.
struct ClusterRoutes {
    static let group = "/subscriptions/{s}/resourceGroups/{g}/providers/"
    static let paths = [
        ("connectedClusters", group + "Microsoft.Kubernetes/connectedClusters/{c}"),
        ("managedClusters", group + "Microsoft.ContainerService/managedClusters/{c}"),
    ]

    let core: Core

    func register(_ routes: inout RouteTable) {
        let core = core
        for (type, path) in ClusterRoutes.paths {
            routes.get(path) { call in
                .json(try await resource(try ClusterRoutes.target(core, type, call), type))
            }
            let list = String(path.dropLast("/{c}".count))
            for address in [list, list.replacing("/resourceGroups/{g}", with: "")] {
                routes.get(address) { call in
                    var items: [JSON] = []
                    for target in core.configuration.clusters where target.clusterTypes.contains(type) {
                        guard call["g"].isEmpty || target.resourceGroup.lowercased() == call["g"].lowercased() else {
                            continue
                        }
                        items.append(try await resource(target, type))
                    }
                    return .list(items)
                }
            }
        }
        registerRelay(&routes)
    }

    /// The cluster of a call's path.
    static func target(_ core: Core, _ type: String, _ call: Call) throws -> ClusterTarget {
        let provider = type == "managedClusters" ? "Microsoft.ContainerService" : "Microsoft.Kubernetes"
        let id = "/subscriptions/\(call["s"])/resourceGroups/\(call["g"])/providers/\(provider)/\(type)/\(call["c"])"
        guard call["s"].lowercased() == core.connection.subscriptionId.lowercased(),
            let target = core.cluster(resourceID: id)
        else {
            let known = core.configuration.clusters.map { "'\($0.name)' in resource group '\($0.resourceGroup)'" }
            throw ARMError(
                404,
                "ResourceNotFound",
                "Cluster '\(call["c"])' was not found in resource group '\(call["g"])'. Known: "
                    + (known.isEmpty ? "none" : known.joined(separator: ", ")) + "."
            )
        }
        return target
    }

    static func id(_ core: Core, _ target: ClusterTarget, _ type: String) -> String {
        core.connection.clusterID(clusterType: type, resourceGroup: target.resourceGroup, clusterName: target.name)
    }

    private func resource(_ target: ClusterTarget, _ type: String) async throws -> JSON {
        let nodes: Int
        var version = ""
        do {
            let list = try await target.api.list(.nodes)
            nodes = list.items.count
            version = list.items.first?["status", "nodeInfo", "kubeletVersion"]?.stringValue ?? ""
        } catch {
            throw ARMError(
                503,
                "ClusterNotReachable",
                "The Kubernetes API of cluster '\(target.name)' does not answer: \(error)."
            )
        }
        var properties: [String: JSON] = [
            "provisioningState": "Succeeded", "distribution": .string(target.distribution),
            "kubernetesVersion": .string(version),
        ]
        if type == "managedClusters" {
            properties["agentPoolProfiles"] = .array([["name": "nodes", "count": JSON(nodes), "mode": "System"]])
            properties["powerState"] = ["code": "Running"]
        } else {
            properties["totalNodeCount"] = JSON(nodes)
            properties["connectivityStatus"] = "Connected"
            properties["agentPublicKeyCertificate"] = ""
        }
        let id = ClusterRoutes.id(core, target, type)
        return [
            "id": .string(id), "name": .string(target.name), "type": .string(ARMPath.type(of: id)),
            "location": .string(target.location), "properties": .object(properties), "tags": [:],
            "identity": ["type": "SystemAssigned"],
        ]
    }
}

extension ClusterRoutes {
    /// The relay is kept as documents: the client only wants a connection string to hand back as a protected setting.
    private func registerRelay(_ routes: inout RouteTable) {
        let core = core
        let namespace = ClusterRoutes.group + "Microsoft.Relay/namespaces/{n}"
        let connection = namespace + "/hybridConnections/{h}"
        let rule = connection + "/authorizationRules/{r}"
        for path in [namespace, connection, rule] {
            routes.get(path) { call in
                let document = try await core.store.read { t in try t.require(call.path, "Relay resource") }
                return .json(document.resource)
            }
            routes.put(path) { call in
                let body = try await call.json()
                let resource = try await core.store.write { t -> JSON in
                    var document =
                        try t.find(call.path)
                        ?? Document(
                            kind: .relay,
                            id: call.path,
                            parent: "",
                            name: ARMName.last(call.path),
                            body: body,
                            hidden: ["key": .string(RandomText.secret())]
                        )
                    document.body = body
                    document[property: "provisioningState"] = "Succeeded"
                    try t.put(&document)
                    return document.resource
                }
                return .json(resource)
            }
        }
        routes.post(rule + "/listKeys") { call in
            let id = String(call.path.dropLast("/listKeys".count))
            let document = try await core.store.read { t in try t.require(id, "Relay authorization rule") }
            let key = document.hidden["key"]?.stringValue ?? ""
            let text =
                "Endpoint=sb://\(call["n"]).servicebus.outrigger/;SharedAccessKeyName=\(call["r"]);SharedAccessKey=\(key);EntityPath=\(call["h"])"
            return .json([
                "primaryConnectionString": .string(text), "secondaryConnectionString": .string(text),
                "primaryKey": .string(key), "secondaryKey": .string(key), "keyName": .string(call["r"]),
            ])
        }
    }
}
