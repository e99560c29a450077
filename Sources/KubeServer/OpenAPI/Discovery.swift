package import KubeCore

/// Discovery documents, made from the kinds alone.
package enum Discovery {
    /// `/api`: `APIVersions`.
    package static func apiVersions(serverAddress: String) -> JSON {
        [
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [
                ["clientCIDR": "0.0.0.0/0", "serverAddress": .string(serverAddress)]
            ],
        ]
    }

    /// `/apis`: `APIGroupList`.
    package static func groupList(_ kinds: [Kind]) -> JSON {
        let groups = groups(kinds).filter { !$0.isEmpty }.map { groupDocument($0, kinds) }
        return ["kind": "APIGroupList", "apiVersion": "v1", "groups": .array(groups)]
    }

    /// `/apis/GROUP`: `APIGroup`; nil when no kind is in it.
    package static func group(_ name: String, _ kinds: [Kind]) -> JSON? {
        guard kinds.contains(where: { $0.type.group == name }) else { return nil }
        var document = groupDocument(name, kinds)
        document["kind"] = "APIGroup"
        document["apiVersion"] = "v1"
        return document
    }

    /// `/api/v1` and `/apis/GROUP/VERSION`: `APIResourceList`; nil when no kind is in it.
    package static func resourceList(group: String, version: String, _ kinds: [Kind]) -> JSON? {
        let members = kinds.filter { $0.type.group == group && $0.type.version == version }
        guard let first = members.first else { return nil }
        let sorted = members.sorted { $0.type.plural < $1.type.plural }
        return [
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": .string(first.type.apiVersion),
            "resources": .array(sorted.flatMap(resources)),
        ]
    }

    /// `apidiscovery.k8s.io/v2` `APIGroupDiscoveryList` of the core group (`/api`) or of all others (`/apis`).
    package static func aggregated(_ kinds: [Kind], core: Bool, apiVersion: String = "apidiscovery.k8s.io/v2") -> JSON {
        let items = groups(kinds).filter { $0.isEmpty == core }.map { group -> JSON in
            let versions = versions(of: group, kinds).map { version -> JSON in
                let members = kinds.filter { $0.type.group == group && $0.type.version == version }
                let resources = members.sorted { $0.type.plural < $1.type.plural }.map(aggregatedResource)
                return ["version": .string(version), "resources": .array(resources), "freshness": "Current"]
            }
            var metadata: [String: JSON] = ["creationTimestamp": .null]
            if !group.isEmpty { metadata["name"] = .string(group) }
            return ["metadata": .object(metadata), "versions": .array(versions)]
        }
        return [
            "kind": "APIGroupDiscoveryList", "apiVersion": .string(apiVersion), "metadata": [:], "items": .array(items),
        ]
    }

    /// In the order of their first kind.
    private static func groups(_ kinds: [Kind]) -> [String] {
        var seen: Set<String> = []
        return kinds.map(\.type.group).filter { seen.insert($0).inserted }
    }

    /// Preferred first: stable before beta before alpha, then the higher number.
    static func versions(of group: String, _ kinds: [Kind]) -> [String] {
        Set(kinds.filter { $0.type.group == group }.map(\.type.version)).sorted { VersionRank($0) > VersionRank($1) }
    }

    private static func groupDocument(_ name: String, _ kinds: [Kind]) -> JSON {
        let versions = versions(of: name, kinds).map { version -> JSON in
            ["groupVersion": .string(name + "/" + version), "version": .string(version)]
        }
        return ["name": .string(name), "versions": .array(versions), "preferredVersion": versions.first ?? .null]
    }

    private static func resources(_ kind: Kind) -> [JSON] {
        var main: [String: JSON] = [
            "name": .string(kind.type.plural), "singularName": .string(kind.singular),
            "namespaced": .bool(kind.type.isNamespaced), "kind": .string(kind.type.kind), "verbs": JSON(kind.verbs),
        ]
        if !kind.shortNames.isEmpty { main["shortNames"] = JSON(kind.shortNames) }
        if !kind.categories.isEmpty { main["categories"] = JSON(kind.categories) }
        let parts = kind.subresources.sorted { $0.name < $1.name }.map { part -> JSON in
            var entry: [String: JSON] = [
                "name": .string(kind.type.plural + "/" + part.name), "singularName": "",
                "namespaced": .bool(kind.type.isNamespaced), "kind": .string(part.kind), "verbs": JSON(part.verbs),
            ]
            if !part.version.isEmpty {
                entry["group"] = .string(part.group)
                entry["version"] = .string(part.version)
            }
            return .object(entry)
        }
        return [.object(main)] + parts
    }

    private static func aggregatedResource(_ kind: Kind) -> JSON {
        // The enclosing group and version stay empty.
        func response(_ group: String, _ version: String, _ name: String) -> JSON {
            ["group": .string(group), "version": .string(version), "kind": .string(name)]
        }
        var entry: [String: JSON] = [
            "resource": .string(kind.type.plural), "responseKind": response("", "", kind.type.kind),
            "scope": kind.type.isNamespaced ? "Namespaced" : "Cluster", "singularResource": .string(kind.singular),
            "verbs": JSON(kind.verbs),
        ]
        if !kind.shortNames.isEmpty { entry["shortNames"] = JSON(kind.shortNames) }
        if !kind.categories.isEmpty { entry["categories"] = JSON(kind.categories) }
        if !kind.subresources.isEmpty {
            entry["subresources"] = .array(
                kind.subresources.sorted { $0.name < $1.name }.map { part in
                    [
                        "subresource": .string(part.name),
                        "responseKind": response(part.group, part.version, part.kind),
                        "verbs": JSON(part.verbs),
                    ]
                }
            )
        }
        return .object(entry)
    }
}

/// The order of versions: `v2 > v1 > v2beta1 > v1beta2 > v1alpha1 > anything else`.
struct VersionRank: Comparable {
    private var stability: Int
    private var major: Int
    private var minor: Int
    private var text: String

    init(_ text: String) {
        self.text = text
        (stability, major, minor) = (0, 0, 0)
        guard text.first == "v" else { return }
        let digits = text.dropFirst().prefix(while: \.isNumber)
        guard let number = Int(digits) else { return }
        let rest = text.dropFirst(1 + digits.count)
        for (word, rank) in [("", 3), ("beta", 2), ("alpha", 1)] where rest.hasPrefix(word) {
            let tail = rest.dropFirst(word.count)
            if word.isEmpty, !tail.isEmpty { continue }
            guard word.isEmpty || Int(tail) != nil else { return }
            (stability, major, minor) = (rank, number, Int(tail) ?? 0)
            return
        }
    }

    static func < (left: VersionRank, right: VersionRank) -> Bool {
        if left.stability != right.stability { return left.stability < right.stability }
        if left.stability == 0 { return left.text > right.text }
        return (left.major, left.minor) < (right.major, right.minor)
    }
}
