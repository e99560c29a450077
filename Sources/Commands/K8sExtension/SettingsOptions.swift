internal import ArgumentParser
internal import ControlPlaneAPI
internal import Extension

/// Settings of `create`, `update` and the commands that look ahead.
struct SettingsOptions: ParsableArguments {
    @Option(
        name: [.customLong("configuration-settings"), .customLong("config")],
        parsing: .upToNextOption,
        help: ArgumentHelp("KEY=VALUE settings; repeatable.", valueName: "key=value")
    )
    var settings: [String] = []

    @Option(
        name: [.customLong("configuration-protected-settings"), .customLong("config-protected")],
        parsing: .upToNextOption,
        help: ArgumentHelp("KEY=VALUE settings that are never shown again; repeatable.", valueName: "key=value")
    )
    var protectedSettings: [String] = []

    @Option(
        name: [
            .customLong("config-settings-file"), .customLong("config-file"),
            .customLong("configuration-settings-file"),
        ],
        help: "JSON file with settings.",
        completion: .file()
    )
    var settingsFile: String?

    @Option(
        name: [
            .customLong("config-protected-settings-file"), .customLong("config-protected-file"),
            .customLong("configuration-protected-settings-file"),
        ],
        help: "JSON file with protected settings.",
        completion: .file()
    )
    var protectedSettingsFile: String?

    @Flag(help: "Pass settings that nobody knows over instead of refusing them.")
    var allowUnknown = false

    /// The settings as they are sent, looked through as far as that is possible without the cluster.
    func read(extensionType: String? = nil) throws -> GivenSettings {
        let plain = try SettingsInput.read(settings, file: settingsFile, option: "--configuration-settings")
        let secret = try SettingsInput.read(
            protectedSettings,
            file: protectedSettingsFile,
            option: "--configuration-protected-settings"
        )
        let hidden = Set(secret.keys.map { $0.lowercased() })
        let both = plain.keys.filter { hidden.contains($0.lowercased()) }.sorted()
        guard both.isEmpty else {
            throw CommandError(
                "duplicate keys found: \(both.joined(separator: ", ")) given both plain and protected",
                remedy: "give each once",
                exitStatus: 2
            )
        }
        let resolved = try CertificateFiles.resolve(plain, secret)
        let given = GivenSettings(plain: resolved.plain, protected: resolved.protected, allowsUnknown: allowUnknown)
        if extensionType == nil || extensionType?.lowercased() == GivenSettings.extensionType.lowercased() {
            try given.check()
        }
        return given
    }
}

/// Settings ready to be sent.
///
/// Pure.
struct GivenSettings: Sendable, Hashable {
    static let extensionType = "Microsoft.AzureML.Kubernetes"

    var plain: [String: String]
    var protected: [String: String]
    var allowsUnknown: Bool

    var isEmpty: Bool { plain.isEmpty && protected.isEmpty }

    /// Refuses what can be known to be wrong without what is stored: names, types, and the certificate with its key.
    ///
    /// Which settings are missing only the control plane can say, for it knows those given earlier.
    func check() throws(CommandError) {
        var parsed: ExtensionSettings
        do {
            // An empty value takes a setting back; there is nothing to check about it.
            parsed = try ExtensionSettings.parse(
                settings: plain,
                protectedSettings: protected,
                allowsUnknown: allowsUnknown
            )
        } catch {
            throw GivenSettings.refusal(error.problems)
        }
        guard parsed.certificatePair != nil else { return }
        parsed.enableInference = true
        let problems = parsed.validate().filter { $0.code == .invalidSSLSetting }
        guard problems.isEmpty else { throw GivenSettings.refusal(problems) }
    }

    /// In the words of the control plane, which looks again.
    static func refusal(_ problems: [SettingProblem]) -> CommandError {
        let details = problems.map(\.detail)
        let whole =
            details.count == 1
            ? details[0]
            : ErrorDetail(
                code: "InvalidConfiguration",
                message: "the extension's settings have \(details.count) problems",
                details: details
            )
        return CommandError(whole.description, remedy: "see 'outrigger k8s-extension settings -o table'")
    }
}
