package import ControlPlaneAPI

/// What is wrong with one setting: which, which value, which rule, and what to do.
package struct SettingProblem: Sendable, Hashable, CustomStringConvertible {
    /// Names of the reference command line's errors, and the health check's codes.
    package enum Code: String, Sendable {
        case invalidArgumentValue = "InvalidArgumentValue"
        case requiredArgumentMissing = "RequiredArgumentMissing"
        case mutuallyExclusiveArgument = "MutuallyExclusiveArgument"
        case unknownSetting = "UnknownSetting"
        case duplicateKeys = "DuplicateKeysFound"
        case alreadyInstalled = "ExtensionAlreadyInstalled"
        /// Upstream's release is not at the control plane.
        case bundleMissing = "BundleMissing"
        /// Upstream's release holds something that cannot be installed.
        case bundleInvalid = "BundleInvalid"
        /// The namespace must allow more than Baseline Pod Security.
        case podSecurity = "PodSecurityPrivileged"
        case insufficientNode = "E40002"
        case internalLoadBalancerNotSupported = "E40003"
        case invalidSSLSetting = "E40007"
    }

    package var code: Code
    /// The setting, or settings, at fault.
    package var setting: String
    package var message: String
    package var remedy: String

    package init(_ code: Code, _ setting: String, _ message: String, remedy: String) {
        self.code = code
        self.setting = setting
        self.message = message
        self.remedy = remedy
    }

    package var description: String { "\(setting): \(message). \(remedy)." }

    /// Clients show the message alone, so it names the setting.
    package var detail: ErrorDetail {
        let text = message.contains(setting) ? "\(message). \(remedy)." : description
        return ErrorDetail(code: code.rawValue, message: text, target: setting)
    }
}

/// All that is wrong with a set of settings.
package struct SettingsError: Error, Sendable, Hashable, CustomStringConvertible {
    package var problems: [SettingProblem]

    package var description: String { problems.map(\.description).joined(separator: "\n") }

    package var detail: ErrorDetail {
        guard problems.count > 1 else {
            return problems.first?.detail ?? ErrorDetail(code: "InvalidConfiguration", message: "invalid settings")
        }
        return ErrorDetail(
            code: "InvalidConfiguration",
            message: "the extension's settings have \(problems.count) problems",
            details: problems.map(\.detail)
        )
    }
}
