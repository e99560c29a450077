internal import NIOCore

/// The GUID that names a request in answers and logs.
struct RequestID: Sendable, Hashable {
    var high: UInt64 = 0
    var low: UInt64 = 0

    static let textLength = 36

    /// Writes the lower-case text with hyphens.
    func write(to buffer: inout ByteBuffer) {
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: RequestID.textLength) { bytes in
            write(to: bytes)
            return RequestID.textLength
        }
    }

    func write(to bytes: UnsafeMutableRawBufferPointer) {
        var position = 0
        for index in 0..<32 {
            if index == 8 || index == 12 || index == 16 || index == 20 {
                bytes[position] = UInt8(ascii: "-")
                position += 1
            }
            let word = index < 16 ? high : low
            let nibble = UInt8(truncatingIfNeeded: word >> UInt64(60 - (index & 15) * 4)) & 15
            bytes[position] = nibble < 10 ? nibble + 0x30 : nibble + 0x57
            position += 1
        }
    }

    var text: String {
        String(unsafeUninitializedCapacity: RequestID.textLength) { bytes in
            write(to: UnsafeMutableRawBufferPointer(bytes))
            return RequestID.textLength
        }
    }
}

/// xoshiro256**: ids need to be distinct, not secret, and the system's generator costs a system call each.
struct RequestIDGenerator {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    init() {
        var system = SystemRandomNumberGenerator()
        // The all-zero state would stay zero.
        state = (system.next(), system.next(), system.next(), system.next() | 1)
    }

    /// A version 4 UUID.
    mutating func next() -> RequestID {
        RequestID(
            high: word() & 0xFFFF_FFFF_FFFF_0FFF | 0x4000,
            low: word() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        )
    }

    private mutating func word() -> UInt64 {
        let product = state.1 &* 5
        let result = (product << 7 | product >> 57) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = state.3 << 45 | state.3 >> 19
        return result
    }
}
