/// Which of a cluster's connections takes the next request.
///
/// Pure: facts in, choice out.
struct ConnectionChoice: Sendable {
    struct Candidate: Sendable, Equatable {
        var id: Int
        /// It said goodbye: what runs may end, nothing new may start.
        var isDraining: Bool
        var openStreams: Int
        /// Time since anything came from it.
        var silence: Duration
    }

    enum Outcome: Sendable, Equatable {
        case use(Int)
        case overloaded
        case notConnected
    }

    let maximumStreams: Int
    /// A connection silent for longer is taken only when there is no better one.
    let doubtful: Duration

    func pick(_ candidates: [Candidate]) -> Outcome {
        let usable = candidates.filter { !$0.isDraining }
        guard !usable.isEmpty else { return .notConnected }
        let free = usable.filter { $0.openStreams < maximumStreams }
        let lively = free.filter { $0.silence < doubtful }
        let best = (lively.isEmpty ? free : lively).min { left, right in
            // The newest among equals: after a cut the older ones may be dead without knowing.
            (left.openStreams, -left.id) < (right.openStreams, -right.id)
        }
        return best.map { .use($0.id) } ?? .overloaded
    }
}
