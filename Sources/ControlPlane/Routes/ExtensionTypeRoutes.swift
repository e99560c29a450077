internal import ControlPlaneAPI
internal import KubeCore

/// `Microsoft.KubernetesConfiguration/extensionTypes`: what can be installed, by cluster and by location.
struct ExtensionTypeRoutes {
    /// As extension types are named in addresses and answers.
    static let name = "microsoft.azureml.kubernetes"

    let core: Core

    func register(_ routes: inout RouteTable) {
        let core = core
        for (type, cluster) in ClusterRoutes.paths {
            register(&routes, cluster + ExtensionRoutes.provider) { call in
                ClusterRoutes.id(core, try ClusterRoutes.target(core, type, call), type) + ExtensionRoutes.provider
            }
        }
        let location = "/subscriptions/{s}" + ExtensionRoutes.provider + "/locations/{l}"
        register(&routes, location) { call in
            guard call["s"].lowercased() == core.connection.subscriptionId.lowercased() else {
                throw ARMError(
                    404,
                    "SubscriptionNotFound",
                    "Subscription '\(call["s"])' was not found; this control plane's is \(core.connection.subscriptionId)."
                )
            }
            return "/subscriptions/\(core.connection.subscriptionId)\(ExtensionRoutes.provider)/locations/\(call["l"])"
        }
    }

    /// `base` answers the ARM id before `/extensionTypes`.
    private func register(
        _ routes: inout RouteTable,
        _ path: String,
        base: @escaping @Sendable (Call) throws -> String
    ) {
        let list = path + "/extensionTypes"
        routes.get(list) { call in
            try ExtensionRoutes.checkVersion(call)
            return .list([typeResource(try base(call))])
        }
        routes.get(list + "/{t}") { call in
            try ExtensionRoutes.checkVersion(call)
            try Self.checkType(call)
            return .json(typeResource(try base(call)))
        }
        routes.get(list + "/{t}/versions") { call in
            try ExtensionRoutes.checkVersion(call)
            try Self.checkType(call)
            let base = try base(call)
            return .list(try selected(call).map { Self.versionResource(base, $0) })
        }
        routes.get(list + "/{t}/versions/{v}") { call in
            try ExtensionRoutes.checkVersion(call)
            try Self.checkType(call)
            let versions = ExtensionVersions(core.configuration)
            guard let version = versions.find(call["v"]) else {
                throw ARMError(
                    404,
                    "ExtensionTypeVersionNotFound",
                    "Version '\(call["v"])' of \(ExtensionRecord.type) does not exist; there are \(versions.all.map(\.version).joined(separator: ", "))."
                )
            }
            return .json(Self.versionResource(try base(call), version))
        }
    }

    private static func checkType(_ call: Call) throws(ARMError) {
        guard call["t"].lowercased() == name else {
            throw ARMError(
                404,
                "ExtensionTypeNotFound",
                "Extension type '\(call["t"])' is not offered; the only one is \(ExtensionRecord.type)."
            )
        }
    }

    /// The versions that `releaseTrain`, `majorVersion` and `showLatest` leave, newest first.
    private func selected(_ call: Call) throws(ARMError) -> [ExtensionVersion] {
        let versions = ExtensionVersions(core.configuration)
        var found = versions.all
        if let train = call.query["releaseTrain"], !train.isEmpty {
            found = versions.versions(ofTrain: try versions.train(train))
        }
        if let text = call.query["majorVersion"], !text.isEmpty {
            guard let major = Int(text) else {
                throw ARMError.invalid("majorVersion", "majorVersion is '\(text)'; send a whole number.")
            }
            found = found.filter { VersionNumber($0.version)?.major == major }
        }
        return call.query.flag("showLatest") ? Array(found.prefix(1)) : found
    }

    private func typeResource(_ base: String) -> JSON {
        let id = base + "/extensionTypes/" + Self.name
        let scopes: JSON = [
            "defaultScope": "cluster",
            "clusterScopeSettings": [
                "id": .string(id + "/clusterScopeSettings"), "name": "clusterScopeSettings",
                "type": "Microsoft.KubernetesConfiguration/extensionTypes/clusterScopeSettings",
                "properties": ["allowMultipleInstances": false, "defaultReleaseNamespace": "azureml"],
            ],
        ]
        let properties: [String: JSON] = [
            "isSystemExtension": false, "isManagedIdentityRequired": false, "publisher": "Outrigger",
            "description": "Trains and serves machine-learning models on a Kubernetes cluster.",
            "planInfo": .null, "supportedClusterTypes": Self.clusterTypes, "supportedScopes": scopes,
            "releaseTrains": JSON(ExtensionVersions(core.configuration).trains),
        ]
        return Self.resource(id, Self.name, "extensionTypes", .object(properties))
    }

    private static func versionResource(_ base: String, _ version: ExtensionVersion) -> JSON {
        let none: JSON = []
        let properties: [String: JSON] = [
            "version": .string(version.version), "releaseTrain": .string(version.releaseTrain),
            "supportedClusterTypes": clusterTypes,
            "unsupportedKubernetesVersions": [
                "connectedCluster": none, "appliances": none, "provisionedCluster": none, "managedCluster": none,
            ],
        ]
        let id = base + "/extensionTypes/" + name + "/versions/" + version.version
        return resource(id, version.version, "extensionTypes/versions", .object(properties))
    }

    private static let clusterTypes: JSON = ["connectedClusters", "managedClusters"]

    private static func resource(_ id: String, _ name: String, _ type: String, _ properties: JSON) -> JSON {
        [
            "id": .string(id), "name": .string(name), "type": .string("Microsoft.KubernetesConfiguration/" + type),
            "properties": properties,
        ]
    }
}
