internal import ControlPlaneAPI
internal import KubeCore

/// Which extension a cluster belongs to: there can be one only, and several agents may look after the same cluster.
///
/// A ConfigMap that only one of them can create.
struct ClusterClaim: Sendable, Hashable {
    var clusterType: String
    var resourceGroup: String
    var clusterName: String
    var name: String

    static let configMapName = "outrigger-extension"
    static var reference: ObjectReference {
        ObjectReference(
            type: .configMaps,
            key: ObjectKey(namespace: ExtensionRenderer.namespace, name: configMapName)
        )
    }

    init(_ desired: DesiredExtension) {
        clusterType = desired.clusterType
        resourceGroup = desired.resourceGroup
        clusterName = desired.clusterName
        name = desired.name
    }

    private init?(_ object: KubeObject) {
        guard let data = object["data"]?.stringMap, let name = data["name"], let type = data["clusterType"] else {
            return nil
        }
        self.name = name
        clusterType = type
        resourceGroup = data["resourceGroup"] ?? ""
        clusterName = data["clusterName"] ?? ""
    }

    /// Letter case means nothing in these names.
    func isSame(as other: ClusterClaim) -> Bool {
        func folded(_ claim: ClusterClaim) -> [String] {
            [claim.clusterType, claim.resourceGroup, claim.clusterName, claim.name].map { $0.lowercased() }
        }
        return folded(self) == folded(other)
    }

    /// Whose the cluster is; nil when it is nobody's.
    static func holder(_ api: any ResourceAPI) async throws -> ClusterClaim? {
        try await api.find(.configMaps, namespace: ExtensionRenderer.namespace, name: configMapName)
            .flatMap { $0.isTerminating ? nil : ClusterClaim($0) }
    }

    /// Takes the cluster unless another has it; the other one then, or nil.
    func take(_ api: any ResourceAPI, labels: [String: String]) async throws -> ClusterClaim? {
        if let holder = try await Self.holder(api) { return isSame(as: holder) ? nil : holder }
        if let earlier = try await earlierHolder(api) { return earlier }
        let namespace = ExtensionRenderer.namespace
        if try await api.find(.namespaces, name: namespace) == nil {
            do {
                // Without the name of an extension: which one it will be is not settled yet.
                try await api.create(.namespaces, KubeObject(.namespaces, name: namespace))
            } catch let error as APIError where error.isAlreadyExists {}
        }
        let data = [
            "clusterType": clusterType, "resourceGroup": resourceGroup, "clusterName": clusterName, "name": name,
        ]
        let object = KubeObject(
            .configMaps,
            namespace: namespace,
            name: Self.configMapName,
            labels: labels,
            body: ["data": JSON(data)]
        )
        do {
            try await api.create(
                .configMaps,
                object,
                options: WriteOptions(fieldManager: ExtensionRenderer.fieldManager)
            )
            return nil
        } catch let error as APIError where error.isAlreadyExists {
            guard let holder = try await Self.holder(api) else { throw error }
            return isSame(as: holder) ? nil : holder
        }
    }

    /// An extension that was installed when there were no claims yet.
    private func earlierHolder(_ api: any ResourceAPI) async throws -> ClusterClaim? {
        guard let namespace = try await api.find(.namespaces, name: ExtensionRenderer.namespace),
            namespace.labels[ExtensionRenderer.managedByLabel] == ExtensionRenderer.fieldManager,
            let name = namespace.labels[ExtensionRenderer.instanceLabel],
            let inventory = try await Inventory.read(name, api)
        else { return nil }
        var holder = self
        holder.name = name
        holder.clusterType = inventory.clusterType ?? clusterType
        return isSame(as: holder) ? nil : holder
    }

    var problem: SettingProblem {
        SettingProblem(
            .alreadyInstalled,
            "name",
            "extension '\(name)' (\(clusterType) \(resourceGroup)/\(clusterName)) is on this cluster already, and there can be one only",
            remedy:
                "Delete it first, or update it; if its control plane is no more, remove ConfigMap \(Self.reference.key) and this extension takes the cluster over"
        )
    }
}
