internal import KubeCore

/// Checks that turn what a client sent into an object of the kind.
extension Registry {
    /// Checks apiVersion, kind and namespace, applies field validation, drops unknown fields and fills in defaults.
    ///
    /// - Throws: 400 for a body that is no such object.
    func decode(
        _ resource: Resource,
        _ namespace: String,
        _ body: KubeObject,
        _ options: WriteOptions
    ) throws(APIError) -> KubeObject {
        guard case .object = body.json else {
            throw APIError.badRequest("the body must be an object, not \(body.json.text.prefix(40))")
        }
        let type = resource.type
        var object = body
        try Registry.checkIdentity(type, &object)
        if type.isNamespaced {
            if let given = object.namespace, !given.isEmpty, given != namespace {
                throw APIError.badRequest(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
            }
            object.namespace = namespace
        } else {
            object.namespace = nil
        }
        try validateFields(resource, object, options)
        resource.kind.schema.prune(&object.json)
        if !resource.kind.isCustom, let error = resource.kind.schema.typeError(object.json) {
            throw APIError.badRequest(
                "\(type.kind) in version \"\(type.version)\" cannot be handled as a \(type.kind): \(error)"
            )
        }
        resource.kind.schema.applyDefaults(&object.json)
        return object
    }

    private static func checkIdentity(_ type: ResourceType, _ object: inout KubeObject) throws(APIError) {
        // Clients leave both out when the address says them already.
        if object.apiVersion.isEmpty { object["apiVersion"] = .string(type.apiVersion) }
        if object.kind.isEmpty { object["kind"] = .string(type.kind) }
        guard object.apiVersion == type.apiVersion else {
            throw APIError.badRequest(
                "the API version in the data (\(object.apiVersion)) does not match the expected API version (\(type.apiVersion))"
            )
        }
        guard object.kind == type.kind else {
            throw APIError.badRequest(
                "the kind in the data (\(object.kind)) does not match the expected kind (\(type.kind))"
            )
        }
        if object["metadata"]?.objectValue == nil {
            guard object["metadata"]?.isNull ?? true else {
                throw APIError.badRequest("metadata must be an object")
            }
            object["metadata"] = [:]
        }
    }

    private func validateFields(_ resource: Resource, _ object: KubeObject, _ options: WriteOptions) throws(APIError) {
        let mode = options.fieldValidation ?? "Warn"
        guard ["Strict", "Warn", "Ignore"].contains(mode) else {
            throw APIError.invalid(
                ResourceType(group: "meta.k8s.io", version: "v1", plural: "createoptions", kind: "CreateOptions"),
                "",
                [
                    FieldError(
                        "fieldValidation",
                        .notSupported,
                        #"supported values: "Ignore", "Strict", "Warn""#,
                        badValue: .string(mode)
                    )
                ]
            )
        }
        if mode == "Ignore" { return }
        // In-process callers get no warnings, so the walk would be for nothing.
        if mode == "Warn", RequestScope.current == nil { return }
        let duplicates = (RequestScope.current?.duplicateFields ?? []).map { "duplicate field \"\($0)\"" }
        let unknown = resource.kind.schema.unknownFields(object.json).map { "unknown field \"\($0)\"" }
        let problems = duplicates + unknown
        if problems.isEmpty { return }
        if mode == "Warn" {
            for problem in problems { RequestScope.current?.warn(problem) }
            return
        }
        let kind = resource.type.kind
        throw APIError.badRequest(
            "\(kind) in version \"\(resource.type.version)\" cannot be handled as a \(kind): strict decoding error: "
                + problems.joined(separator: ", ")
        )
    }

    /// The status of built-in kinds before anything was observed, where it is more than empty.
    static let emptyStatus: [String: JSON] = [
        "replicasets.apps": ["replicas": 0], "replicationcontrollers": ["replicas": 0],
        "statefulsets.apps": ["replicas": 0, "availableReplicas": 0],
        "daemonsets.apps": [
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
        ],
        "poddisruptionbudgets.policy": [
            "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0,
        ],
        "ingresses.networking.k8s.io": ["loadBalancer": [:]],
        "horizontalpodautoscalers.autoscaling": ["desiredReplicas": 0, "currentMetrics": .null],
    ]

    /// The object without what only a subresource or the server may set.
    func withoutStatus(_ resource: Resource, _ object: KubeObject) -> KubeObject {
        guard resource.kind.hasStatus else { return object }
        var object = object
        object["status"] = nil
        return object
    }

    /// Everything that is wrong with the object by schema and strategy.
    func errors(
        _ resource: Resource,
        _ object: KubeObject,
        old: KubeObject?,
        _ context: StrategyContext
    ) -> [FieldError] {
        var errors = MetadataRules.errors(object, rule: resource.strategy.nameRule, old: old)
        if resource.kind.isCustom { errors += resource.kind.schema.validate(object.json, old: old?.json) }
        // A status write leaves the rest as it was checked before.
        if context.subresource != "status" { errors += resource.strategy.validate(object, context) }
        if let old { errors += resource.strategy.validateUpdate(object, old: old, context) }
        var seen: Set<String> = []
        return errors.filter { seen.insert($0.path + "|" + $0.reason.rawValue + "|" + $0.detail).inserted }
    }
}
