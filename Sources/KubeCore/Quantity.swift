/// Why text is no quantity.
package struct QuantityParseError: Error, Sendable, CustomStringConvertible {
    /// What was read.
    package var text: String

    package init(text: String) { self.text = text }

    package var description: String {
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    }
}

/// An amount of a resource (`500m`, `2Gi`, `1e3`), exact to 10⁻⁹, as `resource.Quantity` upstream.
///
/// Equal amounts compare equal whatever their notation. Amounts beyond ±1.7 × 10²⁹ are clamped.
package struct Quantity: Sendable, CustomStringConvertible {
    package enum Format: Sendable, Hashable {
        case decimalSI, binarySI, decimalExponent
    }

    /// The amount in units of 10⁻⁹.
    private var nanos: Int128
    package var format: Format

    private init(nanos: Int128, format: Format) {
        self.nanos = nanos
        self.format = format
    }

    package static let zero = Quantity(nanos: 0, format: .decimalSI)

    package init(_ value: Int, format: Format = .decimalSI) {
        self.init(nanos: Int128(value) * 1_000_000_000, format: format)
    }

    package init(milli value: Int, format: Format = .decimalSI) {
        self.init(nanos: Int128(value) * 1_000_000, format: format)
    }

    /// Reads upstream's notation.
    ///
    /// Digits below 10⁻⁹ round away from zero.
    package init(parsing text: String) throws(QuantityParseError) {
        guard let parsed = Quantity.parse(Array(text.utf8)) else { throw QuantityParseError(text: text) }
        self = parsed
    }

    /// A JSON string or number.
    package init(_ json: JSON) throws(QuantityParseError) {
        switch json {
        case .string(let text): try self.init(parsing: text)
        case .int(let value): self.init(nanos: Int128(value) * 1_000_000_000, format: .decimalSI)
        default: try self.init(parsing: json.text)
        }
    }
}

extension Quantity {
    /// Rounded up to a whole number.
    package var value: Int { Int(clamping: Quantity.divideRoundingUp(nanos, 1_000_000_000)) }

    /// In thousandths, rounded up.
    package var milliValue: Int { Int(clamping: Quantity.divideRoundingUp(nanos, 1_000_000)) }

    package var doubleValue: Double { Double(nanos) / 1e9 }

    package var isZero: Bool { nanos == 0 }

    package var isNegative: Bool { nanos < 0 }

    package static func + (left: Quantity, right: Quantity) -> Quantity {
        let (sum, overflow) = left.nanos.addingReportingOverflow(right.nanos)
        let clamped = overflow ? (left.nanos < 0 ? Int128.min : Int128.max) : sum
        return Quantity(nanos: clamped, format: left.isZero ? right.format : left.format)
    }

    package static func - (left: Quantity, right: Quantity) -> Quantity {
        let negated = Quantity(nanos: right.nanos == .min ? .max : -right.nanos, format: right.format)
        return left + negated
    }

    package static func += (left: inout Quantity, right: Quantity) { left = left + right }

    package static func -= (left: inout Quantity, right: Quantity) { left = left - right }

    /// Canonical text: `0.5` is `500m`, `1024Mi` is `1Gi`.
    package var description: String {
        switch format {
        case .binarySI: binaryText
        case .decimalSI, .decimalExponent: decimalText
        }
    }

    /// Canonical text of a quantity written as JSON; nil when it is none.
    package static func canonical(_ json: JSON) -> String? { (try? Quantity(json))?.description }
}

extension Quantity: Comparable, Hashable {
    package static func == (left: Quantity, right: Quantity) -> Bool { left.nanos == right.nanos }
    package static func < (left: Quantity, right: Quantity) -> Bool { left.nanos < right.nanos }
    package func hash(into hasher: inout Hasher) { hasher.combine(nanos) }
}

extension Quantity {
    private static func divideRoundingUp(_ value: Int128, _ divisor: Int128) -> Int128 {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        if remainder == 0 { return quotient }
        return value > 0 ? quotient + 1 : quotient
    }

    private var decimalText: String {
        if nanos == 0 { return "0" }
        var mantissa = nanos
        var exponent = -9
        while mantissa % 1000 == 0, exponent < 18 {
            mantissa /= 1000
            exponent += 3
        }
        if format == .decimalExponent { return exponent == 0 ? "\(mantissa)" : "\(mantissa)e\(exponent)" }
        let suffixes = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"]
        return "\(mantissa)" + suffixes[exponent / 3 + 3]
    }

    private var binaryText: String {
        let unit: Int128 = 1_000_000_000
        // Upstream writes amounts below 1024 and fractions in decimal notation.
        guard nanos.magnitude >= 1024 * 1_000_000_000, nanos % unit == 0 else {
            return Quantity(nanos: nanos, format: .decimalSI).decimalText
        }
        var mantissa = nanos / unit
        var power = 0
        while mantissa % 1024 == 0, power < 6 {
            mantissa /= 1024
            power += 1
        }
        let suffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
        return "\(mantissa)" + suffixes[power]
    }

    private static func parse(_ bytes: [UInt8]) -> Quantity? {
        var position = 0
        var isNegative = false
        if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") {
            isNegative = bytes[position] == UInt8(ascii: "-")
            position += 1
        }
        var digits: [UInt8] = []
        var fractionCount = 0
        var hasPoint = false
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "."), !hasPoint {
                hasPoint = true
            } else if (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
                digits.append(byte - UInt8(ascii: "0"))
                if hasPoint { fractionCount += 1 }
            } else {
                break
            }
            position += 1
        }
        guard !digits.isEmpty, let suffix = Suffix(String(decoding: bytes[position...], as: UTF8.self)) else {
            return nil
        }
        var total = scale(digits, by: suffix.decimalExponent + 9 - fractionCount)
        if suffix.binaryPower > 0 {
            // The fraction is resolved after the multiplication, so that 0.5Gi is exact.
            total = scaleBinary(digits, fractionCount: fractionCount, power: suffix.binaryPower)
        }
        return Quantity(nanos: isNegative ? -total : total, format: suffix.format)
    }

    private static func integer(_ digits: some Sequence<UInt8>) -> Int128? {
        var value: Int128 = 0
        for digit in digits {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowed) = product.addingReportingOverflow(Int128(digit))
            if overflow || overflowed { return nil }
            value = sum
        }
        return value
    }

    /// `digits × 10^exponent`, rounded up when the exponent cuts digits off.
    private static func scale(_ digits: [UInt8], by exponent: Int) -> Int128 {
        if exponent >= 0 {
            guard let value = integer(digits) else { return .max }
            if value == 0 { return 0 }
            guard exponent <= 38 else { return .max }
            return integer(digits + [UInt8](repeating: 0, count: exponent)) ?? .max
        }
        let kept = digits.dropLast(min(digits.count, -exponent))
        let cut = digits.suffix(min(digits.count, -exponent))
        guard let value = integer(kept) else { return .max }
        return cut.contains { $0 != 0 } ? value + 1 : value
    }

    private static func scaleBinary(_ digits: [UInt8], fractionCount: Int, power: Int) -> Int128 {
        guard let value = integer(digits) else { return .max }
        let factor: Int128 = 1 << Int128(10 * power)
        let (product, overflow) = value.multipliedReportingOverflow(by: factor)
        guard !overflow else { return .max }
        let text = String(product)
        return scale(text.utf8.map { $0 - UInt8(ascii: "0") }, by: 9 - fractionCount)
    }

    private struct Suffix {
        var format: Format
        var decimalExponent = 0
        var binaryPower = 0

        init?(_ text: String) {
            switch text {
            case "": format = .decimalSI
            case "n": (format, decimalExponent) = (.decimalSI, -9)
            case "u": (format, decimalExponent) = (.decimalSI, -6)
            case "m": (format, decimalExponent) = (.decimalSI, -3)
            case "k": (format, decimalExponent) = (.decimalSI, 3)
            case "M": (format, decimalExponent) = (.decimalSI, 6)
            case "G": (format, decimalExponent) = (.decimalSI, 9)
            case "T": (format, decimalExponent) = (.decimalSI, 12)
            case "P": (format, decimalExponent) = (.decimalSI, 15)
            case "E": (format, decimalExponent) = (.decimalSI, 18)
            case "Ki": (format, binaryPower) = (.binarySI, 1)
            case "Mi": (format, binaryPower) = (.binarySI, 2)
            case "Gi": (format, binaryPower) = (.binarySI, 3)
            case "Ti": (format, binaryPower) = (.binarySI, 4)
            case "Pi": (format, binaryPower) = (.binarySI, 5)
            case "Ei": (format, binaryPower) = (.binarySI, 6)
            default:
                guard let first = text.utf8.first, first | 0x20 == UInt8(ascii: "e"),
                    let exponent = Int(text.dropFirst()), abs(exponent) <= 1000
                else { return nil }
                (format, decimalExponent) = (.decimalExponent, exponent)
            }
        }
    }
}
