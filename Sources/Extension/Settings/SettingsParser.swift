internal import Foundation
internal import MLTypes

/// Collects settings one by one, and every problem with them.
struct SettingsParser {
    let allowsUnknown: Bool
    var result = ExtensionSettings()
    var problems: [SettingProblem] = []
    /// What was given before, by canonical name.
    private var seen: [String: Given] = [:]
    private var pair: (certificate: String?, key: String?) = (nil, nil)
    private var tolerations: [Int: ExtensionSettings.Toleration] = [:]
    private var isNodePort: Bool?
    private var isInternalBalancer: Bool?

    private struct Given {
        var name: String
        var value: String
        var isProtected: Bool
    }

    init(allowsUnknown: Bool) { self.allowsUnknown = allowsUnknown }

    mutating func read(_ settings: [String: String], isProtected: Bool) {
        for (name, value) in settings.sorted(by: { $0.key < $1.key }) {
            let trimmed = value.trimmingCharacters(in: .whitespacesAndNewlines)
            let lowered = name.lowercased()
            if lowered.hasPrefix(SettingKey.nodeSelectorPrefix.lowercased()) {
                guard isFirst(name, lowered, trimmed, isProtected: isProtected) else { continue }
                readNodeSelector(name, trimmed)
            } else if lowered.hasPrefix(SettingKey.tolerationPrefix.lowercased()) {
                guard isFirst(name, lowered, trimmed, isProtected: isProtected) else { continue }
                readToleration(name, trimmed)
            } else if let key = SettingKey.named(name) {
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

    /// False when the setting was given before, by this or another of its names; two names with one value are no problem.
    private mutating func isFirst(_ name: String, _ canonical: String, _ value: String, isProtected: Bool) -> Bool {
        guard let former = seen[canonical] else {
            seen[canonical] = Given(name: name, value: value, isProtected: isProtected)
            return true
        }
        if former.isProtected == isProtected, former.value.lowercased() == value.lowercased() { return false }
        let both =
            former.name == name ? "'\(name)' is given" : "'\(former.name)' and '\(name)' are the same setting, given"
        problems.append(
            SettingProblem(
                .duplicateKeys,
                SettingKey.named(name)?.name ?? name,
                former.isProtected == isProtected
                    ? "duplicate keys found: \(both) with different values"
                    : "duplicate keys found: \(both) in the plain and in the protected settings",
                remedy: "Give it once, in the plain or in the protected settings"
            )
        )
        return false
    }

    private mutating func read(_ key: SettingKey, givenAs name: String, _ value: String, isProtected: Bool) {
        let canonical = key.isFamily ? name.lowercased() : key.name
        guard isFirst(name, canonical, value, isProtected: isProtected) else { return }
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
        guard key.standing != .ignored else {
            result.ignored.append(name)
            return
        }
        result.given.insert(key.name)
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

    mutating func refuse(
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
        case "openshift": result.openShift = value
        case "scoringFe.serviceType.nodePort": isNodePort = value
        case "privateEndpointILB": isInternalBalancer = value
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
        case "cluster_name_friendly": result.clusterFriendlyName = value
        case "location": result.location = value
        case "prometheus.prometheusSpec.externalLabels.cluster_name": result.externalClusterName = value
        case "imageRegistry": result.imageRegistry = value
        case "imagePullSecret": result.imagePullSecret = value
        case "environmentCache":
            guard let cache = EnvironmentCache(value) else {
                return refuse(
                    key.name,
                    value,
                    "must be emptyDir, hostPath:/FOLDER or pvc:NAME",
                    "Use emptyDir, an absolute folder of the nodes, or a PersistentVolumeClaim"
                )
            }
            result.environmentCache = cache
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
        case "key":
            guard value.isEmpty || LabelRules.isKey(value) else {
                return refuse(name, value, "is no taint key", "Write the key of a taint, such as example.com/pool")
            }
            toleration.key = value.isEmpty ? nil : value
        case "operator":
            guard value == "Equal" || value == "Exists" else {
                return refuse(name, value, "must be Equal or Exists", "Use Equal or Exists")
            }
            toleration.operator = value
        case "value":
            guard LabelRules.isValue(value) else {
                return refuse(name, value, "is no taint value", "Use at most 63 letters, digits, '-', '_' and '.'")
            }
            toleration.value = value.isEmpty ? nil : value
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

    /// Puts together what is spread over several settings.
    mutating func finish() {
        finishTolerations()
        finishServiceType()
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

    /// The API server refuses a pod whose tolerations break these rules.
    private mutating func finishTolerations() {
        for (index, toleration) in tolerations.sorted(by: { $0.key < $1.key }) {
            let name = "workLoadToleration[\(index)]"
            if toleration.operator == "Exists", let value = toleration.value {
                refuse(
                    name + ".value",
                    value,
                    "contradicts operator Exists",
                    "Leave the value out, or use operator Equal"
                )
            } else if toleration.key == nil, toleration.operator != "Exists" {
                problems.append(
                    SettingProblem(
                        .requiredArgumentMissing,
                        name + ".key",
                        "\(name) has no key, which only operator Exists allows",
                        remedy: "Set \(name).key, or \(name).operator=Exists to tolerate every taint"
                    )
                )
            }
            result.workloadTolerations.append(toleration)
        }
    }

    /// The ways in which older templates give the service type.
    private mutating func finishServiceType() {
        if isNodePort == true, isInternalBalancer == true {
            problems.append(
                SettingProblem(
                    .mutuallyExclusiveArgument,
                    "scoringFe.serviceType.nodePort, privateEndpointILB",
                    "scoringFe.serviceType.nodePort=True contradicts privateEndpointILB=True",
                    remedy: "Remove both and set inferenceRouterServiceType"
                )
            )
            return
        }
        if isNodePort == true { take(.nodePort, from: "scoringFe.serviceType.nodePort") }
        if isInternalBalancer == true {
            take(.loadBalancer, from: "privateEndpointILB")
            result.internalLoadBalancerProvider = result.internalLoadBalancerProvider ?? "azure"
        }
    }

    private mutating func take(_ type: ExtensionSettings.RouterServiceType, from setting: String) {
        if let present = result.inferenceRouterServiceType, present != type {
            problems.append(
                SettingProblem(
                    .mutuallyExclusiveArgument,
                    "inferenceRouterServiceType, \(setting)",
                    "inferenceRouterServiceType=\(present.rawValue) contradicts \(setting)=True",
                    remedy: "Remove \(setting)"
                )
            )
            return
        }
        result.inferenceRouterServiceType = type
    }

    private mutating func missingHalf(_ missing: String, given: String) {
        // A half that was refused has its own error already.
        guard !problems.contains(where: { SettingKey.named($0.setting)?.name == missing }) else { return }
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
