/// Why a router cannot start or take a setting.
package struct RouterError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable {
        case badCertificate
        case certificateMissing
        case cannotListen
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
