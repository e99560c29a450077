internal import Synchronization

/// What `/readyz` and `/healthz` say.
///
/// Parts register a check by name; readiness is the conjunction of all.
package final class Health: Sendable {
    private struct State {
        var notReady: [String: String] = [:]
        var unhealthy: [String: String] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    /// Declares a part that must become ready; until `setReady` it is not.
    package func require(_ part: String, reason: String = "starting") {
        state.withLock { $0.notReady[part] = reason }
    }

    package func setReady(_ part: String) {
        state.withLock { _ = $0.notReady.removeValue(forKey: part) }
    }

    package func setNotReady(_ part: String, reason: String) {
        state.withLock { $0.notReady[part] = reason }
    }

    /// A fault that only a restart cures; nil clears it.
    package func setFault(_ part: String, reason: String?) {
        state.withLock { $0.unhealthy[part] = reason }
    }

    /// Empty when ready, else `part: reason` lines.
    package var notReady: [String] {
        state.withLock { $0.notReady.map { "\($0.key): \($0.value)" }.sorted() }
    }

    /// Empty when healthy.
    package var faults: [String] {
        state.withLock { $0.unhealthy.map { "\($0.key): \($0.value)" }.sorted() }
    }

    package var isReady: Bool { notReady.isEmpty }
}
