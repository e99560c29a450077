/// A condition that did not come true in time.
package struct NotEventually: Error, CustomStringConvertible {
    package var what: String
    package var lastError: String?

    package var description: String {
        "\(what) did not come true in time" + (lastError.map { "; last error: \($0)" } ?? "")
    }
}

/// Asks again until `condition` answers a value, and returns it.
///
/// An error counts as "not yet".
///
/// - Throws: `NotEventually` after `timeout`, or `CancellationError`.
@discardableResult
package func eventually<T>(
    _ what: String = "the condition",
    timeout: Duration = .seconds(15),
    interval: Duration = .milliseconds(10),
    _ condition: () async throws -> T?
) async throws -> T {
    let clock = ContinuousClock()
    let deadline = clock.now + timeout
    var lastError: String?
    repeat {
        do {
            if let value = try await condition() { return value }
            lastError = nil
        } catch let error as CancellationError {
            throw error
        } catch {
            lastError = "\(error)"
        }
        try await clock.sleep(for: interval)
    } while clock.now < deadline
    throw NotEventually(what: what, lastError: lastError)
}

/// Waits until `condition` is true.
package func eventuallyTrue(
    _ what: String = "the condition",
    timeout: Duration = .seconds(15),
    _ condition: () async throws -> Bool
) async throws {
    try await eventually(what, timeout: timeout) { try await condition() ? true : nil }
}
