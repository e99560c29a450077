internal import ControlPlaneAPI
internal import KubeCore

/// Wanted extensions and what agents report about them.
struct ExtensionService: Sendable {
    let core: Core

    /// `…/providers/Microsoft.KubernetesConfiguration/extensions/NAME` of a cluster.
    static func id(cluster: String, name: String) -> String {
        cluster + "/providers/Microsoft.KubernetesConfiguration/extensions/" + name
    }

    /// Stores what a PUT wants; returns the document, whether it is new, and the operation's id.
    func put(
        cluster: String,
        type: String,
        target: ClusterTarget,
        name: String,
        body: JSON
    ) async throws
        -> (document: Document, isNew: Bool, operation: String)
    {
        try ExtensionService.checkName(name)
        let properties = body["properties"] ?? .object([:])
        guard let extensionType = properties["extensionType"]?.stringValue, !extensionType.isEmpty else {
            throw ARMError.invalid(
                "properties.extensionType",
                "Extension '\(name)' names no extensionType; set Microsoft.AzureML.Kubernetes."
            )
        }
        guard extensionType.lowercased() == "microsoft.azureml.kubernetes" else {
            throw ARMError.invalid(
                "properties.extensionType",
                "Extension '\(name)': type '\(extensionType)' is not offered; the only one is Microsoft.AzureML.Kubernetes."
            )
        }
        let validate = core.configuration.validateExtension
        let id = ExtensionService.id(cluster: cluster, name: name)
        return try await core.store.write { t in
            let old = try t.find(id)
            try ExtensionService.refuseSecondInstall(t, target: target, id: id)
            if let old, old[property: "provisioningState"]?.stringValue == "Deleting" {
                throw ARMError.conflict(
                    "OperationInProgress",
                    "Extension '\(name)' is being deleted; wait until it is gone."
                )
            }
            var document = old ?? Document(kind: .extension, id: id, parent: cluster, name: name, body: .object([:]))
            document.body["identity"] = body["identity"] ?? ["type": "SystemAssigned"]
            if let plan = body["plan"] { document.body["plan"] = plan }
            var wanted = properties
            let secrets = properties["configurationProtectedSettings"]?.stringMap ?? [:]
            wanted["extensionType"] = "Microsoft.AzureML.Kubernetes"
            wanted["autoUpgradeMinorVersion"] = properties["autoUpgradeMinorVersion"] ?? true
            wanted["releaseTrain"] = properties["releaseTrain"] ?? "Stable"
            wanted["scope"] = ["cluster": ["releaseNamespace": "azureml"]]
            wanted["configurationSettings"] = JSON(properties["configurationSettings"]?.stringMap ?? [:])
            wanted["statuses"] = old?[property: "statuses"] ?? []
            wanted["currentVersion"] = old?[property: "currentVersion"]
            document.body["properties"] = wanted
            document.hidden["protectedSettings"] = JSON(secrets)
            document.hidden["clusterType"] = .string(type)
            return try ExtensionService.store(
                t,
                &document,
                isNew: old == nil,
                state: old == nil ? "Creating" : "Updating",
                validate: validate
            )
        }
    }

    /// Merges a PATCH; plain settings by key, protected settings as a whole.
    func patch(id: String, body: JSON) async throws -> (document: Document, isNew: Bool, operation: String) {
        let validate = core.configuration.validateExtension
        return try await core.store.write { t in
            var document = try t.require(id, "Extension")
            guard document[property: "provisioningState"]?.stringValue != "Deleting" else {
                throw ARMError.conflict("OperationInProgress", "Extension '\(document.name)' is being deleted.")
            }
            let properties = body["properties"] ?? .object([:])
            if let settings = properties["configurationSettings"]?.objectValue {
                var merged = document[property: "configurationSettings"] ?? .object([:])
                for (key, value) in settings { merged[key] = value.isNull ? nil : value }
                document[property: "configurationSettings"] = merged
            }
            if let secrets = properties["configurationProtectedSettings"]?.stringMap {
                document.hidden["protectedSettings"] = JSON(secrets)
            }
            for key in ["autoUpgradeMinorVersion", "releaseTrain", "version"] {
                if let value = properties[key] { document[property: key] = value.isNull ? nil : value }
            }
            return try ExtensionService.store(t, &document, isNew: false, state: "Updating", validate: validate)
        }
    }

    /// Marks for deletion; nil when there is nothing to delete.
    func delete(id: String, force: Bool) async throws -> String? {
        try await core.store.write { t in
            guard var document = try t.find(id) else { return nil }
            if document[property: "provisioningState"]?.stringValue == "Deleting",
                let operation = document.hidden["operation"]?.stringValue
            {
                if force { document.hidden["isForced"] = true }
                try t.put(&document)
                return operation
            }
            document.hidden["isDeleting"] = true
            document.hidden["isForced"] = .bool(force)
            return try ExtensionService.begin(t, &document, state: "Deleting")
        }
    }

    private static func store(
        _ t: Transaction,
        _ document: inout Document,
        isNew: Bool,
        state: String,
        validate: @Sendable (DesiredExtension) -> [ErrorDetail]
    ) throws -> (document: Document, isNew: Bool, operation: String) {
        let problems = validate(try desired(document))
        guard problems.isEmpty else {
            throw ARMError.invalid(object: "Extension '\(document.name)'", problems: problems)
        }
        let operation = try begin(t, &document, state: state)
        return (document, isNew, operation)
    }

    /// Raises the generation, starts an operation and stores the document.
    private static func begin(_ t: Transaction, _ document: inout Document, state: String) throws -> String {
        let operation = RandomText.uuid()
        document[property: "provisioningState"] = .string(state)
        document[property: "errorInfo"] = nil
        document.hidden["generation"] = JSON((document.hidden["generation"]?.intValue ?? 0) + 1)
        document.hidden["operation"] = .string(operation)
        try t.put(&document)
        try Operations.start(t, id: operation, resource: document.id)
        return operation
    }

    /// One cluster takes one extension, as both resource types are one cluster.
    private static func refuseSecondInstall(_ t: Transaction, target: ClusterTarget, id: String) throws {
        for other in try t.listAll(.extension) where other.key != id.lowercased() {
            let group = ARMPath.value(of: "resourceGroups", in: other.id)?.lowercased()
            let name =
                ARMPath.value(of: "connectedClusters", in: other.id)
                ?? ARMPath.value(of: "managedClusters", in: other.id)
            guard group == target.resourceGroup.lowercased(), name?.lowercased() == target.name.lowercased() else {
                continue
            }
            throw ARMError.conflict(
                "ExtensionAlreadyExists",
                "Cluster '\(target.name)' already has the extension '\(other.name)' of this type; update or delete that one (\(other.id))."
            )
        }
    }

    static func desired(_ document: Document) throws -> DesiredExtension {
        DesiredExtension(
            clusterType: document.hidden["clusterType"]?.stringValue ?? "connectedClusters",
            resourceGroup: ARMPath.value(of: "resourceGroups", in: document.id) ?? "",
            clusterName: ARMPath.value(of: "connectedClusters", in: document.id)
                ?? ARMPath.value(of: "managedClusters", in: document.id) ?? "",
            name: document.name,
            extensionType: document[property: "extensionType"]?.stringValue ?? "",
            version: document[property: "version"]?.stringValue,
            releaseTrain: document[property: "releaseTrain"]?.stringValue ?? "Stable",
            autoUpgradeMinorVersion: document[property: "autoUpgradeMinorVersion"]?.boolValue ?? true,
            releaseNamespace: "azureml",
            settings: document[property: "configurationSettings"]?.stringMap ?? [:],
            protectedSettings: document.hidden["protectedSettings"]?.stringMap ?? [:],
            generation: document.hidden["generation"]?.intValue ?? 0,
            isDeleting: document.hidden["isDeleting"]?.boolValue ?? false,
            isForced: document.hidden["isForced"]?.boolValue ?? false
        )
    }

    private static func checkName(_ name: String) throws {
        let allowed = name.allSatisfy {
            $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "." || $0 == "_")
        }
        guard allowed, (1...253).contains(name.count) else {
            throw ARMError.invalid(
                "name",
                "Extension name '\(name)' is not allowed; use letters, digits, '-', '.' and '_', at most 253."
            )
        }
    }

    /// The resource as answered: protected keys come back without values.
    static func resource(_ document: Document) -> JSON {
        var resource = document.resource
        let secrets = document.hidden["protectedSettings"]?.stringMap ?? [:]
        var properties = resource["properties"] ?? .object([:])
        properties["configurationProtectedSettings"] = JSON(secrets.mapValues { _ in "" })
        properties["installedVersion"] = properties["currentVersion"] ?? .null
        properties["isSystemExtension"] = false
        properties["packageUri"] = .null
        properties["aksAssignedIdentity"] = .null
        for key in ["errorInfo", "currentVersion", "version"] where properties[key] == nil { properties[key] = .null }
        resource["properties"] = properties
        return resource
    }
}
