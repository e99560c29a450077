/// When a relay is asked for its token again.
///
/// Pure. Asking at half of what is left each time meets a renewal early, and still asks often near the end.
struct TokenRenewal: Sendable, Equatable {
    /// A token that is about to end is asked for no more often than this.
    static let shortest = Duration.seconds(2)

    enum Step: Sendable, Equatable {
        case ask(after: Duration)
        /// It was not renewed in time.
        case close
    }

    /// `remaining`: until the token that was shown last ends.
    static func step(remaining: Duration) -> Step {
        guard remaining > .zero else { return .close }
        let half = remaining / 2
        return .ask(after: half < shortest ? min(shortest, remaining) : half)
    }
}
