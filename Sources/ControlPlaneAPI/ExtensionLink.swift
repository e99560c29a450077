/// A cluster extension as the control plane wants it to be.
package struct DesiredExtension: Codable, Sendable, Hashable {
    /// `connectedClusters` or `managedClusters`.
    package var clusterType: String
    package var resourceGroup: String
    package var clusterName: String
    package var name: String
    package var extensionType: String
    package var version: String?
    package var releaseTrain: String
    package var autoUpgradeMinorVersion: Bool
    package var releaseNamespace: String
    package var settings: [String: String]
    package var protectedSettings: [String: String]
    /// Grows with every change a user makes.
    package var generation: Int
    /// The extension is to be removed from the cluster; report `isGone` when it is.
    package var isDeleting: Bool
    /// Delete even what does not answer.
    package var isForced: Bool
    /// Delete users' jobs, endpoints and their definitions too.
    package var isPurging: Bool
    /// Go back to what was there before when this generation does not become ready.
    package var isAtomic: Bool
    /// Settings that nobody knows are passed over instead of refused.
    package var allowsUnknownSettings: Bool
    /// The product version to run, as the control plane resolved it from `version`, `releaseTrain` and
    /// `autoUpgradeMinorVersion`; nil = the agent's own.
    package var targetVersion: String?
    /// Image of the first-party components at that version; nil = the agent's own.
    package var image: String?

    package init(
        clusterType: String,
        resourceGroup: String,
        clusterName: String,
        name: String,
        extensionType: String,
        version: String? = nil,
        releaseTrain: String = "Stable",
        autoUpgradeMinorVersion: Bool = true,
        releaseNamespace: String = "azureml",
        settings: [String: String] = [:],
        protectedSettings: [String: String] = [:],
        generation: Int = 1,
        isDeleting: Bool = false,
        isForced: Bool = false,
        isPurging: Bool = false,
        isAtomic: Bool = false,
        allowsUnknownSettings: Bool = false,
        targetVersion: String? = nil,
        image: String? = nil
    ) {
        self.clusterType = clusterType
        self.resourceGroup = resourceGroup
        self.clusterName = clusterName
        self.name = name
        self.extensionType = extensionType
        self.version = version
        self.releaseTrain = releaseTrain
        self.autoUpgradeMinorVersion = autoUpgradeMinorVersion
        self.releaseNamespace = releaseNamespace
        self.settings = settings
        self.protectedSettings = protectedSettings
        self.generation = generation
        self.isDeleting = isDeleting
        self.isForced = isForced
        self.isPurging = isPurging
        self.isAtomic = isAtomic
        self.allowsUnknownSettings = allowsUnknownSettings
        self.targetVersion = targetVersion
        self.image = image
    }
}

// Protected settings stay out of logs.
extension DesiredExtension: CustomStringConvertible, CustomDebugStringConvertible {
    package var description: String {
        "DesiredExtension(\(clusterType)/\(clusterName)/\(name), generation \(generation)\(isDeleting ? ", deleting" : ""))"
    }
    package var debugDescription: String { description }
}

/// One line of an extension's `statuses`.
package struct ExtensionStatusEntry: Codable, Sendable, Hashable {
    package var code: String
    package var displayStatus: String
    /// `Error`, `Warning` or `Information`.
    package var level: String
    package var message: String
    /// RFC 3339.
    package var time: String

    package init(code: String, displayStatus: String, level: String, message: String, time: String) {
        self.code = code
        self.displayStatus = displayStatus
        self.level = level
        self.message = message
        self.time = time
    }
}

/// What the agent of a cluster found or did for one extension.
package struct ExtensionReport: Codable, Sendable, Hashable {
    package var clusterType: String
    package var resourceGroup: String
    package var clusterName: String
    package var name: String
    /// The desired generation this report speaks of; a report for an older one does not end a newer operation.
    package var generation: Int
    /// `Creating`, `Updating`, `Deleting`, `Succeeded`, `Failed`, `Canceled`.
    package var provisioningState: String
    package var statuses: [ExtensionStatusEntry]
    package var errorInfo: ErrorDetail?
    package var currentVersion: String?
    /// Nothing of the extension is left on the cluster.
    package var isGone: Bool

    package init(
        clusterType: String,
        resourceGroup: String,
        clusterName: String,
        name: String,
        generation: Int,
        provisioningState: String,
        statuses: [ExtensionStatusEntry] = [],
        errorInfo: ErrorDetail? = nil,
        currentVersion: String? = nil,
        isGone: Bool = false
    ) {
        self.clusterType = clusterType
        self.resourceGroup = resourceGroup
        self.clusterName = clusterName
        self.name = name
        self.generation = generation
        self.provisioningState = provisioningState
        self.statuses = statuses
        self.errorInfo = errorInfo
        self.currentVersion = currentVersion
        self.isGone = isGone
    }
}
