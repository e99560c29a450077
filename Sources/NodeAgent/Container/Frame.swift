/// A message between the agent and the monitor: type, length (4 bytes, big endian), payload.
struct Frame: Sendable, Hashable {
    enum Kind: UInt8, Sendable {
        case stdin = 0x49
        case stdinEnd = 0x45
        /// Columns and rows, two bytes each.
        case resize = 0x52
        case stdout = 0x4F
        case stderr = 0x53
        /// Exit code, four bytes, signed; negative when the command could not be started, and then followed by the
        /// reason.
        case exit = 0x58
    }

    static let maxPayload = 65536

    var type: Kind
    var payload: [UInt8]

    var bytes: [UInt8] {
        let length = UInt32(payload.count)
        return [
            type.rawValue, UInt8(length >> 24), UInt8(length >> 16 & 0xff), UInt8(length >> 8 & 0xff),
            UInt8(length & 0xff),
        ]
            + payload
    }

    var exitCode: Int? {
        guard type == .exit, payload.count >= 4 else { return nil }
        let bits = payload.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return Int(Int32(bitPattern: bits))
    }

    /// Why the command could not be started.
    var failure: String { String(decoding: payload.dropFirst(4), as: UTF8.self) }

    static func resize(columns: Int, rows: Int) -> Frame {
        let width = UInt16(clamping: columns)
        let height = UInt16(clamping: rows)
        return Frame(
            type: .resize,
            payload: [UInt8(width >> 8), UInt8(width & 0xff), UInt8(height >> 8), UInt8(height & 0xff)]
        )
    }

    /// Standard input in frames of the size that the monitor takes.
    static func stdin(_ bytes: [UInt8]) -> [Frame] {
        stride(from: 0, to: bytes.count, by: maxPayload).map { start in
            Frame(type: .stdin, payload: Array(bytes[start..<min(start + maxPayload, bytes.count)]))
        }
    }
}

/// Cuts a byte stream into frames.
struct FrameReader: Sendable {
    private var buffer: [UInt8] = []
    private var offset = 0

    mutating func append(_ bytes: some Sequence<UInt8>) { buffer += bytes }

    /// The next complete frame; nil when more bytes are needed.
    ///
    /// - Throws: `.system` for what is no frame.
    mutating func next() throws -> Frame? {
        guard buffer.count - offset >= 5 else {
            buffer.removeFirst(offset)
            offset = 0
            return nil
        }
        let length = buffer[(offset + 1)..<(offset + 5)].reduce(0) { $0 << 8 | Int($1) }
        guard let type = Frame.Kind(rawValue: buffer[offset]), length <= Frame.maxPayload else {
            throw NodeAgentError(.system, "the monitor sent a broken frame")
        }
        guard buffer.count - offset >= 5 + length else {
            buffer.removeFirst(offset)
            offset = 0
            return nil
        }
        let payload = Array(buffer[(offset + 5)..<(offset + 5 + length)])
        offset += 5 + length
        return Frame(type: type, payload: payload)
    }
}
