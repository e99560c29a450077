internal import KubeCore
internal import KubeStore

/// The `autoscaling/v1` Scale that stands for a scalable object.
enum Scale {
    static let type = ResourceType(group: "autoscaling", version: "v1", plural: "scales", kind: "Scale")

    /// - Throws: 404 when the kind has no scale.
    static func object(_ resource: Resource, _ object: KubeObject) throws(APIError) -> KubeObject {
        guard resource.kind.hasScale else { throw Registry.notServed }
        var metadata: [String: JSON] = ["name": .string(object.name)]
        for field in ["namespace", "uid", "resourceVersion", "creationTimestamp"] {
            metadata[field] = object["metadata", field]
        }
        let paths = paths(resource)
        var status: [String: JSON] = [
            "replicas": object.json[path: path(paths.statusReplicas)] ?? 0
        ]
        if let selector = selector(resource, object, paths) { status["selector"] = .string(selector) }
        let replicas = object.json[path: path(paths.specReplicas)]
        var spec: [String: JSON] = [:]
        if let replicas { spec["replicas"] = replicas }
        let json: JSON = [
            "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": .object(metadata), "spec": .object(spec),
            "status": .object(status),
        ]
        return KubeObject(json)
    }

    private static func paths(_ resource: Resource) -> Kind.ScalePaths {
        resource.kind.scalePaths
            ?? Kind.ScalePaths(specReplicas: ".spec.replicas", statusReplicas: ".status.replicas")
    }

    static func path(_ text: String) -> [String] { text.split(separator: ".").map(String.init) }

    private static func selector(_ resource: Resource, _ object: KubeObject, _ paths: Kind.ScalePaths) -> String? {
        if resource.kind.isCustom {
            guard let selectorPath = paths.labelSelector else { return nil }
            return object.json[path: path(selectorPath)]?.stringValue
        }
        let selector = object["spec", "selector"]
        if resource.storage == "replicationcontrollers" {
            return LabelSelector(matching: selector?.stringMap ?? [:]).description
        }
        return (try? LabelSelector(selector))?.description
    }

    /// Writes the scale's replicas into the object.
    static func write(_ scale: KubeObject, _ resource: Resource, into object: KubeObject) throws(APIError) -> KubeObject
    {
        guard scale.kind == "Scale" || scale.kind.isEmpty else {
            throw APIError.badRequest("expected a Scale, got \(scale.kind)")
        }
        guard let replicas = scale["spec", "replicas"]?.intValue ?? (scale["spec", "replicas"] == nil ? 0 : nil) else {
            throw APIError.badRequest("spec.replicas must be an integer")
        }
        guard replicas >= 0 else {
            throw APIError.invalid(
                type,
                object.name,
                [
                    FieldError(
                        "spec.replicas",
                        .invalid,
                        "must be greater than or equal to 0",
                        badValue: JSON(replicas)
                    )
                ]
            )
        }
        var result = object
        result.json[path: path(paths(resource).specReplicas)] = JSON(replicas)
        result.resourceVersion = scale.resourceVersion
        if let uid = scale["metadata", "uid"] { result["metadata", "uid"] = uid }
        return result
    }
}

extension Registry {
    /// Changes `spec.replicas` through the scale subresource; answers the Scale.
    func updateScale(
        _ resource: Resource,
        _ namespace: String,
        _ name: String,
        _ options: WriteOptions,
        transform: (KubeObject) async throws -> KubeObject
    ) async throws -> KubeObject {
        guard resource.kind.hasScale else { throw notServed("scale", resource) }
        let context = context(
            resource,
            subresource: "scale",
            dryRun: options.dryRun,
            fieldManager: options.fieldManager
        )
        // The hook is asked about the Scale, not about the object behind it.
        let changed = try await change(resource, namespace, name, nil, options, isHookAsked: false) { current in
            let before = try Scale.object(resource, current)
            let scale = try await self.admitForeign(
                try await transform(before),
                old: before,
                operation: .update,
                resource,
                namespace: namespace,
                name: name,
                context
            )
            return try Scale.write(scale, resource, into: current)
        }
        return try Scale.object(resource, changed)
    }
}
