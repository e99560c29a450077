/// Finds where a message body ends, without touching its bytes.
struct BodyFraming: Sendable, Hashable {
    private enum Mode: Sendable, Hashable {
        case none
        case length(Int)
        case chunked(ChunkedFraming)
        case untilClose
    }

    private var mode: Mode
    /// Payload bytes seen, chunk framing not counted.
    private(set) var payload = 0

    static let none = BodyFraming(mode: .none)
    static let untilClose = BodyFraming(mode: .untilClose)
    static let chunked = BodyFraming(mode: .chunked(ChunkedFraming()))
    static func length(_ count: Int) -> BodyFraming { BodyFraming(mode: count > 0 ? .length(count) : .none) }

    private init(mode: Mode) { self.mode = mode }

    /// The framing of a request's body (RFC 9112 section 6.3).
    init(request head: MessageHead) {
        if head.isChunked { self = .chunked } else { self = .length(max(0, head.contentLength)) }
    }

    /// The framing of the response to a request that was not HEAD.
    init(response head: MessageHead) {
        if head.status < 200 || head.status == 204 || head.status == 304 {
            self = .none
        } else if head.isChunked {
            self = .chunked
        } else if head.contentLength >= 0 {
            self = .length(head.contentLength)
        } else {
            self = .untilClose
        }
    }

    var isComplete: Bool { if case .none = mode { true } else { false } }
    var endsWithClose: Bool { if case .untilClose = mode { true } else { false } }
    var isChunked: Bool { if case .chunked = mode { true } else { false } }
    /// Bytes still to come; nil when unknown.
    var remaining: Int? {
        switch mode {
        case .none: 0
        case .length(let count): count
        case .chunked, .untilClose: nil
        }
    }

    /// How many of `bytes` belong to the body.
    ///
    /// When it is less than all, the body is complete.
    mutating func consume(_ bytes: UnsafeRawBufferPointer) throws(ChunkedFraming.Violation) -> Int {
        switch mode {
        case .none: return 0
        case .untilClose:
            payload += bytes.count
            return bytes.count
        case .length(let left):
            let count = min(left, bytes.count)
            payload += count
            mode = left == count ? .none : .length(left - count)
            return count
        case .chunked(var framing):
            var consumed = 0
            while consumed < bytes.count {
                let step = try framing.next(UnsafeRawBufferPointer(rebasing: bytes[consumed...]))
                consumed += step.consumed
                if step.isData { payload += step.consumed }
                if step.isEnd {
                    mode = .none
                    return consumed
                }
            }
            mode = .chunked(framing)
            return consumed
        }
    }

    /// Like `consume`, but hands the payload alone to `data`: for a peer that does not know chunks.
    mutating func decode(
        _ bytes: UnsafeRawBufferPointer,
        data: (UnsafeRawBufferPointer) -> Void
    ) throws(ChunkedFraming.Violation) -> Int {
        guard case .chunked(var framing) = mode else {
            let count = try consume(bytes)
            if count > 0 { data(UnsafeRawBufferPointer(rebasing: bytes[..<count])) }
            return count
        }
        var consumed = 0
        while consumed < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[consumed...])
            let step = try framing.next(rest)
            if step.isData {
                payload += step.consumed
                data(UnsafeRawBufferPointer(rebasing: rest[..<step.consumed]))
            }
            consumed += step.consumed
            if step.isEnd {
                mode = .none
                return consumed
            }
        }
        mode = .chunked(framing)
        return consumed
    }
}

/// The state of a chunked body between two reads (RFC 9112 section 7.1).
struct ChunkedFraming: Sendable, Hashable {
    enum Violation: Error, Sendable, Hashable {
        case badSize
        case badExtension
        case badLineEnd
        case badTrailer
        case trailerTooLarge
    }

    /// What the first bytes of the given piece are.
    struct Step: Sendable, Hashable {
        var consumed: Int
        var isData = false
        var isEnd = false
    }

    private enum Place: Sendable, Hashable {
        case size
        case `extension`
        case sizeLineFeed
        case data(Int)
        case dataReturn
        case dataLineFeed
        /// At the start of a trailer line.
        case trailer
        case trailerLine
        case trailerLineFeed
        case lastLineFeed
    }

    static let maxExtension = 256
    static let maxTrailer = 8 * 1024

    private var place = Place.size
    private var size = 0
    private var digits = 0
    private var extra = 0

    /// Consumes at least one byte of `bytes`, which holds at least one.
    mutating func next(_ bytes: UnsafeRawBufferPointer) throws(Violation) -> Step {
        if case .data(let left) = place {
            let count = min(left, bytes.count)
            place = left == count ? .dataReturn : .data(left - count)
            return Step(consumed: count, isData: true)
        }
        var index = 0
        while index < bytes.count {
            if case .data = place { break }
            let isEnd = try advance(bytes[index])
            index += 1
            if isEnd { return Step(consumed: index, isEnd: true) }
        }
        return Step(consumed: index)
    }

    /// True after the last byte of the body.
    private mutating func advance(_ byte: UInt8) throws(Violation) -> Bool {
        switch place {
        case .size:
            if let digit = ChunkedFraming.hex(byte) {
                guard digits < 12 else { throw .badSize }
                digits += 1
                size = size << 4 | digit
                return false
            }
            guard digits > 0 else { throw .badSize }
            if byte == 0x0D {
                place = .sizeLineFeed
            } else if byte == 0x3B || byte == 0x20 || byte == 0x09 {
                place = .extension
                extra = 0
            } else {
                throw .badSize
            }
        case .extension:
            if byte == 0x0D {
                place = .sizeLineFeed
            } else {
                extra += 1
                guard byte >= 0x20 && byte != 0x7F || byte == 0x09, extra <= ChunkedFraming.maxExtension else {
                    throw .badExtension
                }
            }
        case .sizeLineFeed:
            guard byte == 0x0A else { throw .badLineEnd }
            place = size == 0 ? .trailer : .data(size)
            size = 0
            digits = 0
            extra = 0
        case .data: break
        case .dataReturn:
            guard byte == 0x0D else { throw .badLineEnd }
            place = .dataLineFeed
        case .dataLineFeed:
            guard byte == 0x0A else { throw .badLineEnd }
            place = .size
        case .trailer:
            if byte == 0x0D {
                place = .lastLineFeed
            } else {
                guard HeadScanner.isToken(byte) else { throw .badTrailer }
                place = .trailerLine
            }
        case .trailerLine:
            extra += 1
            guard extra <= ChunkedFraming.maxTrailer else { throw .trailerTooLarge }
            if byte == 0x0D {
                place = .trailerLineFeed
            } else if byte < 0x20 && byte != 0x09 || byte == 0x7F {
                throw .badTrailer
            }
        case .trailerLineFeed:
            guard byte == 0x0A else { throw .badLineEnd }
            place = .trailer
        case .lastLineFeed:
            guard byte == 0x0A else { throw .badLineEnd }
            return true
        }
        return false
    }

    private static func hex(_ byte: UInt8) -> Int? {
        switch byte {
        case 0x30...0x39: Int(byte - 0x30)
        case 0x41...0x46: Int(byte - 0x37)
        case 0x61...0x66: Int(byte - 0x57)
        default: nil
        }
    }
}
