internal import ControlPlaneAPI
internal import Hummingbird
internal import HummingbirdCore
internal import KubeCore
internal import NIOCore

/// An answer before it becomes HTTP.
struct Reply: Sendable {
    enum Content: Sendable {
        case none
        case json(JSON)
        case bytes(ByteBuffer, type: String)
        /// The body is written by the closure; nil length means chunked.
        case stream(ResponseBody, type: String)
    }

    var status: Int
    var headers: [String: String]
    var content: Content

    init(_ status: Int = 200, headers: [String: String] = [:], content: Content = .none) {
        self.status = status
        self.headers = headers
        self.content = content
    }

    static func json(_ value: JSON, status: Int = 200, headers: [String: String] = [:]) -> Reply {
        Reply(status, headers: headers, content: .json(value))
    }

    static func text(_ value: String, type: String = "text/plain; charset=utf-8", status: Int = 200) -> Reply {
        Reply(status, content: .bytes(ByteBuffer(string: value), type: type))
    }

    static let noContent = Reply(204)

    /// `{"value": […]}` with an optional next page.
    static func list(_ items: [JSON], next: String? = nil) -> Reply {
        var body: [String: JSON] = ["value": .array(items)]
        if let next { body["nextLink"] = .string(next) }
        return .json(.object(body))
    }

    static func error(_ error: ARMError) -> Reply {
        .json(error.body, status: error.status, headers: ["x-ms-error-code": error.error.code])
    }

    /// The HTTP answer; `isHead` leaves the body out but keeps its length.
    func response(isHead: Bool) -> Response {
        var fields = HTTPFields()
        for (name, value) in headers {
            if let name = HTTPFieldNames.name(name) { fields[name] = value }
        }
        let body: ResponseBody
        switch content {
        case .none: body = ResponseBody()
        case .json(let value):
            set("Content-Type", "application/json; charset=utf-8", in: &fields)
            body = ResponseBody(byteBuffer: ByteBuffer(bytes: value.bytes))
        case .bytes(let buffer, let type):
            set("Content-Type", type, in: &fields)
            body = ResponseBody(byteBuffer: buffer)
        case .stream(let stream, let type):
            set("Content-Type", type, in: &fields)
            body = stream
        }
        if isHead {
            if let length = body.contentLength, length > 0 { set("Content-Length", String(length), in: &fields) }
            return Response(status: .init(code: status), headers: fields, body: ResponseBody())
        }
        return Response(status: .init(code: status), headers: fields, body: body)
    }

    private func set(_ name: String, _ value: String, in fields: inout HTTPFields) {
        if let name = HTTPFieldNames.name(name), fields[name] == nil { fields[name] = value }
    }
}

/// Header names by their text.
enum HTTPFieldNames {
    static func name(_ text: String) -> HTTPFieldName? { HTTPFieldName(text) }
}

/// The header-name type of the HTTP library.
typealias HTTPFieldName = HTTPFields.Element.Name
