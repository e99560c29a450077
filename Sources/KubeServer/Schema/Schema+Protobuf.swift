package import KubeCore
internal import Foundation

/// Why bytes are no protobuf message of the expected type.
package struct ProtobufDecodeError: Error, Sendable, CustomStringConvertible {
    package var message: String
    package var description: String { message }
}

/// The `k8s\0` envelope of a protobuf request body.
package struct ProtobufEnvelope: Sendable {
    package var apiVersion = ""
    package var kind = ""
    package var raw: [UInt8] = []

    /// Reads the magic number and `runtime.Unknown`.
    package init(_ bytes: [UInt8]) throws(ProtobufDecodeError) {
        guard bytes.starts(with: ProtobufEnvelope.magic) else {
            throw ProtobufDecodeError(
                message: "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
            )
        }
        var reader = ProtobufReader(bytes[4...])
        while let (number, value) = try reader.next() {
            switch (number, value) {
            case (1, .bytes(let inner)):
                var type = ProtobufReader(inner)
                while let (number, value) = try type.next() {
                    guard case .bytes(let text) = value else { continue }
                    if number == 1 { apiVersion = String(decoding: text, as: UTF8.self) }
                    if number == 2 { kind = String(decoding: text, as: UTF8.self) }
                }
            case (2, .bytes(let inner)): raw = Array(inner)
            default: continue
            }
        }
    }

    package static let magic: [UInt8] = [0x6B, 0x38, 0x73, 0x00]
}

extension Schema {
    /// Decodes one message of this type; zeros that mean "not set" are left out.
    package func decodeProtobuf(_ bytes: [UInt8]) throws(ProtobufDecodeError) -> JSON {
        .object(try decodeMessage(bytes[...], depth: 0))
    }

    private static let maximumDepth = 128

    private func decodeMessage(_ bytes: ArraySlice<UInt8>, depth: Int) throws(ProtobufDecodeError) -> [String: JSON] {
        guard depth < Schema.maximumDepth else { throw ProtobufDecodeError(message: "messages nested too deeply") }
        var members: [String: JSON] = [:]
        var lists: [String: [JSON]] = [:]
        var maps: [String: [String: JSON]] = [:]
        var reader = ProtobufReader(bytes)
        while let (number, value) = try reader.next() {
            guard let field = fieldsByNumber[number] else { continue }
            let schema = field.schema
            if field.isInline {
                guard case .bytes(let inner) = value else { throw wrong(field) }
                members.merge(try schema.decodeMessage(inner, depth: depth + 1)) { _, new in new }
            } else if schema.form == .list, let element = schema.element {
                lists[field.name, default: []] += try element.decodeElements(value, field, depth: depth)
            } else if schema.form == .map, let element = schema.element {
                let (key, decoded) = try element.decodeEntry(value, field, depth: depth)
                maps[field.name, default: [:]][key] = decoded
            } else if let decoded = try schema.decodeValue(value, field, depth: depth) {
                members[field.name] = decoded
            }
        }
        for (name, list) in lists { members[name] = .array(list) }
        for (name, map) in maps { members[name] = .object(map) }
        return members
    }

    private func wrong(_ field: Field) -> ProtobufDecodeError {
        ProtobufDecodeError(message: "field \(field.name) (\(field.number)) has a wrong wire type")
    }

    private func decodeElements(
        _ value: ProtobufReader.Value,
        _ field: Field,
        depth: Int
    ) throws(ProtobufDecodeError) -> [JSON] {
        if form == .integer || form == .boolean, case .bytes(let packed) = value {
            var reader = ProtobufReader(packed)
            var list: [JSON] = []
            while let number = try reader.nextVarint() {
                list.append(form == .boolean ? .bool(number != 0) : .int(Int64(bitPattern: number)))
            }
            return list
        }
        var always = field
        always.isPointer = true
        return [try decodeValue(value, always, depth: depth) ?? .null]
    }

    private func decodeEntry(
        _ value: ProtobufReader.Value,
        _ field: Field,
        depth: Int
    ) throws(ProtobufDecodeError) -> (String, JSON) {
        guard case .bytes(let bytes) = value else { throw wrong(field) }
        var key = ""
        var always = field
        always.isPointer = true
        var decoded = zero
        var reader = ProtobufReader(bytes)
        while let (number, value) = try reader.next() {
            if number == 1, case .bytes(let text) = value { key = String(decoding: text, as: UTF8.self) }
            guard number == 2 else { continue }
            if form == .list, let element {
                // A list as a map's value is wrapped in a message with the repeated field 1.
                guard case .bytes(let inner) = value else { throw wrong(field) }
                var wrapper = ProtobufReader(inner)
                var list: [JSON] = []
                while let (_, item) = try wrapper.next() {
                    list += try element.decodeElements(item, field, depth: depth + 1)
                }
                decoded = .array(list)
            } else if let inner = try decodeValue(value, always, depth: depth) {
                decoded = inner
            }
        }
        return (key, decoded)
    }

    private var zero: JSON {
        switch form {
        case .string: format == .quantity ? "0" : ""
        case .integer, .number: 0
        case .boolean: false
        case .list: []
        default: [:]
        }
    }

    /// nil when the value is the zero that stands for "not set".
    private func decodeValue(
        _ value: ProtobufReader.Value,
        _ field: Field,
        depth: Int
    ) throws(ProtobufDecodeError) -> JSON? {
        let keepsZero = field.isPointer || field.isRequired
        switch (form, value) {
        case (.integer, .varint(let number)):
            return number == 0 && !keepsZero ? nil : .int(Int64(bitPattern: number))
        case (.boolean, .varint(let number)):
            return number == 0 && !keepsZero ? nil : .bool(number != 0)
        case (.number, .fixed64(let bits)):
            let number = Double(bitPattern: bits)
            return number == 0 && !keepsZero ? nil : .double(number)
        case (.number, .fixed32(let bits)): return .double(Double(Float(bitPattern: bits)))
        case (_, .bytes(let bytes)):
            if form == .object {
                let members = try decodeMessage(bytes, depth: depth + 1)
                return members.isEmpty && !field.isPointer ? nil : .object(members)
            }
            return try decodeOpaque(bytes, field, depth: depth)
        default: throw wrong(field)
        }
    }

    private func decodeOpaque(
        _ bytes: ArraySlice<UInt8>,
        _ field: Field,
        depth: Int
    ) throws(ProtobufDecodeError) -> JSON? {
        switch format {
        case .plain:
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw ProtobufDecodeError(message: "field \(field.name) is not UTF-8")
            }
            return text.isEmpty && !(field.isPointer || field.isRequired) ? nil : .string(text)
        case .bytes:
            return bytes.isEmpty && !field.isPointer ? nil : .string(Data(bytes).base64EncodedString())
        case .time, .microTime:
            let parts = try integers(bytes)
            guard let seconds = parts[1] ?? (parts[2] == nil ? nil : 0) else { return nil }
            guard abs(seconds) < 1 << 40 else { throw wrong(field) }
            if format == .time { return .string(Timestamp.text(seconds: Int(seconds))) }
            return .string(Timestamp.microText(microseconds: Int(seconds) * 1_000_000 + Int(parts[2] ?? 0) / 1000))
        case .duration: return .string(GoDuration.text(nanoseconds: try integers(bytes)[1] ?? 0))
        case .quantity:
            let text = try strings(bytes)[1] ?? ""
            return .string(Quantity.canonical(.string(text)) ?? (text.isEmpty ? "0" : text))
        case .intOrString:
            let parts = try integers(bytes)
            return (parts[1] ?? 0) == 1 ? .string(try strings(bytes)[3] ?? "") : .int(parts[2] ?? 0)
        case .rawExtension, .fieldsV1, .rawJSON:
            return try Schema.decodeRaw(payload(bytes, 1) ?? [], field)
        case .schemaOrBool, .schemaOrArray, .schemaOrStrings:
            return try decodeAlternative(bytes, depth: depth)
        default: throw wrong(field)
        }
    }

    private static func decodeRaw(_ bytes: ArraySlice<UInt8>, _ field: Field) throws(ProtobufDecodeError) -> JSON? {
        if bytes.isEmpty { return nil }
        if bytes.starts(with: ProtobufEnvelope.magic) {
            let envelope = try ProtobufEnvelope(Array(bytes))
            guard let schema = BuiltInKinds.schema(apiVersion: envelope.apiVersion, kind: envelope.kind) else {
                throw ProtobufDecodeError(message: "no kind \(envelope.kind) in \(envelope.apiVersion)")
            }
            var value = try schema.decodeProtobuf(envelope.raw)
            value["apiVersion"] = .string(envelope.apiVersion)
            value["kind"] = .string(envelope.kind)
            return value
        }
        do throws(JSONParseError) {
            return try JSON(parsing: bytes)
        } catch {
            throw ProtobufDecodeError(message: "field \(field.name): \(error)")
        }
    }

    /// `JSONSchemaPropsOrBool` and its relatives.
    private func decodeAlternative(_ bytes: ArraySlice<UInt8>, depth: Int) throws(ProtobufDecodeError) -> JSON {
        guard let schema = BuiltInSchemas.named["apiextensions.v1.JSONSchemaProps"] else { return .null }
        var reader = ProtobufReader(bytes)
        var list: [JSON] = []
        var allows = false
        while let (number, value) = try reader.next() {
            switch (number, value) {
            case (1, .varint(let flag)): allows = flag != 0
            case (let number, .bytes(let inner)):
                if number == 2, format == .schemaOrStrings {
                    list.append(.string(String(decoding: inner, as: UTF8.self)))
                    continue
                }
                let decoded = JSON.object(try schema.decodeMessage(inner, depth: depth + 1))
                if number == 1 || format == .schemaOrBool { return decoded }
                list.append(decoded)
            default: continue
            }
        }
        return format == .schemaOrBool ? .bool(allows) : .array(list)
    }

    private func payload(_ bytes: ArraySlice<UInt8>, _ wanted: Int) throws(ProtobufDecodeError) -> ArraySlice<UInt8>? {
        var reader = ProtobufReader(bytes)
        while let (number, value) = try reader.next() {
            if number == wanted, case .bytes(let inner) = value { return inner }
        }
        return nil
    }

    private func integers(_ bytes: ArraySlice<UInt8>) throws(ProtobufDecodeError) -> [Int: Int64] {
        var result: [Int: Int64] = [:]
        var reader = ProtobufReader(bytes)
        while let (number, value) = try reader.next() {
            if case .varint(let bits) = value { result[number] = Int64(bitPattern: bits) }
        }
        return result
    }

    private func strings(_ bytes: ArraySlice<UInt8>) throws(ProtobufDecodeError) -> [Int: String] {
        var result: [Int: String] = [:]
        var reader = ProtobufReader(bytes)
        while let (number, value) = try reader.next() {
            if case .bytes(let text) = value { result[number] = String(decoding: text, as: UTF8.self) }
        }
        return result
    }
}
