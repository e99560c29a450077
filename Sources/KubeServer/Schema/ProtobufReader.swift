/// Reads the fields of one protobuf message.
struct ProtobufReader {
    enum Value {
        case varint(UInt64)
        case fixed64(UInt64)
        case fixed32(UInt32)
        case bytes(ArraySlice<UInt8>)
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The next field, or nil at the end.
    mutating func next() throws(ProtobufDecodeError) -> (number: Int, value: Value)? {
        guard let key = try nextVarint() else { return nil }
        let number = Int(truncatingIfNeeded: key >> 3)
        guard number > 0, number < 1 << 29 else { throw ProtobufDecodeError(message: "illegal field number") }
        switch key & 7 {
        case 0:
            guard let value = try nextVarint() else { throw ProtobufReader.truncated }
            return (number, .varint(value))
        case 1: return (number, .fixed64(UInt64(littleEndian: try fixed())))
        case 5: return (number, .fixed32(UInt32(littleEndian: try fixed())))
        case 2:
            guard let length = try nextVarint(), length <= UInt64(rest.count) else { throw ProtobufReader.truncated }
            let end = rest.startIndex + Int(length)
            defer { rest = rest[end...] }
            return (number, .bytes(rest[..<end]))
        default: throw ProtobufDecodeError(message: "illegal wire type \(key & 7)")
        }
    }

    /// The next plain number, or nil at the end.
    mutating func nextVarint() throws(ProtobufDecodeError) -> UInt64? {
        if rest.isEmpty { return nil }
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = rest.popFirst() {
            guard shift < 64 else { throw ProtobufDecodeError(message: "number too long") }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw ProtobufReader.truncated
    }

    private static let truncated = ProtobufDecodeError(message: "unexpected end of the message")

    private mutating func fixed<T: FixedWidthInteger>() throws(ProtobufDecodeError) -> T {
        let width = T.bitWidth / 8
        guard rest.count >= width else { throw ProtobufReader.truncated }
        var value: T = 0
        for (index, byte) in rest.prefix(width).enumerated() { value |= T(byte) << T(8 * index) }
        rest = rest.dropFirst(width)
        return T(littleEndian: value)
    }
}
