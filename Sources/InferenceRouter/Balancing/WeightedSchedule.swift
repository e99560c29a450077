/// A repeating order of choices in which each choice appears exactly as often as its weight says, spread evenly.
///
/// With weights 90 and 10, every run of ten consecutive requests sends exactly one to the second choice: a small share is
/// never empty for long and never comes in bursts, as it would with a random draw.
struct WeightedSchedule: Sendable, Hashable {
    /// Index of the choice for each position; empty when no weight is positive.
    let slots: [UInt16]

    init(weights: [Int]) {
        let positive = weights.map { min(max(0, $0), 10_000) }
        let divisor = positive.reduce(0, WeightedSchedule.greatestCommonDivisor)
        guard divisor > 0 else {
            slots = []
            return
        }
        let shares = positive.map { $0 / divisor }
        let total = shares.reduce(0, +)
        var credit = [Int](repeating: 0, count: shares.count)
        var order: [UInt16] = []
        order.reserveCapacity(total)
        for _ in 0..<total {
            var best = 0
            for index in shares.indices {
                credit[index] += shares[index]
                if credit[index] > credit[best] { best = index }
            }
            credit[best] -= total
            order.append(UInt16(truncatingIfNeeded: best))
        }
        slots = order
    }

    /// The choice for the request with this running number; nil when nothing has weight.
    func choice(_ sequence: UInt64) -> Int? {
        guard !slots.isEmpty else { return nil }
        return Int(slots[Int(sequence % UInt64(slots.count))])
    }

    private static func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
        var (a, b) = (a, b)
        while b != 0 { (a, b) = (b, a % b) }
        return a
    }
}
