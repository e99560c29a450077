internal import Foundation
package import Logging
internal import Synchronization

/// Where and how log lines of this process go.
package enum LogOutput {
    /// Form of a log line.
    package enum Format: String, Sendable, CaseIterable {
        case text
        case json
    }

    /// Sends all loggers of the process to standard error.
    ///
    /// Only the first call counts.
    package static func bootstrap(level: Logger.Level = .info, format: Format = .text) {
        let isFirst = isBootstrapped.withLock { done in
            defer { done = true }
            return !done
        }
        guard isFirst else { return }
        LoggingSystem.bootstrap { label in
            LineLogHandler(label: label, format: format, logLevel: level, write: standardError)
        }
    }

    /// A logger outside the bootstrapped system: tests and parts with a stream of their own.
    package static func logger(
        label: String,
        level: Logger.Level,
        format: Format,
        write: @escaping @Sendable ([UInt8]) -> Void
    ) -> Logger {
        Logger(label: label) { LineLogHandler(label: $0, format: format, logLevel: level, write: write) }
    }

    private static let isBootstrapped = Mutex(false)

    /// One `write` per line, so that lines of several processes that share the descriptor do not mix.
    @Sendable private static func standardError(_ line: [UInt8]) {
        line.withUnsafeBytes { bytes in
            var offset = 0
            while offset < bytes.count {
                let count = write(2, bytes.baseAddress.map { $0 + offset }, bytes.count - offset)
                if count < 0 && errno != EINTR { return }
                offset += max(0, count)
            }
        }
    }
}
