/// Cuts a byte stream into lines; pure, so that every split of the bytes can be tested.
struct LineDecoder {
    /// A line that grew beyond the limit.
    struct TooLong: Error {
        var limitBytes: Int
    }

    private let limitBytes: Int
    private var buffer: [UInt8] = []
    /// Everything before this was handed out.
    private var start = 0
    /// Everything between `start` and this holds no line end.
    private var scanned = 0

    init(limitBytes: Int) {
        self.limitBytes = limitBytes
    }

    mutating func append(_ bytes: some Sequence<UInt8>) {
        if start > 0 {
            buffer.removeFirst(start)
            scanned -= start
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole line without its end, or nil when more bytes are needed.
    mutating func next() throws(TooLong) -> ArraySlice<UInt8>? {
        guard let end = buffer[scanned...].firstIndex(of: UInt8(ascii: "\n")) else {
            scanned = buffer.count
            guard buffer.count - start <= limitBytes else { throw TooLong(limitBytes: limitBytes) }
            return nil
        }
        let line = buffer[start..<end]
        start = end + 1
        scanned = start
        return line
    }
}
