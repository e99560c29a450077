internal import Foundation
internal import KubeCore

/// Where the next page of a list begins.
///
/// Opaque to clients.
struct ContinueToken {
    /// The version of the first page; -1 = whatever is there now.
    var revision: Int64
    /// Keys after this one.
    var after: String

    var text: String {
        let json: JSON = ["v": "meta.k8s.io/v1", "rv": .int(revision), "start": .string(after)]
        return Data(json.bytes).base64EncodedString()
            .replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
            .replacingOccurrences(of: "=", with: "")
    }

    init(revision: Int64, after: String) {
        self.revision = revision
        self.after = after
    }

    init(parsing text: String) throws(APIError) {
        var base64 = text.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
        while base64.count % 4 != 0 { base64 += "=" }
        guard let data = Data(base64Encoded: base64), let json = try? JSON(parsing: data),
            let revision = json["rv"]?.intValue, let after = json["start"]?.stringValue
        else { throw APIError.badRequest("continue key is not valid: it is no token of this server") }
        self.init(revision: Int64(revision), after: after)
    }
}
