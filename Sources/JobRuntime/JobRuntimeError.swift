/// Why a step in a pod of a job or deployment failed.
package struct JobRuntimeError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable {
        case badConfiguration
        case downloadFailed
        case uploadFailed
        case environmentFailed
        case launchFailed
    }

    package var code: Code
    package var message: String
    package var remedy: String?

    package init(_ code: Code, _ message: String, remedy: String? = nil) {
        self.code = code
        self.message = message
        self.remedy = remedy
    }

    package var description: String { remedy.map { "\(message); \($0)" } ?? message }
}
