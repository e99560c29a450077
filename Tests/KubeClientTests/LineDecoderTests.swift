import KubeCore
import Testing

@testable import KubeClient

@Suite struct LineDecoderTests {
    @Test(arguments: 1...12) func `Lines come out whole however the bytes are split`(size: Int) throws {
        let text = "one\n\ntwo three\nlast"
        var decoder = LineDecoder(limitBytes: 100)
        var lines: [String] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            decoder.append(rest.prefix(size))
            rest = rest.dropFirst(size)
            while let line = try decoder.next() { lines.append(String(decoding: line, as: UTF8.self)) }
        }
        #expect(lines == ["one", "", "two three"])
    }

    @Test func `A line without end is refused at the limit`() throws {
        var decoder = LineDecoder(limitBytes: 10)
        decoder.append(Array(repeating: UInt8(ascii: "x"), count: 11))
        #expect(throws: LineDecoder.TooLong.self) { try decoder.next() }
    }

    @Test func `Watch lines become events and ERROR becomes an APIError`() throws {
        let added = try WatchEvent(
            line: Array(#"{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"a"}}}"#.utf8)[...]
        )
        guard case .added(let pod) = added else {
            Issue.record("not added")
            return
        }
        #expect(pod.name == "a")
        let line = #"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}"#
        let error = #expect(throws: APIError.self) { try WatchEvent(line: Array(line.utf8)[...]) }
        #expect(error?.isExpired == true)
    }
}

@Suite struct AddressTests {
    @Test(
        arguments: [
            ("https://10.0.0.1:6443/", nil, "https://10.0.0.1:6443", [:]),
            ("10.0.0.1:6443", nil, "https://10.0.0.1:6443", [:]),
            ("https://[fd00::1]:443/k8s", nil, "https://[fd00::1]:443/k8s", [:]),
            ("https://10.0.0.1:6443", "kube", "https://kube:6443", ["kube": "10.0.0.1"]),
        ] as [(String, String?, String, [String: String])]
    )
    func `The address keeps its path and takes the TLS server name`(
        server: String,
        name: String?,
        wantBase: String,
        wantOverride: [String: String]
    ) throws {
        let address = try ServerAddress(KubeConfig(server: server, tlsServerName: name))
        #expect(address.base == wantBase)
        #expect(address.override == wantOverride)
    }

    @Test(arguments: ["ftp://x", "https://", "https://h:0", "https://h:x"]) func `Bad addresses are refused`(
        server: String
    ) {
        #expect(throws: KubeConfigError.self) { try ServerAddress(KubeConfig(server: server)) }
    }

    @Test func `Query text is percent-encoded`() {
        #expect(URLText.encode("a b,c in (d)/é") == "a%20b%2Cc%20in%20%28d%29%2F%C3%A9")
    }
}

@Suite struct YAMLTests {
    @Test(
        arguments: [
            ("yes", true), ("on", true), ("y", true), ("off", false), ("~", .null), ("", .null), ("12", 12), ("-3", -3),
            ("0x1F", 31), ("010", 8), ("1_000", 1000), ("1.5", 1.5), ("1e3", 1000.0), ("1.2.3", "1.2.3"), ("-", "-"),
            ("+", "+"), (".", "."), ("1m", "1m"), ("2024-01-01", "2024-01-01"), ("v1", "v1"), ("08", "08"),
            ("--", "--"),
        ] as [(String, JSON)]
    )
    func `Plain scalars resolve as YAML 1.1 does`(text: String, want: JSON) {
        #expect(PlainScalar.resolve(text) == want)
    }

    @Test func `Quoted scalars stay text, aliases and merges are followed`() throws {
        let json = try JSON(yaml: "a: &x {k: 'yes'}\nb: *x\nc: {<<: *x, l: \"1\"}\n")
        #expect(json == ["a": ["k": "yes"], "b": ["k": "yes"], "c": ["k": "yes", "l": "1"]])
    }

    @Test func `An alias bomb is refused`() {
        var text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        for index in 1..<9 {
            text +=
                "a\(index): &a\(index) [" + Array(repeating: "*a\(index - 1)", count: 10).joined(separator: ",") + "]\n"
        }
        #expect(throws: YAMLParseError.self) { try JSON(yaml: text) }
    }

    @Test func `Written YAML reads back as the same value`() throws {
        let value: JSON = [
            "a": "yes", "b": "12", "c": [1, 2.5, true, .null], "d": ["e": "line1\nline2\n", "f": "", "g": "x: y # z"],
            "h": [], "i": [:],
        ]
        #expect(try JSON(yaml: value.yamlText) == value)
    }

    @Test func `A stream has its documents apart`() throws {
        #expect(try JSON.documents(yaml: "a: 1\n---\n---\nb: 2\n") == [["a": 1], ["b": 2]])
    }
}
