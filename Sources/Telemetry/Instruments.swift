internal import Synchronization

/// A number that only grows.
///
/// Safe from any thread, without a lock.
package final class Counter: Sendable {
    private let count = Atomic<Int>(0)

    package func add(_ amount: Int = 1) { count.wrappingAdd(amount, ordering: .relaxed) }

    package var value: Int { count.load(ordering: .relaxed) }
}

/// A number that goes up and down.
package final class Gauge: Sendable {
    private let bits = Atomic<Int>(0)

    package func set(_ value: Int) { bits.store(value, ordering: .relaxed) }

    package func add(_ amount: Int) { bits.wrappingAdd(amount, ordering: .relaxed) }

    package var value: Int { bits.load(ordering: .relaxed) }
}

/// Durations counted in buckets with fixed upper bounds.
package final class Histogram: Sendable {
    /// Upper bounds in seconds, ascending; `+Inf` is implied.
    package let bounds: [Double]
    private let boundNanoseconds: [UInt64]
    private let cells: [Cell]
    private let totalNanoseconds = Atomic<UInt64>(0)

    private final class Cell: Sendable {
        let count = Atomic<UInt64>(0)
    }

    package static let defaultBounds: [Double] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]

    package init(bounds: [Double] = Histogram.defaultBounds) {
        self.bounds = bounds
        boundNanoseconds = bounds.map { UInt64($0 * 1e9) }
        cells = (0...bounds.count).map { _ in Cell() }
    }

    /// Counts one duration.
    package func record(nanoseconds: UInt64) {
        var index = 0
        while index < boundNanoseconds.count && nanoseconds > boundNanoseconds[index] { index += 1 }
        cells[index].count.wrappingAdd(1, ordering: .relaxed)
        totalNanoseconds.wrappingAdd(nanoseconds, ordering: .relaxed)
    }

    package func record(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        record(nanoseconds: UInt64(max(0, seconds)) * 1_000_000_000 + UInt64(max(0, attoseconds) / 1_000_000_000))
    }

    /// Counts per bucket (not cumulated, `+Inf` last) and the sum in seconds.
    package var snapshot: (counts: [UInt64], sumSeconds: Double) {
        (cells.map { $0.count.load(ordering: .relaxed) }, Double(totalNanoseconds.load(ordering: .relaxed)) / 1e9)
    }
}
