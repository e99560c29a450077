internal import Foundation

enum StandardOutput {
    /// Writes all of `bytes`; gives up when the reader is gone.
    static func write(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { bytes in
            var offset = 0
            while offset < bytes.count {
                let count = Foundation.write(1, bytes.baseAddress.map { $0 + offset }, bytes.count - offset)
                if count < 0 && errno != EINTR { return }
                offset += max(0, count)
            }
        }
    }
}
