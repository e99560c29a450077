internal import ControlPlaneAPI

/// A version number as semver orders it: `1.2.0-rc.1` comes before `1.2.0`.
struct VersionNumber: Comparable, Sendable {
    let major: Int
    let minor: Int
    let patch: Int
    let prerelease: [String]

    /// nil for what is no `MAJOR[.MINOR[.PATCH]][-PRERELEASE][+BUILD]`.
    init?(_ text: String) {
        let withoutBuild = text.split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false).first ?? ""
        let halves = withoutBuild.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let numbers = halves[0].split(separator: ".", omittingEmptySubsequences: false).map { part in
            part.allSatisfy(\.isASCII) && part.allSatisfy(\.isNumber) ? Int(part) : nil
        }
        guard (1...3).contains(numbers.count), numbers.allSatisfy({ $0 != nil }) else { return nil }
        let known = numbers.compactMap { $0 } + [0, 0]
        (major, minor, patch) = (known[0], known[1], known[2])
        prerelease = halves.count > 1 ? halves[1].split(separator: ".").map(String.init) : []
    }

    static func < (left: VersionNumber, right: VersionNumber) -> Bool {
        let (a, b) = ([left.major, left.minor, left.patch], [right.major, right.minor, right.patch])
        if a != b { return a.lexicographicallyPrecedes(b) }
        if left.prerelease.isEmpty || right.prerelease.isEmpty {
            return !left.prerelease.isEmpty && right.prerelease.isEmpty
        }
        for (x, y) in zip(left.prerelease, right.prerelease) where x != y {
            switch (Int(x), Int(y)) {
            case (let i?, let j?): return i < j
            case (.some, nil): return true
            case (nil, .some): return false
            case (nil, nil): return x < y
            }
        }
        return left.prerelease.count < right.prerelease.count
    }
}

/// How an extension follows new versions; `autoUpgradeMinorVersion` is true for all but `none`.
enum AutoUpgradeMode: String, Sendable, CaseIterable {
    /// Stays where it is.
    case none
    /// Follows patches of its minor version.
    case patch
    /// Follows everything of its major version.
    case compatible
}

/// The versions that can be installed, and the rules by which one of them is chosen.
struct ExtensionVersions: Sendable {
    /// Newest first.
    let all: [ExtensionVersion]

    init(_ versions: [ExtensionVersion]) {
        all = versions.sorted { ExtensionVersions.precedes($1.version, $0.version) }
    }

    /// What the configuration offers; without a list it is this program's own version.
    init(_ configuration: ControlPlaneConfiguration) {
        let offered = configuration.versions()
        let own = ExtensionVersion(version: configuration.version, releaseTrain: "Stable", image: nil)
        self.init(offered.isEmpty ? [own] : offered)
    }

    /// Whether `left` is the older one; what is no version number is older than all that are.
    static func precedes(_ left: String, _ right: String) -> Bool {
        switch (VersionNumber(left), VersionNumber(right)) {
        case (let a?, let b?): a < b
        case (nil, .some): true
        case (.some, nil): false
        case (nil, nil): left < right
        }
    }

    var trains: [String] {
        var seen: Set<String> = []
        return all.map(\.releaseTrain).filter { seen.insert($0.lowercased()).inserted }
    }

    /// The train in the spelling of the list.
    ///
    /// - Throws: 400 naming the trains that exist.
    func train(_ name: String) throws(ARMError) -> String {
        if let known = trains.first(where: { $0.lowercased() == name.lowercased() }) { return known }
        throw ARMError(
            400,
            "InvalidArgumentValue",
            "Release train '\(name)' does not exist; there \(trains.count == 1 ? "is" : "are") \(trains.joined(separator: ", ")).",
            target: "properties.releaseTrain"
        )
    }

    func versions(ofTrain train: String) -> [ExtensionVersion] {
        all.filter { $0.releaseTrain.lowercased() == train.lowercased() }
    }

    func find(_ version: String) -> ExtensionVersion? { all.first { $0.version == version } }

    /// The version to run.
    ///
    /// `installed` is what runs or was last wanted; nil on creation.
    /// - Throws: 400 for a train or version that does not exist, naming those that do.
    func resolve(
        mode: AutoUpgradeMode,
        version: String?,
        train: String,
        installed: String?
    ) throws(ARMError) -> ExtensionVersion? {
        let train = try self.train(train)
        if let version {
            if let found = versions(ofTrain: train).first(where: { $0.version == version }) ?? find(version) {
                return found
            }
            let known = all.map { "\($0.version) (\($0.releaseTrain))" }
            throw ARMError(
                400,
                "InvalidArgumentValue",
                "Version '\(version)' of Microsoft.AzureML.Kubernetes does not exist; there \(known.count == 1 ? "is" : "are") \(known.joined(separator: ", ")).",
                target: "properties.version"
            )
        }
        let offered = versions(ofTrain: train)
        guard let installed else { return offered.first }
        let present = find(installed) ?? ExtensionVersion(version: installed, releaseTrain: train, image: nil)
        guard mode != .none, let number = VersionNumber(installed) else { return present }
        let next = offered.first { candidate in
            guard let other = VersionNumber(candidate.version), other.major == number.major else { return false }
            return mode == .compatible || other.minor == number.minor
        }
        // Changing to a train that is behind must not take anything back by itself.
        guard let next, ExtensionVersions.precedes(installed, next.version) else { return present }
        return next
    }
}
