internal import KubeCore

/// The last report of each operation, kept in the cluster.
struct HealthStore: Sendable {
    let api: any ResourceAPI

    static let configMapName = "arcml-healthcheck"
    private static let manager = "outrigger-extension-health"

    static var reference: ObjectReference {
        ObjectReference(
            type: .configMaps,
            key: ObjectKey(namespace: ExtensionRenderer.namespace, name: configMapName)
        )
    }

    /// Reports of other operations stay.
    func write(_ report: HealthReport, labels: [String: String]) async throws {
        let key = Self.reference.key
        var metadata: [String: JSON] = ["name": .string(key.name), "labels": JSON(labels)]
        metadata["namespace"] = key.namespace.map(JSON.string)
        let data: JSON = [report.operation.reportKey: .string(report.json.prettyText)]
        let patch: JSON = ["metadata": .object(metadata), "data": data]
        let options = WriteOptions(fieldManager: Self.manager)
        do {
            try await api.patch(.configMaps, key, .merge(patch), options: options)
        } catch let error as APIError where error.isNotFound {
            let object = KubeObject(
                .configMaps,
                namespace: key.namespace,
                name: key.name,
                labels: labels,
                body: ["data": data]
            )
            try await api.create(.configMaps, object, options: options)
        }
    }
}
