internal import Foundation
internal import KubeCore

/// The `AdmissionReview` of one call and the reading of its answer.
struct WebhookReview: Sendable {
    let uid: String
    let version: String
    let json: JSON

    /// `object` and `oldObject` are in the version that the webhook's rule names, which is `type`'s.
    init(_ request: AdmissionRequest, as type: ResourceType, kind: String, version: String) {
        uid = UUID().uuidString.lowercased()
        self.version = version
        var body: [String: JSON] = [
            "uid": .string(uid),
            "kind": Self.groupVersion(request.objectType(as: type), kind: kind),
            "resource": Self.resource(type),
            "requestKind": Self.groupVersion(request.objectType(as: request.type), kind: kind),
            "requestResource": Self.resource(request.type),
            "operation": .string(request.operation.rawValue),
            "userInfo": request.user.json,
            "object": Self.converted(request.object, from: request, to: type),
            "oldObject": Self.converted(request.oldObject, from: request, to: type),
            "dryRun": .bool(request.isDryRun),
            "options": request.options,
        ]
        if !request.name.isEmpty { body["name"] = .string(request.name) }
        if let namespace = request.namespace, !namespace.isEmpty { body["namespace"] = .string(namespace) }
        if let subresource = request.subresource {
            body["subResource"] = .string(subresource)
            body["requestSubResource"] = .string(subresource)
        }
        json = [
            "apiVersion": .string("admission.k8s.io/" + version), "kind": "AdmissionReview", "request": .object(body),
        ]
    }

    private static func groupVersion(_ type: (group: String, version: String), kind: String) -> JSON {
        ["group": .string(type.group), "version": .string(type.version), "kind": .string(kind)]
    }

    private static func resource(_ type: ResourceType) -> JSON {
        ["group": .string(type.group), "version": .string(type.version), "resource": .string(type.plural)]
    }

    private static func converted(_ object: KubeObject?, from request: AdmissionRequest, to type: ResourceType) -> JSON
    {
        guard let object else { return .null }
        return request.converted(object, to: type).json
    }

    /// What a webhook said.
    struct Answer: Sendable {
        var isAllowed: Bool
        /// `metav1.Status`, with a refusal.
        var result: JSON?
        var patch: JSON?
        var warnings: [String]
        var auditAnnotations: [String: String]
    }

    /// Why an answer cannot be used.
    struct Unusable: Error {
        var message: String
    }

    /// - Throws: `Unusable` for an answer that breaks the rules of the protocol.
    func read(_ answer: JSON, isMutating: Bool) throws(Unusable) -> Answer {
        guard let response = answer["response"], case .object = response else {
            throw Unusable(message: "webhook response was absent")
        }
        let given = "\(answer["apiVersion"]?.stringValue ?? ""), Kind=\(answer["kind"]?.stringValue ?? "")"
        if version == "v1" {
            let expected = "admission.k8s.io/v1, Kind=AdmissionReview"
            guard given == expected else {
                throw Unusable(message: "expected webhook response of \(expected), got \(given)")
            }
            let sent = response["uid"]?.stringValue ?? ""
            guard sent == uid else {
                throw Unusable(message: "expected response.uid=\"\(uid)\", got \"\(sent)\"")
            }
        }
        return Answer(
            isAllowed: response["allowed"]?.boolValue ?? false,
            result: response["status"],
            patch: try patch(response, isMutating: isMutating),
            warnings: response["warnings"]?.stringArray ?? [],
            auditAnnotations: response["auditAnnotations"]?.stringMap ?? [:]
        )
    }

    private func patch(_ response: JSON, isMutating: Bool) throws(Unusable) -> JSON? {
        let text = response["patch"]?.stringValue ?? ""
        let type = response["patchType"]?.stringValue
        guard isMutating else {
            if version == "v1", !text.isEmpty {
                throw Unusable(message: "validating webhook may not return response.patch")
            }
            if version == "v1", type != nil {
                throw Unusable(message: "validating webhook may not return response.patchType")
            }
            return nil
        }
        if version == "v1" {
            if !text.isEmpty, type == nil {
                throw Unusable(message: "webhook returned response.patch but not response.patchType")
            }
            if text.isEmpty, type != nil {
                throw Unusable(message: "webhook returned response.patchType but not response.patch")
            }
        }
        if text.isEmpty { return nil }
        guard type ?? "JSONPatch" == "JSONPatch" else {
            throw Unusable(message: "webhook returned invalid response.patchType of \"\(type ?? "")\"")
        }
        guard let data = Data(base64Encoded: text) else {
            throw Unusable(message: "response.patch is not base64")
        }
        do {
            return try JSON(parsing: Array(data))
        } catch {
            throw Unusable(message: "response.patch: \(error)")
        }
    }

    /// The refusal as the client sees it: the webhook's own status, at least 400, with who refused.
    static func refusal(by name: String, _ result: JSON?) -> APIError {
        var error = APIError(status: result ?? [:], code: 400)
        if error.code < 400 { error.code = 400 }
        let given = result?["message"]?.stringValue ?? ""
        let denied = "admission webhook \"\(name)\" denied the request"
        if !given.isEmpty {
            error.message = "\(denied): \(given)"
        } else if !error.reason.rawValue.isEmpty {
            error.message = "\(denied): \(error.reason.rawValue)"
        } else {
            error.message = "\(denied) without explanation"
        }
        return error
    }
}
