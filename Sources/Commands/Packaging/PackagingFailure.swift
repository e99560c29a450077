internal import Packaging

extension CommandError {
    init(_ error: PackagingError) {
        let isUsage = error.code == .badReference || error.code == .unknownBundle
        self.init(error.message, remedy: error.remedy, exitStatus: isUsage ? 2 : 1)
    }
}

/// Runs what may fail with a `PackagingError` and says it in the form of every command.
func reportingPackaging<T>(_ body: () async throws -> T) async throws -> T {
    do {
        return try await body()
    } catch let error as PackagingError {
        throw CommandError(error)
    }
}

/// Sizes as people read them.
func sizeText(_ bytes: Int) -> String {
    if bytes < 10_240 { return "\(bytes) B" }
    if bytes < 10_485_760 { return "\(bytes / 1024) KiB" }
    return "\(bytes / 1_048_576) MiB"
}
