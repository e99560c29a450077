/// One configuration setting that a user can give: its name, what it takes, and what it does.
///
/// The table is the only place that knows names; parsing, error messages and the reference page come from it.
package struct SettingKey: Sendable, Hashable {
    package enum Value: Sendable, Hashable {
        case boolean
        case text
        /// One of these, letter case aside.
        case choice([String])
        /// A Kubernetes quantity such as `500m` or `1Gi`.
        case quantity
        /// PEM text, as such or in base64.
        case pem
    }

    /// Where a setting comes from.
    package enum Standing: String, Sendable {
        /// In the reference's table of settings.
        case documented
        /// Understood by the reference, not in its table.
        case additional
        /// Our own.
        case own
        /// Known to the reference, without a meaning here: accepted, and said to be ignored.
        case ignored
    }

    package let name: String
    package let aliases: [String]
    package let value: Value
    /// What holds when it is not given; nil = nothing.
    package let defaultValue: String?
    /// Must be given as a protected setting: it is a secret.
    package let isProtected: Bool
    package let standing: Standing
    /// One sentence.
    package let effect: String

    package init(
        _ name: String,
        aliases: [String] = [],
        _ value: Value,
        default defaultValue: String? = nil,
        isProtected: Bool = false,
        _ standing: Standing,
        _ effect: String
    ) {
        self.name = name
        self.aliases = aliases
        self.value = value
        self.defaultValue = defaultValue
        self.isProtected = isProtected
        self.standing = standing
        self.effect = effect
    }

    /// The name ends in `*`, which stands for any rest.
    package var isFamily: Bool { name.hasSuffix("*") }
}

extension SettingKey {
    /// Settings with free second parts: `nodeSelector.<label>`.
    package static let nodeSelectorPrefix = "nodeSelector."
    package static let tolerationPrefix = "workLoadToleration["

    package static let all: [SettingKey] = documented + additional + own + ignored

    /// Lower-cased name or alias → key.
    static let byName: [String: SettingKey] = {
        var keys: [String: SettingKey] = [:]
        for key in all where !key.isFamily {
            for name in [key.name] + key.aliases { keys[name.lowercased()] = key }
        }
        return keys
    }()

    private static let families = all.filter(\.isFamily)

    /// The setting that `name` names, letter case aside; an exact name goes before a family.
    package static func named(_ name: String) -> SettingKey? {
        let lowered = name.lowercased()
        return byName[lowered] ?? families.first { lowered.hasPrefix($0.name.dropLast().lowercased()) }
    }

    /// The known name that is closest to `name`, when one is close.
    package static func nearest(to name: String) -> String? {
        let wanted = Array(name.lowercased().utf8)
        let known =
            all.filter { $0.standing != .ignored }.flatMap { [$0.name] + $0.aliases } + [nodeSelectorPrefix + "<label>"]
        let scored = known.map { ($0, distance(wanted, $0.lowercased())) }
        guard let best = scored.min(by: { ($0.1, $0.0) < ($1.1, $1.0) }) else { return nil }
        return best.1 <= max(3, wanted.count / 3) ? best.0 : nil
    }

    /// Underscores, hyphens and dots are typed for one another: `enable_training` is near to `enableTraining`.
    private static func distance(_ wanted: [UInt8], _ known: String) -> Int {
        let separators = Array("_-.".utf8)
        let plain = editDistance(wanted, Array(known.utf8))
        let joined = wanted.filter { !separators.contains($0) } == Array(known.utf8).filter { !separators.contains($0) }
        return joined ? min(plain, 1) : plain
    }

    /// Insertions, deletions and replacements that lead from one to the other.
    private static func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var previous = Array(0...right.count)
        for (row, byte) in left.enumerated() {
            var current = [row + 1]
            for (column, other) in right.enumerated() {
                let replacement = previous[column] + (byte == other ? 0 : 1)
                current.append(min(replacement, previous[column + 1] + 1, current[column] + 1))
            }
            previous = current
        }
        return previous[right.count]
    }
}
