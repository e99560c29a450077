extension JSON {
    /// Compact JSON with sorted keys: equal values give equal bytes.
    package var bytes: [UInt8] {
        var buffer: [UInt8] = []
        buffer.reserveCapacity(512)
        appendBytes(to: &buffer)
        return buffer
    }

    /// `bytes` as text.
    package var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Sorted keys, indented by two spaces.
    package var prettyText: String {
        var text = ""
        appendPretty(to: &text, indent: 0)
        return text
    }

    package func appendBytes(to buffer: inout [UInt8]) {
        switch self {
        case .null: buffer += Array("null".utf8)
        case .bool(let value): buffer += Array((value ? "true" : "false").utf8)
        case .int(let value): buffer += Array(String(value).utf8)
        case .double(let value): buffer += Array(JSON.format(value).utf8)
        case .string(let value): JSON.appendQuoted(value, to: &buffer)
        case .array(let elements):
            buffer.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { buffer.append(UInt8(ascii: ",")) }
                element.appendBytes(to: &buffer)
            }
            buffer.append(UInt8(ascii: "]"))
        case .object(let members):
            buffer.append(UInt8(ascii: "{"))
            var isFirst = true
            for key in members.keys.sorted() {
                if !isFirst { buffer.append(UInt8(ascii: ",")) }
                isFirst = false
                JSON.appendQuoted(key, to: &buffer)
                buffer.append(UInt8(ascii: ":"))
                members[key]?.appendBytes(to: &buffer)
            }
            buffer.append(UInt8(ascii: "}"))
        }
    }

    private func appendPretty(to text: inout String, indent: Int) {
        let inner = String(repeating: " ", count: indent + 2)
        let outer = String(repeating: " ", count: indent)
        switch self {
        case .array(let elements) where !elements.isEmpty:
            text += "[\n"
            for (index, element) in elements.enumerated() {
                text += inner
                element.appendPretty(to: &text, indent: indent + 2)
                text += index + 1 < elements.count ? ",\n" : "\n"
            }
            text += outer + "]"
        case .object(let members) where !members.isEmpty:
            text += "{\n"
            let keys = members.keys.sorted()
            for (index, key) in keys.enumerated() {
                text += inner + JSON.string(key).text + ": "
                members[key]?.appendPretty(to: &text, indent: indent + 2)
                text += index + 1 < keys.count ? ",\n" : "\n"
            }
            text += outer + "}"
        default: text += self.text
        }
    }

    private static func format(_ value: Double) -> String {
        guard value.isFinite else { return "null" }
        if let whole = Int64(exactly: value), abs(value) < 1e15 { return String(whole) }
        return "\(value)"
    }

    /// Appends `value` as a JSON string, quotes included.
    package static func appendQuoted(_ value: String, to buffer: inout [UInt8]) {
        buffer.append(UInt8(ascii: "\""))
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\""): buffer += [UInt8(ascii: "\\"), UInt8(ascii: "\"")]
            case UInt8(ascii: "\\"): buffer += [UInt8(ascii: "\\"), UInt8(ascii: "\\")]
            case 0x0A: buffer += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            case 0x0D: buffer += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
            case 0x09: buffer += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
            case 0..<0x20:
                let digits = Array("0123456789abcdef".utf8)
                buffer += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: buffer.append(byte)
            }
        }
        buffer.append(UInt8(ascii: "\""))
    }
}
