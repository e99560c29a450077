internal import NIOCore

extension ByteBuffer {
    /// Appends a non-negative number in decimal.
    mutating func writeDecimal(_ value: Int) {
        if value < 1000 && value >= 100 {
            writeInteger(UInt8(truncatingIfNeeded: 0x30 + value / 100))
            writeInteger(UInt8(truncatingIfNeeded: 0x30 + value / 10 % 10))
            writeInteger(UInt8(truncatingIfNeeded: 0x30 + value % 10))
        } else {
            writeString(String(value))
        }
    }

    /// Appends `HTTP/1.1 200 OK` and CRLF; the phrase is the standard one.
    mutating func writeStatusLine(_ status: Int) {
        if status == 200 {
            writeStaticString("HTTP/1.1 200 OK\r\n")
            return
        }
        writeStaticString("HTTP/1.1 ")
        writeDecimal(status)
        writeStaticString(" ")
        writeStaticString(StatusPhrase.of(status))
        writeStaticString("\r\n")
    }

    mutating func writeRange(_ bytes: UnsafePointer<UInt8>, _ range: ByteRange) {
        writeBytes(UnsafeRawBufferPointer(start: bytes + Int(range.start), count: range.count))
    }

    /// Appends the header lines that `keep` admits, neighbours in one copy.
    mutating func writeFields(
        _ bytes: UnsafePointer<UInt8>,
        _ scanner: borrowing HeadScanner,
        keep: (HeaderField) -> Bool
    ) {
        var runStart: Int32 = -1
        var runEnd: Int32 = -1
        for field in scanner.fields {
            if keep(field) {
                if runStart < 0 { runStart = field.name.start }
                runEnd = field.lineEnd
            } else if runStart >= 0 {
                writeRange(bytes, ByteRange(start: runStart, end: runEnd))
                runStart = -1
            }
        }
        if runStart >= 0 { writeRange(bytes, ByteRange(start: runStart, end: runEnd)) }
    }
}
