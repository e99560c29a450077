/// Why the router itself answers a request, or ends it.
///
/// The raw value is the `code` of the answer and of the access log.
enum Fault: String, Sendable, CaseIterable {
    case badRequest = "BadRequest"
    case unauthorized = "Unauthorized"
    case notFound = "NotFound"
    case endpointNotFound = "EndpointNotFound"
    case deploymentNotFound = "DeploymentNotFound"
    case noTraffic = "NoValidDeployments"
    case methodNotAllowed = "MethodNotAllowed"
    case requestTimedOut = "RequestHeadTimeout"
    case payloadTooLarge = "PayloadTooLarge"
    case noReadyInstance = "NoReadyInstance"
    case queueFull = "QueueFull"
    case queueWaitExceeded = "QueueWaitExceeded"
    case connectFailed = "ModelConnectFailed"
    case closedEarly = "ModelClosedConnection"
    case badResponse = "ModelInvalidResponse"
    case timedOut = "RequestTimeout"
    /// The client went away before the answer was complete.
    case clientGone = "ClientClosedRequest"
    /// The model stopped in the middle of its answer, which the client sees as a broken connection.
    case truncated = "ModelResponseTruncated"

    var status: Int {
        switch self {
        case .badRequest: 400
        case .unauthorized: 401
        case .notFound, .endpointNotFound, .deploymentNotFound, .noTraffic: 404
        case .methodNotAllowed: 405
        case .requestTimedOut: 408
        case .payloadTooLarge: 413
        case .noReadyInstance, .queueFull, .queueWaitExceeded: 503
        case .connectFailed, .closedEarly, .badResponse, .truncated: 502
        case .timedOut: 504
        case .clientGone: 499
        }
    }
}

/// The standard phrases that the router writes itself.
enum StatusPhrase {
    static func of(_ status: Int) -> StaticString {
        switch status {
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 206: "Partial Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 417: "Expectation Failed"
        case 422: "Unprocessable Content"
        case 424: "Failed Dependency"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: "Status"
        }
    }
}
