/// Reads the head of an HTTP/1.x message where it lies, once, without copying or allocating.
///
/// Feed it all bytes from the head's first one on each call; it goes on where the last call ended. It is strict where
/// leniency lets two parsers disagree on where a message ends (RFC 9112 sections 2.2, 5, 6.3 and 11.2): LF without CR,
/// folded lines, space before the colon, repeated or combined framing headers are all refused.
struct HeadScanner {
    enum Kind: Sendable {
        case request
        case response
    }

    enum Outcome: Sendable, Hashable {
        case incomplete
        /// The head is complete; its length in bytes, the empty line included.
        case complete(Int)
        case refused(HeadViolation)
    }

    static let maxHead = 32 * 1024
    static let maxTarget = 8 * 1024
    static let maxFields = 100

    let kind: Kind
    private(set) var head = MessageHead()
    /// Reused from message to message.
    private(set) var fields: ContiguousArray<HeaderField> = []
    private var position = 0
    private var hasStartLine = false
    private var hasLength = false
    private var encodings = 0

    init(_ kind: Kind) { self.kind = kind }

    /// Forgets the message, keeps the memory.
    mutating func reset() {
        head = MessageHead()
        fields.removeAll(keepingCapacity: true)
        position = 0
        hasStartLine = false
        hasLength = false
        encodings = 0
    }

    /// Scans on.
    ///
    /// Bytes after the head are left alone.
    mutating func scan(_ bytes: UnsafeRawBufferPointer) -> Outcome {
        guard let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return .incomplete }
        let count = bytes.count
        while true {
            // The search looks at each byte again when a line comes in pieces; lines are bounded, so that is too.
            var end = position
            let limit = min(count, HeadScanner.maxHead)
            while end < limit && start[end] != 0x0A { end += 1 }
            if end >= limit {
                if count >= HeadScanner.maxHead { return .refused(hasStartLine ? .headTooLarge : .targetTooLong) }
                return .incomplete
            }
            guard end > position, start[end - 1] == 0x0D else { return .refused(.bareLineFeed) }
            let lineStart = position
            let lineEnd = end - 1
            position = end + 1
            if lineStart == lineEnd {
                // An empty line before a request is to be ignored (RFC 9112 section 2.2); a flood of them is not.
                if !hasStartLine && kind == .request && lineStart < 8 { continue }
                guard hasStartLine else { return .refused(.badStartLine) }
                if let violation = finish() { return .refused(violation) }
                return .complete(position)
            }
            let violation: HeadViolation? =
                if hasStartLine {
                    field(start, lineStart, lineEnd)
                } else if kind == .request {
                    requestLine(start, lineStart, lineEnd)
                } else {
                    statusLine(start, lineStart, lineEnd)
                }
            if let violation { return .refused(violation) }
        }
    }

    // MARK: Start lines

    private mutating func requestLine(_ bytes: UnsafePointer<UInt8>, _ from: Int, _ to: Int) -> HeadViolation? {
        var index = from
        while index < to && HeadScanner.isToken(bytes[index]) { index += 1 }
        guard index > from, index < to, bytes[index] == 0x20 else { return .badStartLine }
        head.method = ByteRange(start: Int32(from), end: Int32(index))
        index += 1
        let targetStart = index
        while index < to && bytes[index] > 0x20 && bytes[index] < 0x7F { index += 1 }
        guard index > targetStart, index < to, bytes[index] == 0x20 else { return .badStartLine }
        guard index - targetStart <= HeadScanner.maxTarget else { return .targetTooLong }
        head.target = ByteRange(start: Int32(targetStart), end: Int32(index))
        index += 1
        guard let violation = version(bytes, index, to) else {
            hasStartLine = true
            return to == index + 8 ? nil : .badStartLine
        }
        return violation
    }

    private mutating func statusLine(_ bytes: UnsafePointer<UInt8>, _ from: Int, _ to: Int) -> HeadViolation? {
        if let violation = version(bytes, from, to) { return violation }
        guard to >= from + 12, bytes[from + 8] == 0x20 else { return .badStartLine }
        var status = 0
        for offset in 9..<12 {
            let digit = bytes[from + offset] &- 0x30
            guard digit < 10 else { return .badStartLine }
            status = status * 10 + Int(digit)
        }
        guard status >= 100, to == from + 12 || bytes[from + 12] == 0x20 else { return .badStartLine }
        head.status = status
        let reasonStart = min(from + 13, to)
        for index in reasonStart..<to where HeadScanner.isControl(bytes[index]) { return .badStartLine }
        head.reason = ByteRange(start: Int32(reasonStart), end: Int32(to))
        hasStartLine = true
        return nil
    }

    private mutating func version(_ bytes: UnsafePointer<UInt8>, _ from: Int, _ to: Int) -> HeadViolation? {
        guard to - from >= 8, bytes[from] == 0x48, bytes[from + 1] == 0x54, bytes[from + 2] == 0x54,
            bytes[from + 3] == 0x50, bytes[from + 4] == 0x2F, bytes[from + 5] &- 0x30 < 10, bytes[from + 6] == 0x2E,
            bytes[from + 7] &- 0x30 < 10
        else { return .badStartLine }
        guard bytes[from + 5] == 0x31, bytes[from + 7] <= 0x31 else { return .unsupportedVersion }
        head.minorVersion = bytes[from + 7] - 0x30
        return nil
    }

    // MARK: Fields

    private mutating func field(_ bytes: UnsafePointer<UInt8>, _ from: Int, _ to: Int) -> HeadViolation? {
        guard fields.count < HeadScanner.maxFields else { return .tooManyHeaders }
        if bytes[from] == 0x20 || bytes[from] == 0x09 { return .foldedHeader }
        var index = from
        while index < to && HeadScanner.isToken(bytes[index]) { index += 1 }
        guard index > from, index < to, bytes[index] == 0x3A else { return .badHeaderName }
        let nameEnd = index
        index += 1
        while index < to && (bytes[index] == 0x20 || bytes[index] == 0x09) { index += 1 }
        let valueStart = index
        while index < to {
            if HeadScanner.isControl(bytes[index]) { return .badHeaderValue }
            index += 1
        }
        var valueEnd = to
        while valueEnd > valueStart && (bytes[valueEnd - 1] == 0x20 || bytes[valueEnd - 1] == 0x09) { valueEnd -= 1 }
        let value = ByteRange(start: Int32(valueStart), end: Int32(valueEnd))
        let kind = HeaderKind.of(bytes + from, nameEnd - from)
        fields.append(
            HeaderField(
                kind: kind,
                name: ByteRange(start: Int32(from), end: Int32(nameEnd)),
                value: value,
                lineEnd: Int32(to + 2)
            )
        )
        return kind == .other ? nil : note(kind, bytes, value)
    }

    private mutating func note(
        _ kind: HeaderKind,
        _ bytes: UnsafePointer<UInt8>,
        _ value: ByteRange
    ) -> HeadViolation? {
        switch kind {
        case .contentLength:
            if hasLength { return .duplicateContentLength }
            hasLength = true
            guard let length = HeadScanner.decimal(bytes, value) else { return .badContentLength }
            head.contentLength = length
        case .transferEncoding:
            encodings += 1
            guard encodings == 1, value.count == 7, HeaderKind.matches(bytes + Int(value.start), "chunked") else {
                return .badTransferEncoding
            }
            head.isChunked = true
        case .connection: connection(bytes, value)
        case .host:
            if head.hasHost && self.kind == .request { return .duplicateHost }
            head.hasHost = true
        case .expect:
            guard self.kind == .request else { return nil }
            guard value.count == 12, HeaderKind.matches(bytes + Int(value.start), "100-continue") else {
                return .badExpectation
            }
            head.expectsContinue = true
        case .authorization:
            if head.authorization.isPresent && self.kind == .request { return .duplicateAuthorization }
            head.authorization = value
        case .modelDeployment: head.modelDeployment = value
        case .clientRequestID: head.clientRequestID = value
        case .other, .hopByHop, .requestID, .modelError: break
        }
        return nil
    }

    private mutating func connection(_ bytes: UnsafePointer<UInt8>, _ value: ByteRange) {
        HeadScanner.forEachToken(bytes, value) { start, count in
            if count == 5 && HeaderKind.matches(start, "close") {
                head.asksClose = true
            } else if count == 10 && HeaderKind.matches(start, "keep-alive") {
                head.asksKeepAlive = true
            } else {
                head.connectionNamesHeaders = true
            }
        }
    }

    /// Rules that need the whole head.
    private func finish() -> HeadViolation? {
        if head.isChunked && hasLength { return .lengthAndEncoding }
        if head.isChunked && head.minorVersion == 0 { return .badTransferEncoding }
        if kind == .request && head.minorVersion == 1 && !head.hasHost { return .missingHost }
        return nil
    }

    /// True when `Connection` of this head names the header `name`.
    func isNamedByConnection(_ bytes: UnsafePointer<UInt8>, _ name: ByteRange) -> Bool {
        var isNamed = false
        for field in fields where field.kind == .connection {
            HeadScanner.forEachToken(bytes, field.value) { start, count in
                guard count == name.count else { return }
                let other = bytes + Int(name.start)
                for index in 0..<count where HeadScanner.lower(start[index]) != HeadScanner.lower(other[index]) {
                    return
                }
                isNamed = true
            }
        }
        return isNamed
    }

    // MARK: Bytes

    /// Digits only, below 2^53; nil otherwise.
    static func decimal(_ bytes: UnsafePointer<UInt8>, _ value: ByteRange) -> Int? {
        guard value.count > 0, value.count <= 15 else { return nil }
        var number = 0
        for index in Int(value.start)..<Int(value.end) {
            let digit = bytes[index] &- 0x30
            guard digit < 10 else { return nil }
            number = number * 10 + Int(digit)
        }
        return number
    }

    static func lower(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    /// Calls `body` for each element of a comma-separated list.
    static func forEachToken(
        _ bytes: UnsafePointer<UInt8>,
        _ value: ByteRange,
        _ body: (UnsafePointer<UInt8>, Int) -> Void
    ) {
        var index = Int(value.start)
        let end = Int(value.end)
        while index < end {
            while index < end && (bytes[index] == 0x2C || bytes[index] == 0x20 || bytes[index] == 0x09) { index += 1 }
            let start = index
            while index < end && bytes[index] != 0x2C { index += 1 }
            var last = index
            while last > start && (bytes[last - 1] == 0x20 || bytes[last - 1] == 0x09) { last -= 1 }
            if last > start { body(bytes + start, last - start) }
        }
    }

    @inline(__always)
    private static func isControl(_ byte: UInt8) -> Bool { (byte < 0x20 && byte != 0x09) || byte == 0x7F }

    /// `tchar` of RFC 9110 section 5.6.2, as two bit sets.
    @inline(__always)
    static func isToken(_ byte: UInt8) -> Bool {
        if byte < 64 { return (0x03FF_6CFA_0000_0000 as UInt64) >> UInt64(byte) & 1 == 1 }
        if byte < 128 { return (0x57FF_FFFF_C7FF_FFFE as UInt64) >> UInt64(byte - 64) & 1 == 1 }
        return false
    }
}
