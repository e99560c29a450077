internal import ControlPlaneAPI

/// ISO 8601 durations, as ARM bodies carry them.
enum DurationText {
    /// Seconds of `PT1M30S`, `PT0.5S`, `P1DT2H`; nil when the text is no such duration.
    static func seconds(_ text: String) -> Double? {
        guard text.first == "P", text.count > 1 else { return nil }
        var total = 0.0
        var digits = ""
        var isTime = false
        for character in text.dropFirst() {
            if character == "T" {
                isTime = true
            } else if character.isNumber || character == "." {
                digits.append(character)
            } else {
                guard let number = Double(digits) else { return nil }
                digits = ""
                switch (character, isTime) {
                case ("W", false): total += number * 604_800
                case ("D", false): total += number * 86400
                case ("H", true): total += number * 3600
                case ("M", true): total += number * 60
                case ("S", true): total += number
                default: return nil
                }
            }
        }
        return digits.isEmpty ? total : nil
    }

    /// Whole seconds, at least one.
    static func wholeSeconds(_ json: String?, field: String, object: String) throws -> Int? {
        guard let json else { return nil }
        guard let value = seconds(json), value > 0 else {
            throw ARMError.invalid(field, "\(object): '\(json)' is no positive ISO 8601 duration such as PT90S.")
        }
        return max(1, Int(value.rounded(.up)))
    }

    static func milliseconds(_ json: String?, field: String, object: String) throws -> Int? {
        guard let json else { return nil }
        guard let value = seconds(json), value > 0 else {
            throw ARMError.invalid(field, "\(object): '\(json)' is no positive ISO 8601 duration such as PT0.5S.")
        }
        return max(1, Int((value * 1000).rounded()))
    }
}
