/// An error as the Kubernetes API answers it: a `Status` object with code, reason and causes.
///
/// `reason` is what code may branch on; `message` is for people.
package struct APIError: Error, Sendable, Hashable, CustomStringConvertible {
    /// `metav1.StatusReason`; unknown ones from the wire are kept.
    package struct Reason: RawRepresentable, Sendable, Hashable {
        package var rawValue: String
        package init(rawValue: String) { self.rawValue = rawValue }

        package static let badRequest = Reason(rawValue: "BadRequest")
        package static let unauthorized = Reason(rawValue: "Unauthorized")
        package static let forbidden = Reason(rawValue: "Forbidden")
        package static let notFound = Reason(rawValue: "NotFound")
        package static let methodNotAllowed = Reason(rawValue: "MethodNotAllowed")
        package static let notAcceptable = Reason(rawValue: "NotAcceptable")
        package static let alreadyExists = Reason(rawValue: "AlreadyExists")
        package static let conflict = Reason(rawValue: "Conflict")
        package static let gone = Reason(rawValue: "Gone")
        package static let expired = Reason(rawValue: "Expired")
        package static let invalid = Reason(rawValue: "Invalid")
        package static let requestEntityTooLarge = Reason(rawValue: "RequestEntityTooLarge")
        package static let unsupportedMediaType = Reason(rawValue: "UnsupportedMediaType")
        package static let tooManyRequests = Reason(rawValue: "TooManyRequests")
        package static let internalError = Reason(rawValue: "InternalError")
        package static let serviceUnavailable = Reason(rawValue: "ServiceUnavailable")
        package static let timeout = Reason(rawValue: "Timeout")
        package static let unknown = Reason(rawValue: "")
    }

    /// One entry of `details.causes`.
    package struct Cause: Sendable, Hashable {
        /// Such as `FieldValueInvalid` or `FieldManagerConflict`.
        package var reason: String
        package var message: String
        package var field: String

        package init(reason: String, message: String, field: String = "") {
            self.reason = reason
            self.message = message
            self.field = field
        }
    }

    /// HTTP status code.
    package var code: Int
    package var reason: Reason
    package var message: String
    /// `details.name`, `.group`, `.kind` (kind is the plural in most upstream errors).
    package var name: String
    package var group: String
    package var kind: String
    package var uid: String
    package var causes: [Cause]
    package var retryAfterSeconds: Int?

    package init(
        code: Int,
        reason: Reason,
        message: String,
        name: String = "",
        group: String = "",
        kind: String = "",
        uid: String = "",
        causes: [Cause] = [],
        retryAfterSeconds: Int? = nil
    ) {
        self.code = code
        self.reason = reason
        self.message = message
        self.name = name
        self.group = group
        self.kind = kind
        self.uid = uid
        self.causes = causes
        self.retryAfterSeconds = retryAfterSeconds
    }

    package var description: String { message.isEmpty ? "\(reason.rawValue) (\(code))" : message }

    package var isNotFound: Bool { code == 404 }
    package var isConflict: Bool { reason == .conflict }
    package var isAlreadyExists: Bool { reason == .alreadyExists }
    /// The watch or continue token is too old: list again.
    package var isExpired: Bool { code == 410 }
}

extension APIError {
    package static func notFound(_ type: ResourceType, _ name: String) -> APIError {
        APIError(
            code: 404,
            reason: .notFound,
            message: "\(type.groupResource) \"\(name)\" not found",
            name: name,
            group: type.group,
            kind: type.plural
        )
    }

    package static func alreadyExists(_ type: ResourceType, _ name: String) -> APIError {
        APIError(
            code: 409,
            reason: .alreadyExists,
            message: "\(type.groupResource) \"\(name)\" already exists",
            name: name,
            group: type.group,
            kind: type.plural
        )
    }

    package static func conflict(_ type: ResourceType, _ name: String, _ detail: String) -> APIError {
        APIError(
            code: 409,
            reason: .conflict,
            message: "Operation cannot be fulfilled on \(type.groupResource) \"\(name)\": \(detail)",
            name: name,
            group: type.group,
            kind: type.plural
        )
    }

    package static func badRequest(_ message: String) -> APIError {
        APIError(code: 400, reason: .badRequest, message: message)
    }

    package static func expired(_ message: String) -> APIError {
        APIError(code: 410, reason: .expired, message: message)
    }

    package static func internalError(_ message: String) -> APIError {
        APIError(
            code: 500,
            reason: .internalError,
            message: "Internal error occurred: \(message)",
            causes: [Cause(reason: "", message: message)]
        )
    }

    /// 422 with one cause per field error, in upstream's wording.
    package static func invalid(_ type: ResourceType, _ name: String, _ errors: [FieldError]) -> APIError {
        let subject = type.group.isEmpty ? type.kind : type.kind + "." + type.group
        let list = errors.map(\.description)
        let text = list.count == 1 ? list[0] : "[" + list.joined(separator: ", ") + "]"
        return APIError(
            code: 422,
            reason: .invalid,
            message: "\(subject) \"\(name)\" is invalid: \(text)",
            name: name,
            group: type.group,
            kind: type.kind,
            causes: errors.map { Cause(reason: $0.reason.rawValue, message: $0.body, field: $0.path) }
        )
    }
}

extension APIError {
    /// The `Status` object.
    package var status: JSON {
        var details: [String: JSON] = [:]
        if !name.isEmpty { details["name"] = .string(name) }
        if !group.isEmpty { details["group"] = .string(group) }
        if !kind.isEmpty { details["kind"] = .string(kind) }
        if !uid.isEmpty { details["uid"] = .string(uid) }
        if let retryAfterSeconds { details["retryAfterSeconds"] = JSON(retryAfterSeconds) }
        if !causes.isEmpty {
            details["causes"] = .array(
                causes.map { cause in
                    var members: [String: JSON] = ["message": .string(cause.message)]
                    if !cause.reason.isEmpty { members["reason"] = .string(cause.reason) }
                    if !cause.field.isEmpty { members["field"] = .string(cause.field) }
                    return .object(members)
                }
            )
        }
        var members: [String: JSON] = [
            "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Failure", "message": .string(message),
            "code": JSON(code),
        ]
        if !reason.rawValue.isEmpty { members["reason"] = .string(reason.rawValue) }
        if !details.isEmpty { members["details"] = .object(details) }
        return .object(members)
    }

    /// Reads a `Status` object; `code` stands in when it names none.
    package init(status: JSON, code: Int) {
        let details = status["details"]
        self.init(
            code: status["code"]?.intValue ?? code,
            reason: Reason(rawValue: status["reason"]?.stringValue ?? ""),
            message: status["message"]?.stringValue ?? "the server answered \(code)",
            name: details?["name"]?.stringValue ?? "",
            group: details?["group"]?.stringValue ?? "",
            kind: details?["kind"]?.stringValue ?? "",
            uid: details?["uid"]?.stringValue ?? "",
            causes: (details?["causes"]?.arrayValue ?? []).map {
                Cause(
                    reason: $0["reason"]?.stringValue ?? "",
                    message: $0["message"]?.stringValue ?? "",
                    field: $0["field"]?.stringValue ?? ""
                )
            },
            retryAfterSeconds: details?["retryAfterSeconds"]?.intValue
        )
    }
}

/// What is wrong with one field of an object.
///
/// Validation collects all of them before it fails.
package struct FieldError: Error, Sendable, Hashable, CustomStringConvertible {
    /// `metav1.CauseType`.
    package enum Reason: String, Sendable {
        case required = "FieldValueRequired"
        case invalid = "FieldValueInvalid"
        case typeInvalid = "FieldValueTypeInvalid"
        case duplicate = "FieldValueDuplicate"
        case notSupported = "FieldValueNotSupported"
        case forbidden = "FieldValueForbidden"
        case tooLong = "FieldValueTooLong"
        case tooMany = "FieldValueTooMany"
        case notFound = "FieldValueNotFound"
    }

    /// `spec.containers[0].name`.
    package var path: String
    package var reason: Reason
    package var badValue: JSON?
    package var detail: String

    package init(_ path: String, _ reason: Reason, _ detail: String = "", badValue: JSON? = nil) {
        self.path = path
        self.reason = reason
        self.badValue = badValue
        self.detail = detail
    }

    /// The text after the path, in upstream's wording (`field.Error.ErrorBody`).
    package var body: String {
        let title =
            switch reason {
            case .required: "Required value"
            case .invalid, .typeInvalid: "Invalid value"
            case .duplicate: "Duplicate value"
            case .notSupported: "Unsupported value"
            case .forbidden: "Forbidden"
            case .tooLong: "Too long"
            case .tooMany: "Too many"
            case .notFound: "Not found"
            }
        var text = title
        switch reason {
        case .required, .forbidden, .tooLong: break
        default: if let badValue { text += ": " + badValue.text }
        }
        return detail.isEmpty ? text : text + ": " + detail
    }

    package var description: String { path.isEmpty ? body : path + ": " + body }
}
