internal import ControlPlaneAPI
internal import KubeCore

/// A stored extension, read and written by name; the document holds everything.
struct ExtensionRecord: Sendable {
    static let type = "Microsoft.AzureML.Kubernetes"

    var document: Document

    init(_ document: Document) { self.document = document }

    /// A new one on the cluster with this ARM id.
    init(cluster: String, clusterType: String, name: String) {
        document = Document(
            kind: .extension,
            id: ExtensionService.id(cluster: cluster, name: name),
            parent: cluster,
            name: name,
            body: .object([:])
        )
        document.hidden["clusterType"] = .string(clusterType)
        document.hidden["principalId"] = .string(RandomText.uuid())
        document[property: "statuses"] = []
    }

    static func find(_ t: Transaction, _ id: String) throws -> ExtensionRecord? {
        try t.find(id).map(ExtensionRecord.init)
    }

    /// - Throws: 404 `ExtensionNotFound`.
    static func require(_ t: Transaction, _ id: String) throws -> ExtensionRecord {
        if let record = try find(t, id) { return record }
        throw ARMError(
            404,
            "ExtensionNotFound",
            "Extension '\(ARMName.last(id))' was not found on cluster '\(ExtensionRecord.cluster(of: id))'. List the extensions to see the names."
        )
    }

    static func cluster(of id: String) -> String {
        ARMPath.value(of: "connectedClusters", in: id) ?? ARMPath.value(of: "managedClusters", in: id) ?? ""
    }

    var name: String { document.name }
    var cluster: String { ExtensionRecord.cluster(of: document.id) }

    var state: String {
        get { document[property: "provisioningState"]?.stringValue ?? "" }
        set { document[property: "provisioningState"] = .string(newValue) }
    }

    /// Whether an operation of the newest generation is still going on, as far as anyone knows.
    var isBusy: Bool { ["Creating", "Updating", "Deleting", "Pending"].contains(state) }

    var generation: Int { document.hidden["generation"]?.intValue ?? 0 }
    var operation: String { document.hidden["operation"]?.stringValue ?? "" }
    var isDeleting: Bool { document.hidden["isDeleting"]?.boolValue ?? false }
    var isForced: Bool { document.hidden["isForced"]?.boolValue ?? false }
    var isAtomic: Bool { document.hidden["isAtomic"]?.boolValue ?? false }
    /// When the newest generation came to be, in seconds.
    var wantedAt: Double { document.hidden["wantedAt"]?.doubleValue ?? document.updatedAt }
    var forcedAt: Double? { document.hidden["forcedAt"]?.doubleValue }
    /// Generations up to here have been ready once.
    var succeededGeneration: Int { document.hidden["succeededGeneration"]?.intValue ?? 0 }
    var installedVersion: String? {
        document.hidden["targetVersion"]?.stringValue ?? document[property: "currentVersion"]?.stringValue
    }

    var wish: ExtensionWish {
        get {
            var wish = ExtensionWish()
            wish.settings = document[property: "configurationSettings"]?.stringMap ?? [:]
            wish.protectedSettings = document.hidden["protectedSettings"]?.stringMap ?? [:]
            let mode = document[property: "autoUpgradeMode"]?.stringValue.flatMap(AutoUpgradeMode.init(rawValue:))
            let follows = document[property: "autoUpgradeMinorVersion"]?.boolValue ?? true
            wish.mode = mode ?? (follows ? .compatible : .none)
            wish.releaseTrain = document[property: "releaseTrain"]?.stringValue ?? "Stable"
            wish.version = document[property: "version"]?.stringValue
            wish.allowsUnknownSettings = document.hidden["allowsUnknown"]?.boolValue ?? false
            wish.targetVersion = document.hidden["targetVersion"]?.stringValue
            wish.image = document.hidden["image"]?.stringValue
            return wish
        }
        set {
            document[property: "extensionType"] = .string(ExtensionRecord.type)
            document[property: "scope"] = ["cluster": ["releaseNamespace": "azureml"]]
            document[property: "configurationSettings"] = JSON(newValue.settings)
            document[property: "configurationProtectedSettings"] = nil
            document[property: "autoUpgradeMode"] = .string(newValue.mode.rawValue)
            document[property: "autoUpgradeMinorVersion"] = .bool(newValue.mode != .none)
            document[property: "releaseTrain"] = .string(newValue.releaseTrain)
            document[property: "version"] = newValue.version.map(JSON.string)
            document.hidden["protectedSettings"] = JSON(newValue.protectedSettings)
            document.hidden["allowsUnknown"] = .bool(newValue.allowsUnknownSettings)
            document.hidden["targetVersion"] = newValue.targetVersion.map(JSON.string)
            document.hidden["image"] = newValue.image.map(JSON.string)
        }
    }

    /// What the agent is told.
    var desired: DesiredExtension {
        let wish = wish
        return DesiredExtension(
            clusterType: document.hidden["clusterType"]?.stringValue ?? "connectedClusters",
            resourceGroup: ARMPath.value(of: "resourceGroups", in: document.id) ?? "",
            clusterName: cluster,
            name: document.name,
            extensionType: ExtensionRecord.type,
            version: wish.version,
            releaseTrain: wish.releaseTrain,
            autoUpgradeMinorVersion: wish.mode != .none,
            releaseNamespace: "azureml",
            settings: wish.settings,
            protectedSettings: wish.protectedSettings,
            generation: generation,
            isDeleting: isDeleting,
            isForced: isForced,
            isPurging: document.hidden["isPurging"]?.boolValue ?? false,
            isAtomic: isAtomic,
            allowsUnknownSettings: wish.allowsUnknownSettings,
            targetVersion: wish.targetVersion,
            image: wish.image
        )
    }
}

// MARK: Revisions

/// What an extension once ran successfully with.
struct ExtensionRevision: Sendable, Hashable {
    static let limit = 10

    var generation: Int
    var time: Double
    var wish: ExtensionWish

    init(generation: Int, time: Double, wish: ExtensionWish) {
        self.generation = generation
        self.time = time
        self.wish = wish
    }

    init?(_ json: JSON) {
        guard let generation = json["generation"]?.intValue else { return nil }
        self.generation = generation
        time = json["time"]?.doubleValue ?? 0
        var wish = ExtensionWish()
        wish.settings = json["settings"]?.stringMap ?? [:]
        wish.protectedSettings = json["protectedSettings"]?.stringMap ?? [:]
        wish.mode = json["mode"]?.stringValue.flatMap(AutoUpgradeMode.init(rawValue:)) ?? .compatible
        wish.releaseTrain = json["releaseTrain"]?.stringValue ?? "Stable"
        wish.version = json["version"]?.stringValue
        wish.allowsUnknownSettings = json["allowsUnknown"]?.boolValue ?? false
        wish.targetVersion = json["targetVersion"]?.stringValue
        wish.image = json["image"]?.stringValue
        self.wish = wish
    }

    var json: JSON {
        var members: [String: JSON] = [
            "generation": JSON(generation), "time": .double(time), "settings": JSON(wish.settings),
            "protectedSettings": JSON(wish.protectedSettings), "mode": .string(wish.mode.rawValue),
            "releaseTrain": .string(wish.releaseTrain), "allowsUnknown": .bool(wish.allowsUnknownSettings),
        ]
        members["version"] = wish.version.map(JSON.string)
        members["targetVersion"] = wish.targetVersion.map(JSON.string)
        members["image"] = wish.image.map(JSON.string)
        return .object(members)
    }

    /// As answered: without the values of protected settings.
    func resource(isCurrent: Bool) -> JSON {
        let members: [String: JSON] = [
            "revision": JSON(generation), "time": .string(rfc3339(time)), "isCurrent": .bool(isCurrent),
            "version": wish.targetVersion.map(JSON.string) ?? .null, "releaseTrain": .string(wish.releaseTrain),
            "autoUpgradeMinorVersion": .bool(wish.mode != .none), "configurationSettings": JSON(wish.settings),
            "configurationProtectedSettings": JSON(wish.protectedSettings.mapValues { _ in "" }),
        ]
        return .object(members)
    }
}

extension ExtensionRecord {
    /// Oldest first.
    var revisions: [ExtensionRevision] {
        get { (document.hidden["revisions"]?.arrayValue ?? []).compactMap(ExtensionRevision.init) }
        set { document.hidden["revisions"] = .array(newValue.suffix(ExtensionRevision.limit).map(\.json)) }
    }

    /// Remembers that the present generation became ready.
    mutating func markSucceeded(now: Double) {
        guard succeededGeneration < generation else { return }
        document.hidden["succeededGeneration"] = JSON(generation)
        let wish = wish
        // The same thing ready twice is one revision.
        revisions =
            revisions.filter { $0.wish != wish } + [ExtensionRevision(generation: generation, time: now, wish: wish)]
    }

    /// Where a rollback without a number goes: the newest revision that is not what is wanted now.
    var previousRevision: ExtensionRevision? {
        let wish = wish
        return revisions.last { $0.wish != wish }
    }
}
