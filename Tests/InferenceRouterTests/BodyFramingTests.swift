import Testing

@testable import InferenceRouter

private func feed(_ framing: inout BodyFraming, _ text: String, step: Int) throws -> (consumed: Int, data: String) {
    let bytes = Array(text.utf8)
    var consumed = 0
    var data: [UInt8] = []
    while consumed < bytes.count && !framing.isComplete {
        let piece = Array(bytes[consumed..<min(bytes.count, consumed + step)])
        let count = try piece.withUnsafeBytes { try framing.decode($0) { data += Array($0) } }
        consumed += count
    }
    return (consumed, String(decoding: data, as: UTF8.self))
}

@Suite struct BodyFramingTests {
    @Test("A chunked body is followed to its last byte, in pieces of any size", arguments: [1, 2, 3, 7, 100])
    func chunked(step: Int) throws {
        let body = "5\r\nhello\r\nA;ext=\"v\"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
        var framing = BodyFraming.chunked
        let (consumed, data) = try feed(&framing, body + "GET / HTTP/1.1", step: step)
        #expect(consumed == body.utf8.count)
        #expect(data == "hello0123456789")
        #expect(framing.isComplete)
        #expect(framing.payload == 15)
        var passing = BodyFraming.chunked
        let bytes = Array((body + "rest").utf8)
        let count = try bytes.withUnsafeBytes { try passing.consume($0) }
        #expect(count == body.utf8.count)
        #expect(passing.isComplete)
    }

    @Test(
        "Broken chunk framing is refused",
        arguments: [
            ("g\r\n", ChunkedFraming.Violation.badSize), ("\r\n", .badSize), ("5\nhello", .badSize),
            ("5\r\nhelloX", .badLineEnd), ("5\r\nhello\n", .badLineEnd), ("5\rX", .badLineEnd),
            ("0\r\n\n", .badTrailer), ("0\r\nA: b\n\r\n", .badTrailer), ("0\r\n \r\n", .badTrailer),
            ("1000000000000000\r\n", .badSize), ("-1\r\n", .badSize), ("5;a\nb\r\n", .badExtension),
        ]
    )
    func broken(_ text: String, _ want: ChunkedFraming.Violation) {
        var framing = BodyFraming.chunked
        #expect(throws: want) { try feed(&framing, text, step: 1) }
    }

    @Test("Long extensions and trailers are refused")
    func limits() {
        var framing = BodyFraming.chunked
        #expect(throws: ChunkedFraming.Violation.badExtension) {
            try feed(&framing, "5;" + String(repeating: "a", count: 300) + "\r\n", step: 50)
        }
        var trailing = BodyFraming.chunked
        #expect(throws: ChunkedFraming.Violation.trailerTooLarge) {
            try feed(&trailing, "0\r\nA: " + String(repeating: "a", count: 9000) + "\r\n\r\n", step: 50)
        }
    }

    @Test("A counted body ends with its count; bytes after it are left")
    func length() throws {
        var framing = BodyFraming.length(5)
        #expect(framing.remaining == 5)
        let (consumed, data) = try feed(&framing, "helloGET", step: 3)
        #expect(consumed == 5)
        #expect(data == "hello")
        #expect(framing.isComplete)
        #expect(BodyFraming.length(0).isComplete)
    }

    @Test("The framing of an answer follows its head")
    func response() {
        var head = MessageHead()
        head.status = 200
        #expect(BodyFraming(response: head).endsWithClose)
        head.contentLength = 3
        #expect(BodyFraming(response: head).remaining == 3)
        head.status = 204
        #expect(BodyFraming(response: head).isComplete)
        head.status = 200
        head.contentLength = -1
        head.isChunked = true
        #expect(BodyFraming(response: head).isChunked)
    }
}
