/// Whether the other side of a connection is still there.
///
/// Pure: told of bytes that came and of the passing of time. A connection whose packets are dropped silently looks open to the
/// kernel for many minutes; nothing but missing answers gives it away.
struct Liveness: Sendable, Equatable {
    enum Action: Sendable, Equatable { case ping, close }

    let limit: Duration
    private(set) var lastHeard: Duration

    /// Times are since any fixed moment; after a silence of `limit` the connection counts as dead.
    init(limit: Duration, now: Duration) {
        self.limit = limit
        lastHeard = now
    }

    mutating func heard(now: Duration) { lastHeard = max(lastHeard, now) }

    /// What to do at one beat of the keepalive timer.
    func beat(now: Duration) -> Action { now - lastHeard >= limit ? .close : .ping }
}

/// How a connection is kept alive; a dead one is noticed after `limit` and at most one `interval` more.
package struct RelayKeepalive: Sendable {
    package var interval: Duration
    package var limit: Duration

    package init(interval: Duration = .seconds(2), limit: Duration = .seconds(7)) {
        self.interval = interval
        self.limit = limit
    }
}
