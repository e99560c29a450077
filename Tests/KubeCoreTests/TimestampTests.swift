import KubeCore
import Testing

struct TimestampTests {
    @Test(
        "Times are written and read",
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (1_714_558_830, "2024-05-01T10:20:30Z"), (951_782_400, "2000-02-29T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ]
    )
    func roundTrip(_ seconds: Int, _ text: String) {
        #expect(Timestamp.text(seconds: seconds) == text)
        #expect(Timestamp.seconds(text) == Double(seconds))
    }

    @Test("Offsets and fractions are understood")
    func canonical() {
        #expect(Timestamp.canonical("2024-05-01T12:20:30.75+02:00") == "2024-05-01T10:20:30Z")
        #expect(Timestamp.canonicalMicro("2024-05-01T10:20:30.5Z") == "2024-05-01T10:20:30.500000Z")
        #expect(Timestamp.microText(microseconds: 1_500_000) == "1970-01-01T00:00:01.500000Z")
    }

    @Test(
        "What is no time is refused",
        arguments: ["", "2024-05-01", "2024-13-01T00:00:00Z", "2023-02-29T00:00:00Z", "x"]
    )
    func refusal(_ text: String) {
        #expect(Timestamp.microseconds(text) == nil)
    }

    @Test(
        "Ages read as kubectl's",
        arguments: [
            (12, "12s"), (119, "119s"), (120, "2m"), (150, "2m30s"), (660, "11m"), (3 * 3600, "3h"),
            (3 * 3600 + 60, "3h1m"),
            (9 * 3600, "9h"), (50 * 3600, "2d2h"), (10 * 86400, "10d"), (800 * 86400, "2y70d"),
        ]
    )
    func age(_ seconds: Int, _ want: String) {
        #expect(Timestamp.age(seconds: Double(seconds)) == want)
    }
}
