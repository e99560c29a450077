/// Delays that double up to a maximum, with ±20 % jitter so that many clients do not retry in step.
package struct Backoff: Sendable {
    private let initial: Duration
    private let maximum: Duration
    private var failures = 0

    package init(initial: Duration, maximum: Duration) {
        self.initial = initial
        self.maximum = maximum
    }

    package mutating func reset() { failures = 0 }

    package mutating func next() -> Duration {
        let delay = min(initial * (1 << min(failures, 30)), maximum)
        failures += 1
        return delay * Double.random(in: 0.8...1.2)
    }
}

/// Sleeps; false when the task was cancelled meanwhile.
package func sleepUnlessCancelled(_ duration: Duration) async -> Bool {
    do {
        try await Task.sleep(for: duration)
        return true
    } catch {
        return false
    }
}
