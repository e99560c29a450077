internal import KubeCore

/// `3` or `25%` of a total.
enum IntOrPercent {
    /// The number that `value` stands for; nil when it is neither a number nor a percentage.
    static func resolve(_ value: JSON?, of total: Int, roundingUp: Bool) -> Int? {
        if let number = value?.intValue { return number }
        guard let text = value?.stringValue else { return nil }
        guard text.hasSuffix("%") else { return Int(text) }
        guard let percent = Int(text.dropLast()) else { return nil }
        let product = percent * total
        return roundingUp ? (product + 99) / 100 : product / 100
    }
}
