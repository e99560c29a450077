import KubeCore
import Testing

struct QuantityTests {
    struct Case: CustomTestStringConvertible {
        var text: String
        var wantText: String
        var wantValue: Int
        var wantMilli: Int
        var testDescription: String { text }
    }

    static let cases: [Case] = [
        Case(text: "0", wantText: "0", wantValue: 0, wantMilli: 0),
        Case(text: "0.5", wantText: "500m", wantValue: 1, wantMilli: 500),
        Case(text: "1.5", wantText: "1500m", wantValue: 2, wantMilli: 1500),
        Case(text: "100m", wantText: "100m", wantValue: 1, wantMilli: 100),
        Case(text: "1000m", wantText: "1", wantValue: 1, wantMilli: 1000),
        Case(text: "1024Mi", wantText: "1Gi", wantValue: 1 << 30, wantMilli: 1000 << 30),
        Case(text: "1536Mi", wantText: "1536Mi", wantValue: 1536 << 20, wantMilli: 1_610_612_736_000),
        Case(text: "0.5Gi", wantText: "512Mi", wantValue: 512 << 20, wantMilli: 536_870_912_000),
        Case(text: "1.5Gi", wantText: "1536Mi", wantValue: 1536 << 20, wantMilli: 1_610_612_736_000),
        Case(text: "512Ki", wantText: "512Ki", wantValue: 512 << 10, wantMilli: 524_288_000),
        Case(text: "1000", wantText: "1k", wantValue: 1000, wantMilli: 1_000_000),
        Case(text: "128974848", wantText: "128974848", wantValue: 128_974_848, wantMilli: 128_974_848_000),
        Case(text: "129e6", wantText: "129e6", wantValue: 129_000_000, wantMilli: 129_000_000_000),
        Case(text: "1E3", wantText: "1e3", wantValue: 1000, wantMilli: 1_000_000),
        Case(text: "2E", wantText: "2E", wantValue: 2_000_000_000_000_000_000, wantMilli: .max),
        Case(text: "-1.5", wantText: "-1500m", wantValue: -1, wantMilli: -1500),
        Case(text: "0.0000000001", wantText: "1n", wantValue: 1, wantMilli: 1),
        Case(text: "500Mi", wantText: "500Mi", wantValue: 524_288_000, wantMilli: 524_288_000_000),
        Case(text: "1Ki", wantText: "1Ki", wantValue: 1024, wantMilli: 1_024_000),
        Case(text: "0.5Ki", wantText: "512", wantValue: 512, wantMilli: 512_000),
    ]

    @Test("Quantities have upstream's canonical text", arguments: cases)
    func canonical(_ example: Case) throws {
        let quantity = try Quantity(parsing: example.text)
        #expect(quantity.description == example.wantText)
        #expect(quantity.value == example.wantValue)
        #expect(quantity.milliValue == example.wantMilli)
    }

    @Test("What is no quantity is refused", arguments: ["", "abc", "1.2.3", "1x", "1 Gi", "Mi", "1ee3", "1e", "--1"])
    func refusal(_ text: String) {
        #expect(throws: QuantityParseError.self) { try Quantity(parsing: text) }
    }

    @Test("Amounts compare and add across notations")
    func arithmetic() throws {
        let half = try Quantity(parsing: "500m")
        let gibibyte = try Quantity(parsing: "1Gi")
        #expect(try half == Quantity(parsing: "0.5"))
        #expect(half < gibibyte)
        #expect((half + half).description == "1")
        #expect((gibibyte + gibibyte).description == "2Gi")
        #expect((gibibyte - gibibyte).isZero)
        #expect(try (Quantity(parsing: "2") - half).description == "1500m")
    }
}
