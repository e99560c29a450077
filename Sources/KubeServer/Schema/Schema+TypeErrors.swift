package import KubeCore

extension Schema {
    /// Why a value cannot be read as this built-in type, in the wording of upstream's decoder; nil when it can.
    ///
    /// The API answers it with 400, not as a field error: upstream fails before validation.
    package func typeError(_ value: JSON) -> String? { typeError(value, path: "", parent: name ?? "") }

    private func typeError(_ value: JSON, path: String, parent: String) -> String? {
        if value.isNull { return nil }
        switch (form, value) {
        case (.object, .object(let members)):
            let owner = name?.split(separator: ".").last.map(String.init) ?? parent
            for key in members.keys.sorted() {
                guard let field = fields[key], let child = members[key] else { continue }
                let childPath = path.isEmpty ? key : path + "." + key
                if let error = field.schema.typeError(child, path: childPath, parent: owner) { return error }
            }
            return nil
        case (.map, .object(let members)):
            for key in members.keys.sorted() {
                guard let child = members[key] else { continue }
                if let error = element?.typeError(child, path: path, parent: parent) { return error }
            }
            return nil
        case (.list, .array(let elements)):
            for child in elements {
                if let error = element?.typeError(child, path: path, parent: parent) { return error }
            }
            return nil
        case (.string, .string(let text)): return stringError(text)
        case (.string, .int), (.string, .double): if format == .quantity { return nil }
        case (.integer, .int(let number)):
            if format != .int32 || Int32(exactly: number) != nil { return nil }
        case (.integer, .double(let number)): if number.rounded() == number { return nil }
        case (.number, .int), (.number, .double), (.boolean, .bool): return nil
        case (.any, _):
            guard format == .intOrString else { return nil }
            switch value {
            case .string, .int: return nil
            default: break
            }
        default: break
        }
        let found = Schema.describe(value)
        return "json: cannot unmarshal \(found) into Go struct field \(parent).\(path) of type \(goType)"
    }

    func stringError(_ text: String) -> String? {
        switch format {
        case .quantity where Quantity.canonical(.string(text)) == nil:
            return QuantityParseError(text: text).description
        case .time where Timestamp.microseconds(text) == nil, .microTime where Timestamp.microseconds(text) == nil:
            return text.isEmpty ? nil : "parsing time \"\(text)\" as \"2006-01-02T15:04:05Z07:00\": cannot parse it"
        case .duration where GoDuration.nanoseconds(text) == nil: return "time: invalid duration \"\(text)\""
        case .bytes: return StringFormat.isBase64(text) ? nil : "illegal base64 data at input byte \(text.utf8.count)"
        default: return nil
        }
    }

    private var goType: String {
        switch form {
        case .object: name ?? "object"
        case .map: "map[string]" + (element?.goType ?? "string")
        case .list: "[]" + (element?.goType ?? "string")
        case .integer: format == .int32 ? "int32" : "int64"
        case .number: "float64"
        case .boolean: "bool"
        case .string, .any: "string"
        }
    }

    static func describe(_ value: JSON) -> String {
        switch value {
        case .null: "null"
        case .bool: "bool"
        case .int, .double: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }
}
