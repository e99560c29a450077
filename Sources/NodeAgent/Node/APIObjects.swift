internal import Foundation
internal import KubeCore

/// Objects that pods refer to, read through the API and kept for a moment, so that a pod with ten references to one
/// ConfigMap reads it once.
actor APIObjects: PodObjects {
    private struct Key: Hashable {
        var type: ResourceType
        var key: ObjectKey
    }

    private let api: any ResourceAPI
    private let lifetime: TimeInterval
    private var objects: [Key: (object: KubeObject?, readAt: Date)] = [:]
    private var services: [String: (list: [KubeObject], readAt: Date)] = [:]

    init(api: any ResourceAPI, lifetime: TimeInterval = 1) {
        self.api = api
        self.lifetime = lifetime
    }

    func configMap(namespace: String, name: String) async throws -> KubeObject? {
        try await find(.configMaps, ObjectKey(namespace: namespace, name: name))
    }

    func secret(namespace: String, name: String) async throws -> KubeObject? {
        try await find(.secrets, ObjectKey(namespace: namespace, name: name))
    }

    func services(namespace: String) async throws -> [KubeObject] {
        if let known = services[namespace], -known.readAt.timeIntervalSinceNow < lifetime { return known.list }
        services = services.filter { -$0.value.readAt.timeIntervalSinceNow < lifetime }
        var list = try await api.list(.services, namespace: namespace).items
        if namespace != "default",
            let kubernetes = try await api.find(.services, namespace: "default", name: "kubernetes")
        {
            list.append(kubernetes)
        }
        services[namespace] = (list, .now)
        return list
    }

    private func find(_ type: ResourceType, _ key: ObjectKey) async throws -> KubeObject? {
        let id = Key(type: type, key: key)
        if let known = objects[id], -known.readAt.timeIntervalSinceNow < lifetime { return known.object }
        objects = objects.filter { -$0.value.readAt.timeIntervalSinceNow < lifetime }
        let object = try await api.find(type, namespace: key.namespace, name: key.name)
        objects[id] = (object, .now)
        return object
    }
}
