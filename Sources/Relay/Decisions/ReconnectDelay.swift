/// Pauses between attempts to connect: they double from a quarter of a second to ten, and are spread so that many relays do not return at once.
///
/// Pure: the chance is handed in.
struct ReconnectDelay: Sendable, Equatable {
    static let first = Duration.milliseconds(250)
    static let longest = Duration.seconds(10)

    private(set) var failures = 0

    /// The next pause; `chance` is from 0 up to 1.
    mutating func next(chance: Double) -> Duration {
        let steps = min(failures, 6)
        failures += 1
        let whole = min(Self.longest, Self.first * (1 << steps))
        // At least half, so that a broken control plane is not asked at once.
        return whole * (0.5 + 0.5 * chance)
    }

    /// After a connection that was accepted.
    mutating func reset() { failures = 0 }
}
