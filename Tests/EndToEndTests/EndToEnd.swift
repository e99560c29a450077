internal import Testing

/// The product as a user meets it: the built programs, real containers, real kubectl, real packages from PyPI.
@Suite(.serialized, .enabled(if: Requirements.missing.isEmpty, Requirements.reason))
enum EndToEnd {
    /// Suites that share one instance.
    @Suite(.serialized, SharedInstance()) enum OneInstance {}
}
