internal import KubeCore

/// A decoded body.
struct RequestBody: Sendable {
    var json: JSON
    /// Dotted paths of keys that came twice.
    var duplicates: [String] = []

    /// Reads a body in any form that the server takes; without a Content-Type it is JSON.
    ///
    /// `schema` finds the schema of a protobuf message by its apiVersion and kind. Throws 400 for a body that cannot be read,
    /// 415 for a form that is not known.
    static func decode(
        _ bytes: [UInt8],
        contentType: String?,
        what: String,
        schema: (_ apiVersion: String, _ kind: String) -> Schema?
    ) throws(APIError) -> RequestBody {
        switch mediaType(contentType) {
        case "", "application/json", "text/json": return try json(bytes, what)
        case "application/yaml", "application/x-yaml", "text/yaml": return try yaml(bytes)
        case "application/vnd.kubernetes.protobuf": return RequestBody(json: try protobuf(bytes, schema: schema))
        case let other:
            throw APIError(
                code: 415,
                reason: .unsupportedMediaType,
                message: "the body of the request was in an unknown format (\(other)) - accepted media types include: "
                    + "application/json, application/yaml, application/vnd.kubernetes.protobuf"
            )
        }
    }

    /// The type alone, in lower case.
    static func mediaType(_ header: String?) -> String {
        (header ?? "").prefix { $0 != ";" }.trimmingSpaces().lowercased()
    }

    private static func json(_ bytes: [UInt8], _ what: String) throws(APIError) -> RequestBody {
        // Some clients send protobuf and name no type.
        var duplicates: [String] = []
        do {
            let json = try JSON.parse(bytes, duplicates: &duplicates)
            return RequestBody(json: json, duplicates: duplicates)
        } catch {
            let position = error.offset < bytes.count ? "" : " (unexpected end of JSON input)"
            throw APIError.badRequest("couldn't get version/kind; json parse error: \(what): \(error)\(position)")
        }
    }

    static func yaml(_ bytes: [UInt8]) throws(APIError) -> RequestBody {
        // JSON is YAML, and much cheaper to read.
        if bytes.first(where: { $0 > UInt8(ascii: " ") }) == UInt8(ascii: "{") {
            var duplicates: [String] = []
            if let json = try? JSON.parse(bytes, duplicates: &duplicates) {
                return RequestBody(json: json, duplicates: duplicates)
            }
        }
        var duplicates: [String] = []
        do {
            return RequestBody(json: try JSON.yamlBody(bytes, duplicates: &duplicates), duplicates: duplicates)
        } catch {
            throw APIError.badRequest("error decoding YAML: \(error)")
        }
    }

    private static func protobuf(
        _ bytes: [UInt8],
        schema: (_ apiVersion: String, _ kind: String) -> Schema?
    ) throws(APIError) -> JSON {
        do {
            let envelope = try ProtobufEnvelope(bytes)
            guard let schema = schema(envelope.apiVersion, envelope.kind) else {
                throw APIError.badRequest(
                    "no kind \"\(envelope.kind)\" is registered for version \"\(envelope.apiVersion)\" in protobuf"
                )
            }
            var json = try schema.decodeProtobuf(envelope.raw)
            json["apiVersion"] = .string(envelope.apiVersion)
            json["kind"] = .string(envelope.kind)
            return json
        } catch let error as ProtobufDecodeError {
            throw APIError.badRequest(error.message)
        } catch let error as APIError {
            throw error
        } catch {
            throw APIError.badRequest("\(error)")
        }
    }
}
