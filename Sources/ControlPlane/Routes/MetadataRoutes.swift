internal import KubeCore

/// What clients ask before they have a token: how this cloud is called and where its parts are.
struct MetadataRoutes {
    let core: Core

    func register(_ routes: inout RouteTable) {
        let core = core
        routes.get("/metadata/endpoints", access: .open) { call in
            let description = MetadataRoutes.cloud(core.publicURL)
            // From 2022-09-01 on clients expect one object, before that a list.
            let isObject = (call.query["api-version"] ?? "") >= "2022-09-01"
            return .json(isObject ? description : .array([description]))
        }
        routes.get("/discovery/workspaces/{id}", access: .open) { _ in .json(MetadataRoutes.services(core.publicURL)) }
        routes.get("/discovery", access: .open) { _ in .json(MetadataRoutes.services(core.publicURL)) }
        for path in ["/healthz", "/readyz", "/livez"] {
            routes.get(path, access: .open) { _ in
                _ = try await core.store.read { t in try t.setting("signature") }
                return .text("ok")
            }
        }
        routes.get("/version", access: .open) { _ in
            .json(["name": "outrigger", "version": .string(core.configuration.version)])
        }
    }

    private static func cloud(_ url: String) -> JSON {
        let none = JSON.string(url)
        return [
            "name": "Outrigger", "portal": none, "resourceManager": .string(url + "/"),
            "authentication": [
                "loginEndpoint": .string(url + "/"), "audiences": .array([.string(url + "/")]), "tenant": "common",
                "identityProvider": "AAD",
            ],
            "suffixes": [
                "storage": .string(BlobAddress.suffix), "keyVaultDns": "vault.outrigger",
                "acrLoginServer": "registry.outrigger",
            ],
            "graphAudience": none, "graph": none, "batch": none, "media": none, "gallery": none, "sqlManagement": none,
            "activeDirectoryDataLake": none, "vmImageAliasDoc": none, "logAnalyticsResourceId": none,
            "ossrDbmsResourceId": none,
        ]
    }

    private static func services(_ url: String) -> JSON {
        let text = JSON.string(url)
        return ["api": text, "history": text, "catalog": text, "studio": text]
    }
}
