internal import ControlPlaneAPI
internal import KubeCore

/// What a user wants of an extension: equal wishes need no work.
struct ExtensionWish: Sendable, Hashable {
    var settings: [String: String] = [:]
    var protectedSettings: [String: String] = [:]
    var mode = AutoUpgradeMode.compatible
    var releaseTrain = "Stable"
    /// Set only where the user pinned one.
    var version: String?
    var allowsUnknownSettings = false
    /// Resolved from the three above.
    var targetVersion: String?
    var image: String?

    init() {}
}

/// The options in the query of a request that changes an extension.
struct ExtensionFlags: Sendable {
    var allowsUnknown = false
    var isAtomic = false
    var isForced = false
    var isPurging = false
    /// `If-None-Match: *`.
    var mustBeNew = false
}

extension ExtensionWish {
    /// Reads the `properties` of a PUT.
    ///
    /// Protected settings that are not named are kept from `old`, and so are those whose value is empty, since that is how they
    /// are answered: a resource that was read may be sent back. Null deletes one.
    init(put properties: JSON, old: ExtensionWish?) throws(ARMError) {
        settings = try ExtensionWish.map(properties, "configurationSettings").compactMapValues { $0 }
        protectedSettings = try ExtensionWish.merged(old?.protectedSettings ?? [:], properties, emptyDeletes: false)
        releaseTrain = try ExtensionWish.text(properties, "releaseTrain") ?? "Stable"
        version = try ExtensionWish.text(properties, "version")
        mode = try ExtensionWish.mode(properties) ?? .compatible
        try checkVersion(object: properties)
    }

    /// Merges the `properties` of a PATCH; null deletes a setting, and so does an empty text a protected one.
    mutating func merge(patch properties: JSON) throws(ARMError) {
        for (key, value) in try ExtensionWish.map(properties, "configurationSettings") { settings[key] = value }
        protectedSettings = try ExtensionWish.merged(protectedSettings, properties, emptyDeletes: true)
        if let train = try ExtensionWish.text(properties, "releaseTrain") { releaseTrain = train }
        let wanted = try ExtensionWish.mode(properties)
        if let wanted {
            mode = wanted
            // A version is a pin, so following new ones lets go of it.
            if wanted != .none { version = nil }
        }
        if let text = try ExtensionWish.text(properties, "version") {
            version = text
        } else if properties["version"]?.isNull == true {
            version = nil
        }
        try checkVersion(object: properties)
    }

    private func checkVersion(object: JSON) throws(ARMError) {
        guard let version, mode != .none else { return }
        throw ARMError(
            400,
            "MutuallyExclusiveArgument",
            "Version '\(version)' is wanted together with autoUpgradeMinorVersion; set autoUpgradeMinorVersion to false to stay on one version, or leave version out.",
            target: "properties.version"
        )
    }

    private static func merged(
        _ kept: [String: String],
        _ properties: JSON,
        emptyDeletes: Bool
    ) throws(ARMError) -> [String: String] {
        var result = kept
        for (key, value) in try map(properties, "configurationProtectedSettings") {
            if value?.isEmpty == true, !emptyDeletes { continue }
            result[key] = value?.isEmpty == true ? nil : value
        }
        return result
    }

    /// A map of texts; null stands for nil.
    ///
    /// - Throws: 400 with one detail for each value that is no text.
    private static func map(_ properties: JSON, _ name: String) throws(ARMError) -> [String: String?] {
        guard let value = properties[name], !value.isNull else { return [:] }
        guard let members = value.objectValue else {
            throw ARMError.invalid("properties.\(name)", "\(name) is no object; send a map of texts.")
        }
        var result: [String: String?] = [:]
        var problems: [ErrorDetail] = []
        for (key, value) in members.sorted(by: { $0.key < $1.key }) {
            switch value {
            case .string(let text): result[key] = .some(text)
            case .null: result[key] = .some(nil)
            default:
                problems.append(
                    ErrorDetail(
                        code: "InvalidParameter",
                        message: "\(name) '\(key)' is no text; put its value in quotation marks.",
                        target: "properties.\(name).\(key)"
                    )
                )
            }
        }
        guard problems.isEmpty else { throw ARMError.invalid(object: name, problems: problems) }
        return result
    }

    /// nil for a text that is absent, null or empty.
    private static func text(_ properties: JSON, _ name: String) throws(ARMError) -> String? {
        guard let value = properties[name], !value.isNull else { return nil }
        guard let text = value.stringValue else {
            throw ARMError.invalid("properties.\(name)", "\(name) is \(value.text); send a text.")
        }
        return text.isEmpty ? nil : text
    }

    /// nil when neither `autoUpgradeMode` nor `autoUpgradeMinorVersion` is given.
    private static func mode(_ properties: JSON) throws(ARMError) -> AutoUpgradeMode? {
        var minor: Bool?
        if let value = properties["autoUpgradeMinorVersion"], !value.isNull {
            guard let flag = value.boolValue else {
                throw ARMError.invalid(
                    "properties.autoUpgradeMinorVersion",
                    "autoUpgradeMinorVersion is \(value.text); send true or false."
                )
            }
            minor = flag
        }
        guard let text = try text(properties, "autoUpgradeMode") else { return minor.map { $0 ? .compatible : .none } }
        guard let mode = AutoUpgradeMode(rawValue: text.lowercased()) else {
            let known = AutoUpgradeMode.allCases.map(\.rawValue).joined(separator: ", ")
            throw ARMError.invalid("properties.autoUpgradeMode", "autoUpgradeMode is '\(text)'; use one of \(known).")
        }
        if let minor, minor != (mode != .none) {
            throw ARMError(
                400,
                "MutuallyExclusiveArgument",
                "autoUpgradeMode '\(mode.rawValue)' contradicts autoUpgradeMinorVersion \(minor); send one of them.",
                target: "properties.autoUpgradeMode"
            )
        }
        return mode
    }
}
