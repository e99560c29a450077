import Testing

@testable import InferenceRouter

/// Scans text, optionally one byte more at a time.
private func scan(
    _ text: String,
    _ kind: HeadScanner.Kind = .request,
    byByte: Bool = false
) -> (HeadScanner.Outcome, HeadScanner) {
    var scanner = HeadScanner(kind)
    let bytes = Array(text.utf8)
    var outcome = HeadScanner.Outcome.incomplete
    for count in byByte ? Array(1...max(1, bytes.count)) : [bytes.count] {
        outcome = bytes.withUnsafeBytes {
            scanner.scan(UnsafeRawBufferPointer(rebasing: $0[..<min(count, bytes.count)]))
        }
        if outcome != .incomplete { break }
    }
    return (outcome, scanner)
}

private func text(_ whole: String, _ range: ByteRange) -> String {
    String(decoding: Array(whole.utf8)[Int(range.start)..<Int(range.end)], as: UTF8.self)
}

struct RefusedHead: Sendable, CustomTestStringConvertible {
    var text: String
    var want: HeadViolation
    var testDescription: String { text.debugDescription }

    init(_ text: String, _ want: HeadViolation) {
        self.text = text
        self.want = want
    }
}

private let host = "Host: a\r\n"

@Suite struct HeadScannerTests {
    @Test("A request's parts are found, whole or byte by byte", arguments: [false, true])
    func request(byByte: Bool) {
        let whole =
            "POST /api/v1/endpoint/a/score?x=1 HTTP/1.1\r\nHost: example\r\nAUTHORIZATION:  Bearer k1 \r\n"
            + "content-LENGTH: 12\r\nazureml-model-deployment: blue\r\nx-ms-client-request-id: abc\r\nEmpty:\r\n\r\nbody"
        let (outcome, scanner) = scan(whole, byByte: byByte)
        #expect(outcome == .complete(whole.utf8.count - 4))
        let head = scanner.head
        #expect(text(whole, head.method) == "POST")
        #expect(text(whole, head.target) == "/api/v1/endpoint/a/score?x=1")
        #expect(text(whole, head.authorization) == "Bearer k1")
        #expect(text(whole, head.modelDeployment) == "blue")
        #expect(text(whole, head.clientRequestID) == "abc")
        #expect(head.contentLength == 12)
        #expect(!head.isChunked)
        #expect(head.keepsAlive)
        #expect(scanner.fields.count == 6)
        #expect(
            scanner.fields.map(\.kind) == [
                .host, .authorization, .contentLength, .modelDeployment, .clientRequestID, .other,
            ]
        )
    }

    @Test("A response's parts are found")
    func response() {
        let whole = "HTTP/1.1 404 Not Here\r\nTransfer-Encoding: Chunked\r\nConnection: close, X-A\r\nX-A: 1\r\n\r\n"
        let (outcome, scanner) = scan(whole, .response, byByte: true)
        #expect(outcome == .complete(whole.utf8.count))
        #expect(scanner.head.status == 404)
        #expect(text(whole, scanner.head.reason) == "Not Here")
        #expect(scanner.head.isChunked)
        #expect(!scanner.head.keepsAlive)
        #expect(scanner.head.connectionNamesHeaders)
        let bytes = Array(whole.utf8)
        bytes.withUnsafeBufferPointer { pointer in
            guard let start = pointer.baseAddress else { return }
            #expect(scanner.isNamedByConnection(start, scanner.fields[2].name))
            #expect(!scanner.isNamedByConnection(start, scanner.fields[0].name))
        }
    }

    @Test(
        "A response without a reason phrase is accepted",
        arguments: ["HTTP/1.1 200\r\n\r\n", "HTTP/1.1 200 \r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n"]
    )
    func shortStatusLine(_ whole: String) {
        let (outcome, scanner) = scan(whole, .response)
        #expect(outcome == .complete(whole.utf8.count))
        #expect(scanner.head.status == 200)
    }

    @Test(
        "What could hide a second request is refused",
        arguments: [
            RefusedHead(
                "GET / HTTP/1.1\r\n\(host)Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                .lengthAndEncoding
            ),
            RefusedHead(
                "GET / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
                .lengthAndEncoding
            ),
            RefusedHead(
                "GET / HTTP/1.1\r\n\(host)Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
                .duplicateContentLength
            ),
            RefusedHead("GET / HTTP/1.1\r\n\(host)Content-Length: 1, 1\r\n\r\n", .badContentLength),
            RefusedHead("GET / HTTP/1.1\r\n\(host)Content-Length: +1\r\n\r\n", .badContentLength),
            RefusedHead("GET / HTTP/1.1\r\n\(host)Content-Length: 0x10\r\n\r\n", .badContentLength),
            RefusedHead("GET / HTTP/1.1\r\n\(host)Content-Length: -1\r\n\r\n", .badContentLength),
            RefusedHead("GET / HTTP/1.1\r\n\(host)Content-Length:\r\n\r\n", .badContentLength),
            RefusedHead("GET / HTTP/1.1\r\n\(host)Content-Length: 99999999999999999999\r\n\r\n", .badContentLength),
            RefusedHead("GET / HTTP/1.1\r\n\(host)Transfer-Encoding: gzip, chunked\r\n\r\n", .badTransferEncoding),
            RefusedHead("GET / HTTP/1.1\r\n\(host)Transfer-Encoding: xchunked\r\n\r\n", .badTransferEncoding),
            RefusedHead(
                "GET / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                .badTransferEncoding
            ),
            RefusedHead(
                "GET / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
                .badTransferEncoding
            ),
            RefusedHead("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", .badTransferEncoding),
            RefusedHead("GET / HTTP/1.1\r\n\(host)Content-Length : 1\r\n\r\n", .badHeaderName),
            RefusedHead("GET / HTTP/1.1\r\n\(host)Content-Length\r\n\r\n", .badHeaderName),
            RefusedHead("GET / HTTP/1.1\r\n\(host): x\r\n\r\n", .badHeaderName),
            RefusedHead("GET / HTTP/1.1\r\n\(host)X-\u{01}: x\r\n\r\n", .badHeaderName),
            RefusedHead("GET / HTTP/1.1\r\n\(host)X: a\u{00}b\r\n\r\n", .badHeaderValue),
            RefusedHead("GET / HTTP/1.1\r\n\(host)X: a\rb\r\n\r\n", .badHeaderValue),
            RefusedHead("GET / HTTP/1.1\r\n\(host)X: a\r\n b\r\n\r\n", .foldedHeader),
            RefusedHead("GET / HTTP/1.1\r\n\(host)\tX: a\r\n\r\n", .foldedHeader),
            RefusedHead("GET / HTTP/1.1\r\n\(host)X: a\n\r\n", .bareLineFeed),
            RefusedHead("GET / HTTP/1.1\n\(host)\r\n", .bareLineFeed),
            RefusedHead("GET / HTTP/1.1\r\n\(host)\n", .bareLineFeed),
            RefusedHead("\nGET / HTTP/1.1\r\n\(host)\r\n", .bareLineFeed),
            RefusedHead("GET / HTTP/1.1\r\n\r\n", .missingHost),
            RefusedHead("GET / HTTP/1.1\r\n\(host)\(host)\r\n", .duplicateHost),
            RefusedHead(
                "GET / HTTP/1.1\r\n\(host)Authorization: a\r\nAuthorization: b\r\n\r\n",
                .duplicateAuthorization
            ),
            RefusedHead("GET / HTTP/1.1\r\n\(host)Expect: 200-ok\r\n\r\n", .badExpectation),
            RefusedHead("GET  / HTTP/1.1\r\n\(host)\r\n", .badStartLine),
            RefusedHead("GET /a b HTTP/1.1\r\n\(host)\r\n", .badStartLine),
            RefusedHead("GET / HTTP/1.1 \r\n\(host)\r\n", .badStartLine),
            RefusedHead("GET /\r\n\(host)\r\n", .badStartLine),
            RefusedHead(" GET / HTTP/1.1\r\n\(host)\r\n", .badStartLine),
            RefusedHead("G@T / HTTP/1.1\r\n\(host)\r\n", .badStartLine),
            RefusedHead("GET /\u{7F} HTTP/1.1\r\n\(host)\r\n", .badStartLine),
            RefusedHead("GET / HTTP/2.0\r\n\(host)\r\n", .unsupportedVersion),
            RefusedHead("GET / HTTP/1.2\r\n\(host)\r\n", .unsupportedVersion),
            RefusedHead("GET / HTTX/1.1\r\n\(host)\r\n", .badStartLine),
        ]
    )
    func refused(_ example: RefusedHead) {
        #expect(scan(example.text).0 == .refused(example.want))
        #expect(scan(example.text, byByte: true).0 == .refused(example.want))
    }

    @Test("Limits hold: long targets, large heads, many headers")
    func limits() {
        let target = "GET /" + String(repeating: "a", count: HeadScanner.maxTarget) + " HTTP/1.1\r\n" + host + "\r\n"
        #expect(scan(target).0 == .refused(.targetTooLong))
        let endless = "GET /" + String(repeating: "a", count: HeadScanner.maxHead)
        #expect(scan(endless).0 == .refused(.targetTooLong))
        let large = "GET / HTTP/1.1\r\n" + host + "X: " + String(repeating: "a", count: HeadScanner.maxHead)
        #expect(scan(large).0 == .refused(.headTooLarge))
        let many = "GET / HTTP/1.1\r\n" + host + String(repeating: "X: a\r\n", count: HeadScanner.maxFields) + "\r\n"
        #expect(scan(many).0 == .refused(.tooManyHeaders))
        let enough =
            "GET / HTTP/1.1\r\n" + host + String(repeating: "X: a\r\n", count: HeadScanner.maxFields - 1) + "\r\n"
        #expect(scan(enough).0 == .complete(enough.utf8.count))
    }

    @Test("A few empty lines before a request are skipped, a flood is not")
    func emptyLines() {
        let two = "\r\n\r\nGET / HTTP/1.1\r\n\(host)\r\n"
        let (outcome, scanner) = scan(two, byByte: true)
        #expect(outcome == .complete(two.utf8.count))
        #expect(text(two, scanner.head.method) == "GET")
        #expect(scan(String(repeating: "\r\n", count: 8)).0 == .refused(.badStartLine))
        #expect(scan("\r\nHTTP/1.1 200 OK\r\n\r\n", .response).0 == .refused(.badStartLine))
    }

    @Test("Mutated heads never crash the scanner and never end beyond their bytes")
    func mutations() {
        let whole = Array(
            "POST /api/v1/endpoint/a/score HTTP/1.1\r\nHost: e\r\nContent-Length: 12\r\nX: y\r\n\r\n".utf8
        )
        var generator = SplitMix(state: 42)
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0..<(generator.next() % 4 + 1) {
                let position = Int(generator.next() % UInt64(bytes.count))
                switch generator.next() % 3 {
                case 0: bytes[position] = UInt8(truncatingIfNeeded: generator.next())
                case 1: bytes.remove(at: position)
                default: bytes.insert([0x0D, 0x0A, 0x20, 0x3A, 0x00][Int(generator.next() % 5)], at: position)
                }
            }
            var scanner = HeadScanner(.request)
            let outcome = bytes.withUnsafeBytes { scanner.scan($0) }
            if case .complete(let length) = outcome {
                #expect(length <= bytes.count)
                for field in scanner.fields {
                    #expect(
                        field.name.start >= 0 && field.value.start >= field.name.end && Int(field.lineEnd) <= length
                    )
                    #expect(field.value.start <= field.value.end)
                }
            }
        }
    }

    @Test(
        "Targets are told apart",
        arguments: [
            ("/", "health"), ("/?x", "health"), ("/api/v1/endpoint/a-b/score", "score a-b "),
            ("/api/v1/service/x/score?verbose=1", "score x ?verbose=1"),
            ("/api/v1/endpoint/a/swagger.json?version=3", "swagger a ?version=3"),
            ("http://host:80/api/v1/endpoint/a/score", "score a "), ("HTTPS://host", "health"),
            ("/api/v1/endpoint/a/scores", "unknown"),
            ("/api/v1/endpoint//score", "unknown"), ("/api/v1/endpoint/a/b/score", "unknown"),
            ("/API/v1/endpoint/a/score", "unknown"),
            ("*", "unknown"), ("/api/v1/endpoint/a", "unknown"), ("ftp://x/", "unknown"), ("/score", "unknown"),
        ]
    )
    func targets(_ target: String, _ want: String) {
        let bytes = Array(target.utf8)
        let got: String = bytes.withUnsafeBufferPointer { pointer in
            guard let start = pointer.baseAddress else { return "" }
            switch ScoringTarget(start, ByteRange(start: 0, end: Int32(bytes.count))) {
            case .health: return "health"
            case .unknown: return "unknown"
            case .endpoint(let name, let route, let query):
                return "\(route) \(text(target, name)) \(text(target, query))"
            }
        }
        #expect(got == want)
    }
}

/// A small repeatable generator.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
