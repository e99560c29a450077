/// Times as the Kubernetes API writes them: RFC 3339 in UTC, whole seconds or microseconds.
///
/// Values are seconds since 1970 as `Double` or microseconds as `Int`, so that no module needs Foundation for them.
package enum Timestamp {
    /// `2024-05-01T10:20:30Z`.
    package static func text(seconds: Double) -> String { text(seconds: Int(seconds.rounded(.down))) }

    /// `2024-05-01T10:20:30Z`.
    package static func text(seconds: Int) -> String { civil(seconds) + "Z" }

    /// `2024-05-01T10:20:30.123456Z`, the form of `MicroTime` (Leases, events).
    package static func microText(seconds: Double) -> String {
        microText(microseconds: Int((seconds * 1_000_000).rounded(.down)))
    }

    package static func microText(microseconds: Int) -> String {
        let (seconds, fraction) = floorDivide(microseconds, 1_000_000)
        return civil(seconds) + "." + padded(fraction, 6) + "Z"
    }

    /// `2024-05-01T10:20:30.123456789Z`, the form of container logs.
    package static func nanoText(seconds: Int, nanoseconds: Int) -> String {
        civil(seconds) + "." + padded(nanoseconds, 9) + "Z"
    }

    /// Seconds since 1970 of any RFC 3339 text, with offset and fraction; nil when it is none.
    package static func seconds(_ text: String) -> Double? {
        microseconds(text).map { Double($0) / 1_000_000 }
    }

    /// Microseconds since 1970 of any RFC 3339 text; nil when it is none.
    package static func microseconds(_ text: String) -> Int? {
        var reader = Reader(Array(text.utf8))
        return reader.read()
    }

    /// The text in the canonical form of `metav1.Time`, or nil when it is no time.
    package static func canonical(_ text: String) -> String? {
        microseconds(text).map { self.text(seconds: floorDivide($0, 1_000_000).0) }
    }

    /// The text in the canonical form of `metav1.MicroTime`, or nil when it is no time.
    package static func canonicalMicro(_ text: String) -> String? { microseconds(text).map(microText(microseconds:)) }

    /// An age as kubectl prints it: `12s`, `5m30s`, `3h`, `2d4h`, `5y30d`.
    package static func age(seconds: Double) -> String {
        let seconds = Int(seconds)
        if seconds < -1 { return "<invalid>" }
        if seconds < 0 { return "0s" }
        if seconds < 120 { return "\(seconds)s" }
        let minutes = seconds / 60
        if minutes < 10 { return joined(minutes, "m", seconds % 60, "s") }
        if minutes < 180 { return "\(minutes)m" }
        let hours = seconds / 3600
        if hours < 8 { return joined(hours, "h", minutes % 60, "m") }
        if hours < 48 { return "\(hours)h" }
        let days = hours / 24
        if hours < 192 { return joined(days, "d", hours % 24, "h") }
        if days < 730 { return "\(days)d" }
        let years = days / 365
        if days < 365 * 8 { return joined(years, "y", days % 365, "d") }
        return "\(years)y"
    }

    private static func joined(_ first: Int, _ unit: String, _ second: Int, _ secondUnit: String) -> String {
        second == 0 ? "\(first)\(unit)" : "\(first)\(unit)\(second)\(secondUnit)"
    }

    private static func floorDivide(_ value: Int, _ divisor: Int) -> (Int, Int) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    private static func padded(_ value: Int, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }

    /// Date and time without zone.
    ///
    /// Source: "chrono-compatible low-level date algorithms" (days from civil).
    private static func civil(_ seconds: Int) -> String {
        let (days, rest) = floorDivide(seconds, 86400)
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthIndex + 2) / 5 + 1
        let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let date = padded(year, 4) + "-" + padded(month, 2) + "-" + padded(day, 2)
        return date + "T" + padded(rest / 3600, 2) + ":" + padded(rest / 60 % 60, 2) + ":" + padded(rest % 60, 2)
    }

    private static func days(year: Int, month: Int, day: Int) -> Int {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let monthIndex = month > 2 ? month - 3 : month + 9
        let dayOfYear = (153 * monthIndex + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        mutating func read() -> Int? {
            guard let year = number(4), skip("-"), let month = number(2), skip("-"), let day = number(2),
                skip("T") || skip("t"), let hour = number(2), skip(":"), let minute = number(2), skip(":"),
                let second = number(2), (1...12).contains(month), day >= 1, day <= Timestamp.length(year, month),
                hour < 24, minute < 60, second < 61
            else { return nil }
            var microseconds = 0
            if skip(".") {
                guard let fraction = fraction() else { return nil }
                microseconds = fraction
            }
            guard let offset = offset(), position == bytes.count else { return nil }
            let total = Timestamp.days(year: year, month: month, day: day) * 86400 + hour * 3600 + minute * 60 + second
            return (total - offset) * 1_000_000 + microseconds
        }

        private mutating func number(_ width: Int) -> Int? {
            guard position + width <= bytes.count else { return nil }
            var value = 0
            for byte in bytes[position..<position + width] {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                value = value * 10 + Int(byte - UInt8(ascii: "0"))
            }
            position += width
            return value
        }

        private mutating func skip(_ character: Unicode.Scalar) -> Bool {
            guard position < bytes.count, UInt32(bytes[position]) == character.value else { return false }
            position += 1
            return true
        }

        private mutating func fraction() -> Int? {
            let start = position
            var value = 0
            while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) {
                if position - start < 6 { value = value * 10 + Int(bytes[position] - UInt8(ascii: "0")) }
                position += 1
            }
            guard position > start else { return nil }
            for _ in 0..<max(0, 6 - (position - start)) { value *= 10 }
            return value
        }

        private mutating func offset() -> Int? {
            if skip("Z") || skip("z") { return 0 }
            let sign = skip("+") ? 1 : skip("-") ? -1 : 0
            guard sign != 0, let hours = number(2), skip(":"), let minutes = number(2), hours < 24, minutes < 60 else {
                return nil
            }
            return sign * (hours * 3600 + minutes * 60)
        }
    }

    private static func length(_ year: Int, _ month: Int) -> Int {
        switch month {
        case 4, 6, 9, 11: 30
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        default: 31
        }
    }
}
