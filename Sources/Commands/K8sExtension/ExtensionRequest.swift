internal import KubeCore

/// The body of a PUT or PATCH of an extension.
///
/// Pure.
struct ExtensionRequest: Sendable, Hashable {
    /// `--plan-name`, `--plan-product`, `--plan-publisher`.
    struct Plan: Sendable, Hashable {
        var name: String
        var product: String
        var publisher: String

        /// All three, or none.
        static func read(name: String?, product: String?, publisher: String?) throws(CommandError) -> Plan? {
            if let name, let product, let publisher { return Plan(name: name, product: product, publisher: publisher) }
            let given = ["--plan-name": name, "--plan-product": product, "--plan-publisher": publisher]
            guard given.values.contains(where: { $0 != nil }) else { return nil }
            let missing = given.filter { $0.value == nil }.keys.sorted().joined(separator: " and ")
            throw CommandError("a plan needs \(missing) too", remedy: "give all three --plan options", exitStatus: 2)
        }
    }

    /// Which version is wanted.
    struct Versioning: Sendable, Hashable {
        var version: String?
        var releaseTrain: String?
        /// nil = not given.
        var autoUpgrade: Bool?

        /// A version is pinned: it contradicts automatic upgrades, and switches them off when nothing is said of them.
        func checked() throws(CommandError) -> Versioning {
            guard version != nil else { return self }
            if autoUpgrade == true {
                throw CommandError(
                    "--version needs --auto-upgrade-minor-version false",
                    remedy: "add it, or leave --version out",
                    exitStatus: 2
                )
            }
            var pinned = self
            pinned.autoUpgrade = false
            return pinned
        }

        var isEmpty: Bool { version == nil && releaseTrain == nil && autoUpgrade == nil }
    }

    var extensionType: String?
    var versioning: Versioning
    var settings: GivenSettings
    var plan: Plan?

    /// The whole resource.
    var createBody: JSON {
        var properties: [String: JSON] = [
            "autoUpgradeMinorVersion": .bool(versioning.autoUpgrade ?? true),
            "releaseTrain": .string(versioning.releaseTrain ?? "Stable"),
            "scope": ["cluster": ["releaseNamespace": "azureml"]], "configurationSettings": JSON(settings.plain),
            "configurationProtectedSettings": JSON(settings.protected),
        ]
        properties["extensionType"] = .string(extensionType ?? GivenSettings.extensionType)
        if let version = versioning.version { properties["version"] = .string(version) }
        var body: [String: JSON] = ["identity": ["type": "SystemAssigned"], "properties": .object(properties)]
        if let plan {
            body["plan"] = [
                "name": .string(plan.name), "product": .string(plan.product), "publisher": .string(plan.publisher),
            ]
        }
        return .object(body)
    }

    /// Only what was given.
    var updateBody: JSON {
        var properties: [String: JSON] = [:]
        if !settings.plain.isEmpty { properties["configurationSettings"] = JSON(settings.plain) }
        if !settings.protected.isEmpty { properties["configurationProtectedSettings"] = JSON(settings.protected) }
        if let version = versioning.version { properties["version"] = .string(version) }
        if let flag = versioning.autoUpgrade { properties["autoUpgradeMinorVersion"] = .bool(flag) }
        if let train = versioning.releaseTrain { properties["releaseTrain"] = .string(train) }
        return ["properties": .object(properties)]
    }
}

/// `--scope` with its namespaces.
///
/// Pure.
enum ScopeRules {
    /// Checks the options; the answer is a warning, or nil.
    static func check(
        scope: String?,
        releaseNamespace: String?,
        targetNamespace: String?
    ) throws(CommandError) -> String? {
        switch (scope ?? "cluster").lowercased() {
        case "cluster": break
        case "namespace":
            throw CommandError(
                "--scope namespace: this extension is installed for a whole cluster, never for one namespace",
                remedy: "use --scope cluster",
                exitStatus: 2
            )
        default:
            throw CommandError("--scope \(scope ?? ""): unknown scope", remedy: "use --scope cluster", exitStatus: 2)
        }
        if let targetNamespace {
            throw CommandError(
                "--target-namespace \(targetNamespace) is for --scope namespace, and this extension has scope cluster",
                remedy: "leave --target-namespace out",
                exitStatus: 2
            )
        }
        guard let releaseNamespace, releaseNamespace != "azureml" else { return nil }
        return "--release-namespace \(releaseNamespace) is ignored: it is always azureml"
    }
}
