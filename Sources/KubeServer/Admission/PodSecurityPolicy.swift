internal import KubeCore

/// What a namespace's labels ask of its pods.
///
/// Source: kubernetes.io/docs/concepts/security/pod-security-admission.
struct PodSecurityPolicy: Sendable, Hashable {
    enum Level: Int, Sendable, Hashable, Comparable {
        case privileged, baseline, restricted

        init?(_ text: String) {
            switch text {
            case "privileged": self = .privileged
            case "baseline": self = .baseline
            case "restricted": self = .restricted
            default: return nil
            }
        }

        var text: String {
            switch self {
            case .privileged: "privileged"
            case .baseline: "baseline"
            case .restricted: "restricted"
            }
        }

        static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    /// A level and the minor version of Kubernetes whose rules it means.
    struct Demand: Sendable, Hashable, CustomStringConvertible {
        var level = Level.privileged
        /// nil = the newest.
        var minor: Int?

        var description: String { level.text + ":" + (minor.map { "v1.\($0)" } ?? "latest") }
    }

    var enforce = Demand()
    var audit = Demand()
    var warn = Demand()
    var errors: [FieldError] = []

    var isIdle: Bool { enforce.level == .privileged && warn.level == .privileged && audit.level == .privileged }

    private static let prefix = "pod-security.kubernetes.io/"

    init(labels: [String: String]) {
        if !labels.keys.contains(where: { $0.hasPrefix(Self.prefix) }) { return }
        // A level that is not known is enforced as the strictest, and warned about as none.
        enforce.level = level(labels, "enforce", otherwise: .restricted)
        audit.level = level(labels, "audit", otherwise: .privileged)
        warn.level = level(labels, "warn", otherwise: .privileged)
        enforce.minor = minor(labels, "enforce")
        audit.minor = minor(labels, "audit")
        warn.minor = minor(labels, "warn")
        let isEnforced = labels[Self.prefix + "enforce"].flatMap(Level.init) != nil
        guard isEnforced, labels[Self.prefix + "warn"] == nil, enforce.level > warn.level else { return }
        // What is enforced on pods is warned about on what makes pods.
        warn.level = enforce.level
        if labels[Self.prefix + "warn-version"] == nil { warn.minor = enforce.minor }
    }

    private mutating func level(_ labels: [String: String], _ mode: String, otherwise: Level) -> Level {
        guard let text = labels[Self.prefix + mode] else { return .privileged }
        if let level = Level(text) { return level }
        errors.append(
            FieldError(
                "metadata.labels[\(Self.prefix)\(mode)]",
                .invalid,
                "must be one of privileged, baseline, restricted",
                badValue: .string(text)
            )
        )
        return otherwise
    }

    private mutating func minor(_ labels: [String: String], _ mode: String) -> Int? {
        guard let text = labels[Self.prefix + mode + "-version"], text != "latest" else { return nil }
        if text.hasPrefix("v1."), let number = Int(text.dropFirst(3)), number >= 0, "v1.\(number)" == text {
            return number
        }
        errors.append(
            FieldError(
                "metadata.labels[\(Self.prefix)\(mode)-version]",
                .invalid,
                "must be \"latest\" or \"v1.x\"",
                badValue: .string(text)
            )
        )
        return nil
    }
}
