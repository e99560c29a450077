internal import ControlPlaneAPI
internal import KubeCore

/// Workspaces and their datastores.
struct WorkspaceService: Sendable {
    let core: Core

    static func id(subscription: String, group: String, name: String) -> String {
        "/subscriptions/\(subscription)/resourceGroups/\(group)/providers/Microsoft.MachineLearningServices/workspaces/\(name)"
    }

    static func parent(subscription: String, group: String) -> String {
        "/subscriptions/\(subscription)/resourceGroups/\(group)".lowercased()
    }

    /// The instance's own workspace exists from the first start.
    func ensureDefault() async throws {
        let connection = core.connection
        _ = try await create(
            subscription: connection.subscriptionId,
            group: connection.resourceGroup,
            name: connection.workspace,
            body: .object([:]),
            isDefault: true
        )
    }

    /// Creates a workspace or updates what may change; the second value says whether it is new.
    func create(
        subscription: String,
        group: String,
        name: String,
        body: JSON,
        isDefault: Bool = false
    ) async throws
        -> (document: Document, isNew: Bool)
    {
        try WorkspaceService.checkName(name)
        let id = WorkspaceService.id(subscription: subscription, group: group, name: name)
        let core = core
        return try await core.store.write { t in
            if var known = try t.find(id) {
                guard !isDefault else { return (known, false) }
                WorkspaceService.merge(body, into: &known)
                try t.put(&known)
                return (known, false)
            }
            let tag = isDefault ? "" : "-" + String(RandomText.sha256(id.lowercased()).prefix(12))
            var document = Document(
                kind: .workspace,
                id: id,
                parent: WorkspaceService.parent(subscription: subscription, group: group),
                name: name,
                body: ["properties": [:], "tags": [:]],
                hidden: [
                    "artifactContainer": .string("azureml" + tag), "blobContainer": .string("azureml-blobstore" + tag),
                ]
            )
            document[property: "workspaceId"] = .string(RandomText.uuid(of: id.lowercased()))
            document[property: "friendlyName"] = .string(name)
            WorkspaceService.merge(body, into: &document)
            try t.put(&document)
            try WorkspaceService.addDatastores(t, Scope(document))
            _ = try t.ensureExperiment(Scope(document).key, name: "Default")
            return (document, true)
        }
    }

    func update(_ scope: Scope, _ body: JSON) async throws -> Document {
        try await core.store.write { t in
            var document = try t.require(scope.id, "Workspace")
            WorkspaceService.merge(body, into: &document)
            try t.put(&document)
            return document
        }
    }

    func delete(_ scope: Scope) async throws {
        guard scope.key != core.connection.workspaceID.lowercased() else {
            throw ARMError.conflict(
                "WorkspaceInUse",
                "Workspace '\(scope.name)' belongs to the instance itself; stop the instance to remove it."
            )
        }
        try await core.store.write { t in
            for kind in [DocumentKind.onlineEndpoint, .job] {
                let left = try t.list(kind, parent: scope.id).filter { !JobState.isEnded($0) }
                guard left.isEmpty else {
                    throw ARMError.conflict(
                        "WorkspaceInUse",
                        "Workspace '\(scope.name)' still has \(left.count) active items of kind \(kind.rawValue), such as '\(left[0].name)'; end or delete them first."
                    )
                }
            }
            for kind in DocumentKind.allCases {
                for document in try t.list(kind, parent: scope.id) { try t.remove(document.id) }
            }
            try t.remove(scope.id)
        }
    }

    /// Tags replace as a whole; of the properties only those a user may set are taken.
    private static func merge(_ body: JSON, into document: inout Document) {
        if let tags = body["tags"]?.stringMap { document.body["tags"] = JSON(tags) }
        if let identity = body["identity"] { document.body["identity"] = identity }
        let settable = [
            "description", "friendlyName", "publicNetworkAccess", "imageBuildCompute", "primaryUserAssignedIdentity",
            "systemDatastoresAuthMode", "hbiWorkspace",
        ]
        for key in settable {
            if let value = body[path: "properties", key], !value.isNull { document[property: key] = value }
        }
    }

    /// The workspace as answered; addresses are not stored because the port may change between starts.
    func resource(_ document: Document) -> JSON {
        var resource = document.resource
        let scope = Scope(document)
        resource["location"] = .string(core.configuration.location)
        resource["identity"] = resource["identity"] ?? ["type": "SystemAssigned"]
        resource["sku"] = ["name": "Basic", "tier": "Basic"]
        var properties = resource["properties"] ?? .object([:])
        let base = "/subscriptions/\(scope.subscription)/resourceGroups/\(scope.resourceGroup)/providers/"
        let fixed: [String: JSON] = [
            "provisioningState": "Succeeded",
            "discoveryUrl": .string(core.publicURL + "/discovery/workspaces/" + scope.workspaceID),
            "mlFlowTrackingUri": .string("azureml://" + core.authority + "/mlflow/v1.0" + scope.id),
            "storageAccount": .string(base + "Microsoft.Storage/storageAccounts/store"),
            "keyVault": .string(base + "Microsoft.KeyVault/vaults/outrigger"),
            "applicationInsights": .null, "containerRegistry": .null,
            "hbiWorkspace": properties["hbiWorkspace"] ?? false,
            "publicNetworkAccess": properties["publicNetworkAccess"] ?? "Enabled", "v1LegacyMode": false,
            "tenantId": .string(core.connection.tenant),
        ]
        for (key, value) in fixed { properties[key] = value }
        resource["properties"] = properties
        return resource
    }

    private static func checkName(_ name: String) throws {
        let fits = name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
        guard fits, (2...64).contains(name.count) else {
            throw ARMError.invalid(
                "name",
                "Workspace name '\(name)' is not allowed; use 2 to 64 letters, digits, '-' and '_'."
            )
        }
    }

    private static func addDatastores(_ t: Transaction, _ scope: Scope) throws {
        let stores = [
            ("workspaceblobstore", scope.blobContainer, true),
            ("workspaceartifactstore", scope.artifactContainer, false),
        ]
        for (name, container, isDefault) in stores {
            var document = Document(
                kind: .datastore,
                id: scope.id + "/datastores/" + name,
                parent: scope.id,
                name: name,
                body: [
                    "properties": [
                        "datastoreType": "AzureBlob", "containerName": .string(container),
                        "isDefault": .bool(isDefault),
                        "protocol": "https", "credentials": ["credentialsType": "Sas"],
                    ]
                ],
                hidden: ["isBuiltIn": true]
            )
            try t.put(&document)
        }
    }
}
