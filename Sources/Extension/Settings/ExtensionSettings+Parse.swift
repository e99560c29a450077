extension ExtensionSettings {
    /// Reads the two maps a user gives.
    ///
    /// Every problem with single settings is collected; `validate` looks at the whole.
    ///
    /// `allowsUnknown`: pass unknown settings over instead of refusing them.
    package static func parse(
        settings: [String: String],
        protectedSettings: [String: String] = [:],
        allowsUnknown: Bool = false
    ) throws(SettingsError) -> ExtensionSettings {
        var parser = SettingsParser(allowsUnknown: allowsUnknown)
        parser.read(settings, isProtected: false)
        parser.read(protectedSettings, isProtected: true)
        parser.finish()
        guard parser.problems.isEmpty else { throw SettingsError(problems: parser.problems) }
        return parser.result
    }

    /// Parses and validates.
    package static func make(
        settings: [String: String],
        protectedSettings: [String: String] = [:],
        allowsUnknown: Bool = false
    ) throws(SettingsError) -> ExtensionSettings {
        let parsed = try parse(
            settings: settings,
            protectedSettings: protectedSettings,
            allowsUnknown: allowsUnknown
        )
        let problems = parsed.validate()
        guard problems.isEmpty else { throw SettingsError(problems: problems) }
        return parsed
    }
}
