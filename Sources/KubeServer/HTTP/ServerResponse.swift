internal import KubeCore
internal import NIOCore
internal import NIOHTTP1

/// A complete answer.
struct ServerResponse: Sendable {
    var status: HTTPResponseStatus
    var headers: HTTPHeaders
    var body: [UInt8]

    init(status: HTTPResponseStatus = .ok, contentType: String, body: [UInt8], headers: HTTPHeaders = [:]) {
        self.status = status
        self.headers = headers
        self.headers.replaceOrAdd(name: "Content-Type", value: contentType)
        self.body = body
    }

    static func json(_ json: JSON, status: HTTPResponseStatus = .ok) -> ServerResponse {
        ServerResponse(status: status, contentType: "application/json", body: json.bytes)
    }

    static func text(_ text: String, status: HTTPResponseStatus = .ok) -> ServerResponse {
        var response = ServerResponse(status: status, contentType: "text/plain; charset=utf-8", body: Array(text.utf8))
        response.headers.add(name: "X-Content-Type-Options", value: "nosniff")
        return response
    }

    /// An error as its Status object.
    static func error(_ error: APIError, format: MediaType.Format = .json) -> ServerResponse {
        var response = ServerResponse(
            status: HTTPResponseStatus(statusCode: error.code),
            contentType: format.contentType,
            body: format.encode(error.status)
        )
        if let seconds = error.retryAfterSeconds, seconds > 0 {
            response.headers.add(name: "Retry-After", value: String(seconds))
        }
        if error.code == 401 { response.headers.add(name: "WWW-Authenticate", value: "Bearer realm=\"kubernetes\"") }
        return response
    }

    /// Adds `Warning` headers.
    mutating func addWarnings(_ warnings: [String]) {
        for warning in warnings {
            headers.add(name: "Warning", value: ServerResponse.warningValue(warning))
        }
    }

    /// RFC 7234 `warn-code SP warn-agent SP warn-text`.
    static func warningValue(_ text: String) -> String {
        var quoted = "299 - \""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\r", "\n": quoted += " "
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
