package import KubeCore

/// The `error` member of an ARM error body.
///
/// `code` is what code may branch on; `message` is for people.
package struct ErrorDetail: Codable, Sendable, Hashable, Error, CustomStringConvertible {
    /// A CamelCase word such as `ResourceNotFound`.
    package var code: String
    package var message: String
    /// The field, parameter or resource at fault.
    package var target: String?
    package var details: [ErrorDetail]?
    package var additionalInfo: [JSON]?

    package init(
        code: String,
        message: String,
        target: String? = nil,
        details: [ErrorDetail]? = nil,
        additionalInfo: [JSON]? = nil
    ) {
        self.code = code
        self.message = message
        self.target = target
        self.details = details
        self.additionalInfo = additionalInfo
    }

    /// Reads the `error` member of an answer, or the member itself; nil when it holds neither code nor message.
    package init?(_ json: JSON) {
        let error = json["error"] ?? json
        guard error["code"] != nil || error["message"] != nil else { return nil }
        self.init(
            code: error["code"]?.stringValue ?? "",
            message: error["message"]?.stringValue ?? "",
            target: error["target"]?.stringValue,
            details: error["details"]?.arrayValue.map { list in list.compactMap { ErrorDetail($0) } },
            additionalInfo: error["additionalInfo"]?.arrayValue
        )
    }

    package var description: String {
        let lines = (details ?? []).map { "\n  " + $0.description }
        return "(\(code)) \(message)" + lines.joined()
    }

    package var json: JSON {
        var members: [String: JSON] = ["code": .string(code), "message": .string(message)]
        if let target { members["target"] = .string(target) }
        if let details { members["details"] = .array(details.map(\.json)) }
        if let additionalInfo { members["additionalInfo"] = .array(additionalInfo) }
        return .object(members)
    }
}

/// An ARM error answer: the HTTP status and the body `{"error": {…}}`.
package struct ARMError: Error, Sendable, Hashable, CustomStringConvertible {
    package var status: Int
    package var error: ErrorDetail

    package init(status: Int, error: ErrorDetail) {
        self.status = status
        self.error = error
    }

    package init(
        _ status: Int,
        _ code: String,
        _ message: String,
        target: String? = nil,
        details: [ErrorDetail]? = nil
    ) {
        self.init(
            status: status,
            error: ErrorDetail(code: code, message: message, target: target, details: details)
        )
    }

    package var description: String { error.description }

    /// The answer's body.
    package var body: JSON { ["error": error.json] }
}

extension ARMError {
    /// 404 in ARM's wording.
    package static func resourceNotFound(_ kind: String, _ name: String, remedy: String = "") -> ARMError {
        ARMError(404, "ResourceNotFound", "\(kind) '\(name)' was not found." + (remedy.isEmpty ? "" : " " + remedy))
    }

    /// 400 with the field at fault.
    package static func invalid(_ target: String, _ message: String) -> ARMError {
        ARMError(400, "InvalidParameter", message, target: target)
    }

    /// 400 with one detail per problem; a single problem is the message itself.
    package static func invalid(object: String, problems: [ErrorDetail]) -> ARMError {
        guard problems.count != 1 else { return ARMError(status: 400, error: problems[0]) }
        return ARMError(
            400,
            "ValidationFailed",
            "\(object) has \(problems.count) problems.",
            details: problems
        )
    }

    package static func conflict(_ code: String, _ message: String) -> ARMError { ARMError(409, code, message) }
}
