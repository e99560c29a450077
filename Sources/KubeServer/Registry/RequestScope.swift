internal import Synchronization

extension RequestUser {
    /// In-process callers.
    package static let system = RequestUser(
        name: "system:apiserver",
        groups: ["system:masters", "system:authenticated"]
    )
}

/// What surrounds one request: the caller going in, and coming out what the answer needs besides the object.
///
/// The HTTP layer makes one for each request and calls the registry inside `RequestScope.$current.withValue(scope) { … }`.
/// Without a scope the caller is the system itself.
package final class RequestScope: Sendable {
    @TaskLocal package static var current: RequestScope?

    private struct Outcome {
        var warnings: [String] = []
        var isCreated = false
        var isDeleted = false
        var continueToken: String?
    }

    package let user: RequestUser
    /// Dotted paths of keys that the body repeats, for strict field validation.
    package let duplicateFields: [String]
    private let outcome = Mutex(Outcome())

    package init(user: RequestUser, duplicateFields: [String] = []) {
        self.user = user
        self.duplicateFields = duplicateFields
    }

    /// Texts for `Warning: 299 - "…"` headers.
    package var warnings: [String] { outcome.withLock { $0.warnings } }
    /// The write made the object: the answer is 201.
    package var isCreated: Bool { outcome.withLock { $0.isCreated } }
    /// The deletion removed the object at once: most kinds then answer a Status.
    package var isDeleted: Bool { outcome.withLock { $0.isDeleted } }
    /// Of a 410 for an expired continue token: goes on inconsistently; belongs into the Status' `metadata.continue`.
    package var inconsistentContinueToken: String? { outcome.withLock { $0.continueToken } }

    func warn(_ text: String) {
        outcome.withLock { if !$0.warnings.contains(text) { $0.warnings.append(text) } }
    }
    func markCreated() { outcome.withLock { $0.isCreated = true } }
    func markDeleted() { outcome.withLock { $0.isDeleted = true } }
    func offer(continueToken: String) { outcome.withLock { $0.continueToken = continueToken } }
}
