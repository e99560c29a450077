/// What a command could not do.
///
/// Printed as `error:`, `cause:` and `fix:` lines on standard error.
package struct CommandError: Error, Sendable, CustomStringConvertible {
    /// Names the object and the value; lower case, no full stop.
    package var message: String
    package var cause: String?
    /// One imperative sentence.
    package var remedy: String?
    /// Exit status of the process: 1 for a failed operation, 2 for wrong usage, 3 for something not found.
    package var exitStatus: Int32

    package init(_ message: String, cause: String? = nil, remedy: String? = nil, exitStatus: Int32 = 1) {
        self.message = message
        self.cause = cause
        self.remedy = remedy
        self.exitStatus = exitStatus
    }

    package var description: String {
        var lines = ["error: \(message)"]
        if let cause { lines.append("cause: \(cause)") }
        if let remedy { lines.append("fix: \(remedy)") }
        return lines.joined(separator: "\n")
    }
}
