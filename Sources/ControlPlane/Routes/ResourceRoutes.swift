internal import ControlPlaneAPI
internal import KubeCore

/// The plain ARM resources that clients look at on their way: tenants, subscriptions, groups, providers, deployments.
struct ResourceRoutes {
    let core: Core

    func register(_ routes: inout RouteTable) {
        let core = core
        let connection = core.connection
        routes.get("/tenants") { _ in
            .list([
                [
                    "id": .string("/tenants/\(connection.tenant)"), "tenantId": .string(connection.tenant),
                    "displayName": "Outrigger", "countryCode": "", "defaultDomain": "outrigger",
                ]
            ])
        }
        routes.get("/subscriptions") { _ in .list([subscription()]) }
        routes.get("/subscriptions/{s}") { call in
            try check(call)
            return .json(subscription())
        }
        routes.get("/subscriptions/{s}/locations") { _ in
            .list([["name": .string(core.configuration.location), "displayName": .string(core.configuration.location)]])
        }
        routes.get("/subscriptions/{s}/resourceGroups") { call in
            try check(call)
            return .list(groups().map(group))
        }
        routes.get("/subscriptions/{s}/resourceGroups/{g}") { call in .json(group(try known(call))) }
        routes.head("/subscriptions/{s}/resourceGroups/{g}") { call in
            _ = try known(call)
            return .noContent
        }
        routes.get("/subscriptions/{s}/resourceGroups/{g}/resources") { call in
            _ = try known(call)
            return .list([])
        }
        routes.get("/subscriptions/{s}/resources") { _ in .list([]) }
        routes.get("/subscriptions/{s}/providers") { _ in .list(Self.providers.keys.sorted().map(provider)) }
        routes.get("/subscriptions/{s}/providers/{p}") { call in .json(provider(call["p"])) }
        routes.post("/subscriptions/{s}/providers/{p}/register") { call in .json(provider(call["p"])) }
        routes.get("/subscriptions/{s}/providers/{p}/operations") { _ in .list([]) }
    }

    private func check(_ call: Call) throws {
        guard call["s"].lowercased() == core.connection.subscriptionId.lowercased() else {
            throw ARMError(
                404,
                "SubscriptionNotFound",
                "The subscription '\(call["s"])' could not be found; this instance has '\(core.connection.subscriptionId)'."
            )
        }
    }

    private func groups() -> [String] {
        var names = [core.connection.resourceGroup]
        for target in core.clusters.targets
        where !names.contains(where: { $0.lowercased() == target.resourceGroup.lowercased() }) {
            names.append(target.resourceGroup)
        }
        return names
    }

    private func known(_ call: Call) throws -> String {
        try check(call)
        guard let name = groups().first(where: { $0.lowercased() == call["g"].lowercased() }) else {
            throw ARMError(
                404,
                "ResourceGroupNotFound",
                "Resource group '\(call["g"])' could not be found; there are \(groups().joined(separator: ", "))."
            )
        }
        return name
    }

    private func subscription() -> JSON {
        let connection = core.connection
        return [
            "id": .string("/subscriptions/\(connection.subscriptionId)"),
            "subscriptionId": .string(connection.subscriptionId), "displayName": "Outrigger", "state": "Enabled",
            "tenantId": .string(connection.tenant), "managedByTenants": [], "authorizationSource": "RoleBased",
            "subscriptionPolicies": [
                "locationPlacementId": "Public", "quotaId": "Outrigger", "spendingLimit": "Off",
            ],
        ]
    }

    private func group(_ name: String) -> JSON {
        [
            "id": .string("/subscriptions/\(core.connection.subscriptionId)/resourceGroups/\(name)"),
            "name": .string(name), "type": "Microsoft.Resources/resourceGroups",
            "location": .string(core.configuration.location), "properties": ["provisioningState": "Succeeded"],
        ]
    }

    static let providers: [String: [String]] = [
        "Microsoft.KubernetesConfiguration": ["extensions"], "Microsoft.Kubernetes": ["connectedClusters"],
        "Microsoft.ContainerService": ["managedClusters"], "Microsoft.MachineLearningServices": ["workspaces"],
        "Microsoft.Relay": ["namespaces"], "Microsoft.Resources": ["resourceGroups", "deployments"],
    ]

    private func provider(_ name: String) -> JSON {
        let known = Self.providers.first { $0.key.lowercased() == name.lowercased() }
        let types = (known?.value ?? []).map { type -> JSON in
            [
                "resourceType": .string(type), "locations": .array([.string(core.configuration.location)]),
                "apiVersions": ["2025-03-01", "2023-05-01", "2022-11-01", "2021-10-01"], "capabilities": "None",
            ]
        }
        return [
            "id": .string("/subscriptions/\(core.connection.subscriptionId)/providers/\(known?.key ?? name)"),
            "namespace": .string(known?.key ?? name),
            "registrationState": known == nil ? "NotRegistered" : "Registered", "resourceTypes": .array(types),
        ]
    }
}
