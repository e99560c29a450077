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
        let answer = ClusterAnswer(core: core)
        let service = ClusterService(core: core)
        for (type, path) in ClusterRoutes.paths {
            routes.get(path) { call in .json(try await answer.resource(try ClusterRoutes.entry(core, type, call), type))
            }
            routes.put(path) { call in
                let body = try await call.json()
                let place = try service.place(call, type)
                let (document, isNew) =
                    type == "managedClusters"
                    ? try await service.putManaged(place, body: body)
                    : try await service.putConnected(place, body: body)
                return .json(try await ClusterRoutes.stored(document, answer), status: isNew ? 201 : 200)
            }
            routes.patch(path) { call in
                let body = try await call.json()
                let document = try await service.patch(try service.place(call, type), body: body)
                return .json(try await ClusterRoutes.stored(document, answer))
            }
            routes.delete(path) { call in
                let place = try service.place(call, type)
                let force = call.query.flag("force") || call.query.flag("forceDelete")
                return try await service.delete(place, force: force) ? Reply(200) : .noContent
            }
            let list = String(path.dropLast("/{c}".count))
            for address in [list, list.replacing("/resourceGroups/{g}", with: "")] {
                routes.get(address) { call in
                    var items: [JSON] = []
                    for entry in core.clusters.entries where entry.target.clusterTypes.contains(type) {
                        guard call["g"].isEmpty || entry.target.resourceGroup.lowercased() == call["g"].lowercased()
                        else { continue }
                        do {
                            items.append(try await answer.resource(entry, type))
                        } catch let error as ARMError where error.status == 404 {
                            // Deleted while the list was made.
                            continue
                        }
                    }
                    return .list(items)
                }
            }
        }
        registerRelay(&routes)
    }

    private static func stored(_ document: Document, _ answer: ClusterAnswer) async throws -> JSON {
        let record = try await answer.core.store.read { t in try ClusterHeartbeats.record(t, cluster: document.id) }
        let isManaged = ARMPath.value(of: "managedClusters", in: document.id) != nil
        return answer.registered(document, record, isManaged: isManaged)
    }

    /// The cluster of a call's path.
    static func target(_ core: Core, _ type: String, _ call: Call) throws -> ClusterTarget {
        try entry(core, type, call).target
    }

    static func entry(_ core: Core, _ type: String, _ call: Call) throws -> ClusterDirectory.Entry {
        let provider = type == "managedClusters" ? "Microsoft.ContainerService" : "Microsoft.Kubernetes"
        let id = "/subscriptions/\(call["s"])/resourceGroups/\(call["g"])/providers/\(provider)/\(type)/\(call["c"])"
        guard call["s"].lowercased() == core.connection.subscriptionId.lowercased(),
            let entry = core.clusters.entry(resourceID: id)
        else {
            let known = core.clusters.targets.map { "'\($0.name)' in resource group '\($0.resourceGroup)'" }
            throw ARMError(
                404,
                "ResourceNotFound",
                "Cluster '\(call["c"])' was not found in resource group '\(call["g"])'. Known: "
                    + (known.isEmpty ? "none" : known.joined(separator: ", ")) + "."
            )
        }
        return entry
    }

    static func id(_ core: Core, _ target: ClusterTarget, _ type: String) -> String {
        core.connection.clusterID(clusterType: type, resourceGroup: target.resourceGroup, clusterName: target.name)
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
