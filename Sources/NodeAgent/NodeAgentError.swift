/// What went wrong on this node: a code to branch on, a sentence for people, and what to do about it.
package struct NodeAgentError: Error, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// A system call or a file operation failed.
        case system
        /// A program (runc, ip, mount) failed.
        case command
        /// The pod asks for something invalid, or names a missing object; becomes `CreateContainerConfigError`.
        case configuration
        /// The image is not in the image table; becomes `ErrImagePull`.
        case imageUnknown
        /// The container could not be made; becomes `CreateContainerError`.
        case create
        /// The program could not be started; becomes `RunContainerError` or `StartError`.
        case start
        /// A volume could not be set up; becomes a `FailedMount` event.
        case volume
        case networkUnavailable
        case notFound
        case badRequest
        case timeout
    }

    package var code: Code
    package var message: String
    package var remedy: String?

    package init(_ code: Code, _ message: String, remedy: String? = nil) {
        self.code = code
        self.message = message
        self.remedy = remedy
    }

    package var description: String { remedy.map { message + "; " + $0 } ?? message }
}
