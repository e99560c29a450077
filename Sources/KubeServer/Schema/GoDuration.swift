/// Durations as Go writes them: `1h2m3.5s`.
enum GoDuration {
    static func text(nanoseconds: Int64) -> String {
        if nanoseconds == 0 { return "0s" }
        let sign = nanoseconds < 0 ? "-" : ""
        let magnitude = nanoseconds.magnitude
        if magnitude < 1000 { return "\(sign)\(magnitude)ns" }
        if magnitude < 1_000_000 { return sign + fraction(magnitude, 1000) + "µs" }
        if magnitude < 1_000_000_000 { return sign + fraction(magnitude, 1_000_000) + "ms" }
        let seconds = magnitude / 1_000_000_000
        let tail = fraction(seconds % 60 * 1_000_000_000 + magnitude % 1_000_000_000, 1_000_000_000) + "s"
        if seconds < 60 { return sign + tail }
        let minutes = "\(seconds / 60 % 60)m" + tail
        return seconds < 3600 ? sign + minutes : "\(sign)\(seconds / 3600)h" + minutes
    }

    private static func fraction(_ value: UInt64, _ unit: UInt64) -> String {
        let whole = String(value / unit)
        var rest = String(value % unit)
        if rest == "0" { return whole }
        rest = String(repeating: "0", count: String(unit).count - 1 - rest.count) + rest
        while rest.hasSuffix("0") { rest.removeLast() }
        return whole + "." + rest
    }

    /// Nanoseconds of a text such as `1h30m`; nil when it is none.
    static func nanoseconds(_ text: String) -> Int64? {
        var rest = text[...]
        var sign: Double = 1
        if rest.hasPrefix("-") || rest.hasPrefix("+") {
            sign = rest.hasPrefix("-") ? -1 : 1
            rest.removeFirst()
        }
        if rest == "0" { return 0 }
        guard !rest.isEmpty else { return nil }
        var total = 0.0
        while !rest.isEmpty {
            let number = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            guard let value = Double(number) else { return nil }
            rest = rest.dropFirst(number.count)
            let units: [(String, Double)] = [
                ("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("h", 3.6e12),
            ]
            guard let unit = units.first(where: { rest.hasPrefix($0.0) }) else { return nil }
            total += value * unit.1
            rest = rest.dropFirst(unit.0.count)
        }
        return Int64(exactly: (total * sign).rounded())
    }
}
