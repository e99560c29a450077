internal import Foundation

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

/// Collects settings one by one.
private struct SettingsParser {
    let allowsUnknown: Bool
    var result = ExtensionSettings()
    var problems: [SettingProblem] = []
    /// Key → spelling under which it was given, by canonical name.
    private var seen: [String: String] = [:]
    private var pair: (certificate: String?, key: String?) = (nil, nil)
    private var tolerations: [Int: ExtensionSettings.Toleration] = [:]

    init(allowsUnknown: Bool) { self.allowsUnknown = allowsUnknown }

    mutating func read(_ settings: [String: String], isProtected: Bool) {
        for (name, value) in settings.sorted(by: { $0.key < $1.key }) {
            let trimmed = value.trimmingCharacters(in: .whitespacesAndNewlines)
            if name.lowercased().hasPrefix(SettingKey.nodeSelectorPrefix.lowercased()) {
                readNodeSelector(name, trimmed)
            } else if name.lowercased().hasPrefix(SettingKey.tolerationPrefix.lowercased()) {
                readToleration(name, trimmed)
            } else if let key = SettingKey.byName[name.lowercased()] {
                read(key, givenAs: name, trimmed, isProtected: isProtected)
            } else if allowsUnknown {
                result.ignored.append(name)
            } else {
                let near = SettingKey.nearest(to: name)
                problems.append(
                    SettingProblem(
                        .unknownSetting,
                        name,
                        "'\(name)' is no setting of this extension",
                        remedy: near.map { "Did you mean '\($0)'" } ?? "Remove it, or pass --allow-unknown"
                    )
                )
            }
        }
    }

    private mutating func read(_ key: SettingKey, givenAs name: String, _ value: String, isProtected: Bool) {
        if let former = seen[key.name] {
            problems.append(
                SettingProblem(
                    .duplicateKeys,
                    key.name,
                    "duplicate keys found: '\(former)' and '\(name)' are the same setting",
                    remedy: "Give it once, in the plain or in the protected settings"
                )
            )
            return
        }
        seen[key.name] = name
        if key.isProtected, !isProtected {
            problems.append(
                SettingProblem(
                    .invalidArgumentValue,
                    name,
                    "'\(name)' is a secret and was given as a plain setting",
                    remedy: "Pass it with --config-protected"
                )
            )
            return
        }
        // An empty value is the same as none.
        guard !value.isEmpty else { return }
        switch key.value {
        case .boolean:
            guard let flag = Self.boolean(value) else {
                return refuse(name, value, "must be True or False", "Write True or False")
            }
            set(key, flag)
        case .choice(let choices):
            guard let choice = choices.first(where: { $0.lowercased() == value.lowercased() }) else {
                let list = choices.joined(separator: ", ")
                return refuse(name, value, "must be one of \(list)", "Use one of \(list)")
            }
            set(key, choice)
        case .quantity:
            guard value.wholeMatch(of: /[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?/) != nil else {
                return refuse(name, value, "is no quantity", "Write for example 500m or 1Gi")
            }
            set(key, value)
        case .pem:
            guard let pem = Self.pem(value) else {
                return refuse(
                    name,
                    value.count > 60 ? "…" : value,
                    "is neither PEM text nor base64 of it",
                    "Give the path of a PEM file to the command line, which sends its content",
                    .invalidSSLSetting
                )
            }
            set(key, pem)
        case .text: set(key, value)
        }
    }

    private mutating func refuse(
        _ name: String,
        _ value: String,
        _ rule: String,
        _ remedy: String,
        _ code: SettingProblem.Code = .invalidArgumentValue
    ) {
        problems.append(SettingProblem(code, name, "value '\(value)' \(rule)", remedy: remedy))
    }

    private mutating func set(_ key: SettingKey, _ value: Bool) {
        switch key.name {
        case "enableTraining": result.enableTraining = value
        case "enableInference": result.enableInference = value
        case "allowInsecureConnections": result.allowInsecureConnections = value
        case "inferenceRouterHA": result.inferenceRouterHA = value
        case "installNvidiaDevicePlugin": result.installNvidiaDevicePlugin = value
        case "installPromOp": result.installPromOp = value
        case "installVolcano": result.installVolcano = value
        case "installDcgmExporter": result.installDcgmExporter = value
        case "installKubeStateMetrics": result.installKubeStateMetrics = value
        case "installFluentBit": result.installFluentBit = value
        case "amloperator.skipResourceValidation": result.skipResourceValidation = value
        default: result.ignored.append(key.name)
        }
    }

    private mutating func set(_ key: SettingKey, _ value: String) {
        switch key.name {
        case "inferenceRouterServiceType":
            result.inferenceRouterServiceType = ExtensionSettings.RouterServiceType.allCases.first {
                $0.rawValue.lowercased() == value.lowercased()
            }
        case "internalLoadBalancerProvider": result.internalLoadBalancerProvider = value
        case "sslSecret": result.sslSecret = value
        case "sslCname": result.sslCname = value.lowercased()
        case "sslCertPemFile": pair.certificate = value
        case "sslKeyPemFile": pair.key = value
        case "clusterPurpose": result.clusterPurpose = value
        case "volcanoScheduler.schedulerConfigMap": result.volcanoSchedulerConfigMap = value
        case "clusterId": result.clusterID = value
        case "cluster_name": result.clusterID = result.clusterID ?? value
        case "location": result.location = value
        default:
            let prefix = "scoringFe.resources."
            if key.name.hasPrefix(prefix) {
                result.routerResources[String(key.name.dropFirst(prefix.count))] = value
            } else {
                result.ignored.append(key.name)
            }
        }
    }

    private mutating func readNodeSelector(_ name: String, _ value: String) {
        let label = String(name.dropFirst(SettingKey.nodeSelectorPrefix.count))
        guard LabelRules.isKey(label) else {
            return refuse(name, label, "is no label key", "Write nodeSelector.<label>=<value>")
        }
        guard LabelRules.isValue(value) else {
            return refuse(name, value, "is no label value", "Use at most 63 letters, digits, '-', '_' and '.'")
        }
        result.nodeSelector[label] = value
    }

    /// `workLoadToleration[0].key`.
    private mutating func readToleration(_ name: String, _ value: String) {
        guard let match = name.wholeMatch(of: /(?i)workLoadToleration\[([0-9]{1,3})\]\.(key|operator|value|effect)/),
            let index = Int(match.1)
        else {
            problems.append(
                SettingProblem(
                    .unknownSetting,
                    name,
                    "'\(name)' is no part of a toleration",
                    remedy: "Write workLoadToleration[0].key, .operator, .value or .effect"
                )
            )
            return
        }
        var toleration = tolerations[index] ?? .init()
        switch match.2.lowercased() {
        case "key": toleration.key = value
        case "operator":
            guard value == "Equal" || value == "Exists" else {
                return refuse(name, value, "must be Equal or Exists", "Use Equal or Exists")
            }
            toleration.operator = value
        case "value": toleration.value = value
        default:
            guard ["NoSchedule", "PreferNoSchedule", "NoExecute", ""].contains(value) else {
                return refuse(
                    name,
                    value,
                    "must be NoSchedule, PreferNoSchedule or NoExecute",
                    "Use one of these, or leave it out"
                )
            }
            toleration.effect = value.isEmpty ? nil : value
        }
        tolerations[index] = toleration
    }

    mutating func finish() {
        result.workloadTolerations = tolerations.sorted { $0.key < $1.key }.map(\.value)
        result.ignored.sort()
        // Not a switch over the pair: Swift 6.3.1's optimizer ends with an ownership error on it.
        if let certificate = pair.certificate {
            if let key = pair.key {
                result.certificatePair = .init(certificate: certificate, key: key)
            } else {
                missingHalf("sslKeyPemFile", given: "sslCertPemFile")
            }
        } else if pair.key != nil {
            missingHalf("sslCertPemFile", given: "sslKeyPemFile")
        }
    }

    private mutating func missingHalf(_ missing: String, given: String) {
        // A half that was refused has its own error already.
        guard
            !problems.contains(where: {
                $0.setting == missing || SettingKey.byName[$0.setting.lowercased()]?.name == missing
            })
        else { return }
        problems.append(
            SettingProblem(
                .requiredArgumentMissing,
                missing,
                "'\(given)' is given without '\(missing)'",
                remedy: "Give both, or use sslSecret"
            )
        )
    }

    /// Any letter case.
    static func boolean(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true": true
        case "false": false
        default: nil
        }
    }

    private static func pem(_ value: String) -> String? {
        if value.contains("-----BEGIN ") { return value }
        guard let data = Data(base64Encoded: value, options: .ignoreUnknownCharacters) else { return nil }
        let text = String(decoding: data, as: UTF8.self)
        return text.contains("-----BEGIN ") ? text : nil
    }
}

/// Syntax of Kubernetes names and labels.
package enum LabelRules {
    package static func isKey(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let name = parts.last, parts.count <= 2, !name.isEmpty, isValue(String(name)) else { return false }
        return parts.count == 1 || isDNSName(String(parts[0]))
    }

    package static func isValue(_ text: String) -> Bool {
        guard text.utf8.count <= 63 else { return false }
        return text.isEmpty || text.wholeMatch(of: /[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?/) != nil
    }

    /// A DNS-1123 subdomain: object names and host names.
    package static func isDNSName(_ text: String) -> Bool {
        guard (1...253).contains(text.utf8.count) else { return false }
        return text.wholeMatch(of: /[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*/) != nil
    }
}
