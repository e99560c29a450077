internal import ControlPlaneAPI
package import KubeCore

/// What is about to happen to the extension when its cluster is checked.
package enum HealthOperation: String, Sendable, CaseIterable {
    case install, upgrade, rollback, delete, test

    /// Key of the ConfigMap `arcml-healthcheck` under which the report is kept.
    var reportKey: String { self == .test ? "reports-test" : "reports-pre-" + rawValue }
}

/// One thing that was looked at: what, what was found, and what to do.
package struct HealthCheck: Sendable, Hashable {
    package enum Status: String, Sendable {
        case passed = "Passed"
        /// Worth knowing, and no obstacle.
        case warning = "Warning"
        /// Stops the operation.
        case failed = "Failed"
    }

    package var name: String
    package var status: Status
    /// Of the table of codes; empty for what has none and passed.
    package var code: String
    package var checked: String
    package var found: String
    package var fix: String
    /// Worth telling although it passed: what the cluster has already is used.
    var isNotable = false

    static func passed(_ name: String, checked: String, found: String, isNotable: Bool = false) -> HealthCheck {
        var check = HealthCheck(name: name, status: .passed, code: "", checked: checked, found: found, fix: "")
        check.isNotable = isNotable
        return check
    }

    static func warning(_ name: String, _ code: HealthCode, checked: String, found: String, fix: String) -> HealthCheck
    {
        HealthCheck(name: name, status: .warning, code: code.rawValue, checked: checked, found: found, fix: fix)
    }

    static func failed(_ name: String, _ code: HealthCode, checked: String, found: String, fix: String) -> HealthCheck {
        HealthCheck(name: name, status: .failed, code: code.rawValue, checked: checked, found: found, fix: fix)
    }

    /// The setting's problem as the outcome of a check.
    init(_ problem: SettingProblem, status: Status, checked: String) {
        self.init(
            name: problem.setting,
            status: status,
            code: problem.code.rawValue,
            checked: checked,
            found: problem.message,
            fix: problem.remedy
        )
    }

    init(name: String, status: Status, code: String, checked: String, found: String, fix: String) {
        self.name = name
        self.status = status
        self.code = code
        self.checked = checked
        self.found = found
        self.fix = fix
    }

    package var json: JSON {
        [
            "name": .string(name), "status": .string(status.rawValue), "code": .string(code),
            "checked": .string(checked), "found": .string(found), "fix": .string(fix),
        ]
    }

    init?(_ json: JSON) {
        guard let name = json["name"]?.stringValue, let status = json["status"]?.stringValue.flatMap(Status.init)
        else { return nil }
        func text(_ key: String) -> String { json[key]?.stringValue ?? "" }
        self.init(
            name: name,
            status: status,
            code: text("code"),
            checked: text("checked"),
            found: text("found"),
            fix: text("fix")
        )
    }

    /// What was found and what to do, as sentences.
    var sentence: String { found + "." + (fix.isEmpty ? "" : " " + fix + ".") }
}

/// Codes of the reference's table, and names for what it has no code for.
enum HealthCode: String, Sendable {
    case unknownError = "E40000"
    case loadBalancerNotSupported = "E40001"
    case insufficientNode = "E40002"
    case internalLoadBalancerNotSupported = "E40003"
    case routerNotFound = "E40004"
    case routerScaleUpTimeout = "E40005"
    case routerUpdateFailed = "E40006"
    case invalidSSLSetting = "E40007"
    case agentUnhealthy = "E45001"
    case prometheusConflict = "E45002"
    case badNetworkConnectivity = "E45003"
    case routerRoleConflict = "E45004"
    case routerDeploymentConflict = "E45005"
    case instanceTypeInvalid = "E45006"
    case checkerPanic = "E49999"
    case kubernetesVersion = "KubernetesVersionNotSupported"
    case noSuitableNode = "NoSuitableNode"
    case nodeSelector = "NodeSelectorMatchesNoNode"
    case permissionMissing = "PermissionMissing"
    case volcanoNotFound = "VolcanoNotFound"
    case volcanoConflict = "VolcanoConflict"
    case namespaceTerminating = "NamespaceTerminating"
    case ownedByOther = "ObjectOwnedByOther"
    case podSecurity = "PodSecurityConflict"
    case imagePull = "ImagePullFailed"
    case inUse = "ExtensionInUse"
}

/// The outcome of all checks before one operation.
struct HealthReport: Sendable, Hashable {
    var operation: HealthOperation
    /// RFC 3339.
    var date: String
    var durationMs: Int
    var distribution: String
    var kubernetesVersion: String
    var checks: [HealthCheck]

    var failures: [HealthCheck] { checks.filter { $0.status == .failed } }
    var warnings: [HealthCheck] { checks.filter { $0.status == .warning } }

    var json: JSON {
        [
            "operation": .string(operation.rawValue), "date": .string(date), "durationMs": JSON(durationMs),
            "distribution": .string(distribution), "kubernetesVersion": .string(kubernetesVersion),
            "checks": .array(checks.map(\.json)),
        ]
    }

    /// What stops the operation; nil when nothing does.
    var error: ErrorDetail? {
        let failures = failures
        // The table's codes go before words.
        func rank(_ check: HealthCheck) -> (Int, String) { (check.code.hasPrefix("E4") ? 0 : 1, check.code) }
        guard let first = failures.min(by: { rank($0) < rank($1) }) else { return nil }
        guard failures.count > 1 else {
            return ErrorDetail(code: first.code, message: first.sentence, target: first.name)
        }
        return ErrorDetail(
            code: first.code,
            message: "\(failures.count) health checks failed: " + failures.map(\.sentence).joined(separator: " "),
            target: first.name,
            details: failures.map { ErrorDetail(code: $0.code, message: $0.sentence, target: $0.name) }
        )
    }
}
