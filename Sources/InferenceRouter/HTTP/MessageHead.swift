/// Part of a head, as offsets from its first byte.
struct ByteRange: Sendable, Hashable {
    var start: Int32 = -1
    var end: Int32 = -1

    var isPresent: Bool { start >= 0 }
    var count: Int { Int(end - start) }
}

/// One header line of a scanned head.
struct HeaderField: Sendable, Hashable {
    var kind: HeaderKind
    /// The line starts at `name.start` and ends, CRLF included, at `lineEnd`.
    var name: ByteRange
    var value: ByteRange
    var lineEnd: Int32
}

/// What the head of a request or response says, without its text.
///
/// Ranges point into the scanned bytes.
struct MessageHead: Sendable, Hashable {
    var method = ByteRange()
    var target = ByteRange()
    /// 0 or 1 of `HTTP/1.x`.
    var minorVersion: UInt8 = 1
    var status = 0
    var reason = ByteRange()
    /// -1: none was sent.
    var contentLength = -1
    var isChunked = false
    var asksClose = false
    var asksKeepAlive = false
    /// `Connection` names other headers, which then belong to this connection only.
    var connectionNamesHeaders = false
    var expectsContinue = false
    var hasHost = false
    var authorization = ByteRange()
    var modelDeployment = ByteRange()
    var clientRequestID = ByteRange()

    /// Whether the peer keeps the connection after this message.
    var keepsAlive: Bool { minorVersion == 1 ? !asksClose : asksKeepAlive && !asksClose }
}

/// Why a head is refused.
///
/// The answer is sent and the connection closed: nothing after it can be trusted.
enum HeadViolation: Error, Sendable, Hashable, CaseIterable {
    case badStartLine
    case unsupportedVersion
    case targetTooLong
    case headTooLarge
    case tooManyHeaders
    case bareLineFeed
    case badHeaderName
    case badHeaderValue
    case foldedHeader
    case badContentLength
    case duplicateContentLength
    case lengthAndEncoding
    case badTransferEncoding
    case duplicateHost
    case missingHost
    case duplicateAuthorization
    case badExpectation

    var status: Int {
        switch self {
        case .unsupportedVersion: 505
        case .targetTooLong: 414
        case .headTooLarge, .tooManyHeaders: 431
        case .badTransferEncoding: 501
        case .badExpectation: 417
        default: 400
        }
    }

    var text: String {
        switch self {
        case .badStartLine: "the first line is not `METHOD TARGET HTTP/1.1`"
        case .unsupportedVersion: "the protocol version is not supported; use HTTP/1.1"
        case .targetTooLong: "the request target is longer than 8 KiB; send data in the body"
        case .headTooLarge: "the headers are larger than 32 KiB; send fewer or shorter ones"
        case .tooManyHeaders: "there are more than 100 headers; send fewer"
        case .bareLineFeed: "a header line ends with LF alone; end lines with CRLF"
        case .badHeaderName: "a header name holds a character that is not allowed, or space before its colon"
        case .badHeaderValue: "a header value holds a control character"
        case .foldedHeader: "a header continues on a second line; send it on one line"
        case .badContentLength: "Content-Length is not a whole number"
        case .duplicateContentLength: "Content-Length is given twice; send it once"
        case .lengthAndEncoding: "Content-Length and Transfer-Encoding are both given; send one of them"
        case .badTransferEncoding: "only `Transfer-Encoding: chunked`, given once and with HTTP/1.1, is supported"
        case .duplicateHost: "Host is given twice; send it once"
        case .missingHost: "Host is missing; HTTP/1.1 requires it"
        case .duplicateAuthorization: "Authorization is given twice; send it once"
        case .badExpectation: "only `Expect: 100-continue` is supported"
        }
    }
}
