internal import KubeCore

/// Lets an instance's bridge through packet filters of others that drop by default (Docker, ufw, firewalld's direct chains): an
/// accept in a table of our own does not overrule a drop elsewhere, so the accept goes to the head of those chains.
enum HostFirewall {
    /// A base chain of another table that drops what no rule accepts.
    struct DroppingChain: Hashable {
        var family: String
        var table: String
        var name: String
        var hook: String
    }

    static func open(bridge: String, comment: String) async throws {
        let chains = droppingChains(try await listing("chains"))
        guard !chains.isEmpty else { return }
        let present = Set(rules(try await listing("ruleset"), comment: comment).map(\.chain))
        var script = ""
        for chain in chains where !present.contains(chain.name) {
            let start = "insert rule \(chain.family) \(quoted(chain.table)) \(quoted(chain.name))"
            if chain.hook == "forward" { script += "\(start) oifname \"\(bridge)\" accept comment \"\(comment)\"\n" }
            script += "\(start) iifname \"\(bridge)\" accept comment \"\(comment)\"\n"
        }
        guard !script.isEmpty else { return }
        try await NetworkTool.applyRules(script)
    }

    static func close(comment: String) async throws {
        let script = rules(try await listing("ruleset"), comment: comment)
            .map { "delete rule \($0.family) \(quoted($0.table)) \(quoted($0.chain)) handle \($0.handle)\n" }
        guard !script.isEmpty else { return }
        try await NetworkTool.applyRules(script.joined())
    }

    static func droppingChains(_ listing: JSON) -> [DroppingChain] {
        (listing["nftables"]?.arrayValue ?? []).compactMap { entry in
            guard let chain = entry["chain"], chain["policy"]?.stringValue == "drop",
                let hook = chain["hook"]?.stringValue, hook == "forward" || hook == "input",
                let family = chain["family"]?.stringValue, family == "ip" || family == "inet",
                let table = chain["table"]?.stringValue, let name = chain["name"]?.stringValue
            else { return nil }
            return DroppingChain(family: family, table: table, name: name, hook: hook)
        }
    }

    static func rules(
        _ listing: JSON,
        comment: String
    ) -> [(family: String, table: String, chain: String, handle: Int)] {
        (listing["nftables"]?.arrayValue ?? []).compactMap { entry in
            guard let rule = entry["rule"], rule["comment"]?.stringValue == comment,
                let family = rule["family"]?.stringValue, let table = rule["table"]?.stringValue,
                let chain = rule["chain"]?.stringValue, let handle = rule["handle"]?.intValue
            else { return nil }
            return (family, table, chain, handle)
        }
    }

    private static func listing(_ what: String) async throws -> JSON {
        guard let text = try await NetworkTool.queryRules(["-j", "-a", "list", what]), !text.isEmpty else {
            return .object([:])
        }
        return (try? JSON(parsing: text)) ?? .object([:])
    }

    private static func quoted(_ name: String) -> String { name }
}
