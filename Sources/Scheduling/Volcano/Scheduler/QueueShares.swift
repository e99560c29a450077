internal import KubeCore

/// What each queue may hold when all want more than there is: the cluster divided by weight, and what a queue does not want
/// goes to the others.
enum QueueShares {
    struct Claim: Sendable {
        var name: String
        var weight: Int
        /// What it holds and what its waiting gangs want on top.
        var wanted: Resources
        var capability: Resources?
        var capabilityNames: Set<String> = []
    }

    /// Resource by resource, because queues want different things.
    static func divide(_ total: Resources, among claims: [Claim]) -> [String: Resources] {
        var shares: [String: Resources] = [:]
        for claim in claims { shares[claim.name] = Resources() }
        for resource in total.names {
            var left = Double(total[resource])
            var open = claims.filter { limit($0, resource) > 0 }
            while left > 0.5, !open.isEmpty {
                let weights = Double(open.reduce(0) { $0 + $1.weight })
                var given = 0.0
                var next: [Claim] = []
                for claim in open {
                    let held = Double(shares[claim.name]?[resource] ?? 0)
                    let room = Double(limit(claim, resource)) - held
                    let part = min(left * Double(claim.weight) / weights, room)
                    shares[claim.name]?[resource] = Int((held + part).rounded())
                    given += part
                    if part < room - 0.5 { next.append(claim) }
                }
                left -= given
                if given < 0.5 { break }
                // Nobody was satisfied: the rest is only rounding.
                if next.count == open.count { break }
                open = next
            }
        }
        return shares
    }

    private static func limit(_ claim: Claim, _ resource: String) -> Int {
        guard let capability = claim.capability, claim.capabilityNames.contains(resource) else {
            return claim.wanted[resource]
        }
        return min(claim.wanted[resource], capability[resource])
    }

    /// The largest part of its share that a queue holds, over all resources.
    static func usage(_ held: Resources, of share: Resources) -> Double {
        var usage = 0.0
        for name in held.names where name != "pods" && held[name] > 0 {
            usage = max(usage, share[name] > 0 ? Double(held[name]) / Double(share[name]) : .infinity)
        }
        return usage
    }
}
