/// Why a bundle or an image could not be made, kept or sent.
package struct PackagingError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// Bytes are not those that were expected.
        case checksumMismatch
        /// Nobody says which bytes are right.
        case checksumUnknown
        case unknownBundle
        case downloadFailed
        case tooLarge
        case badArchive
        case badManifest
        case badProgram
        case badReference
        case fileFailed
        case toolFailed
        case registryRefused
        case unauthorized
    }

    package var code: Code
    /// Names the object and the value; lower case, no full stop.
    package var message: String
    /// One imperative sentence.
    package var remedy: String?

    package init(_ code: Code, _ message: String, remedy: String? = nil) {
        self.code = code
        self.message = message
        self.remedy = remedy
    }

    package var description: String { remedy.map { "\(message); \($0)" } ?? message }
}
