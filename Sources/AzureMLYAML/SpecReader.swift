internal import KubeCore

/// Reads one mapping of a document and collects everything that is wrong with it.
struct SpecReader {
    let value: JSON
    let path: String
    private(set) var errors: [FieldError] = []

    init(_ value: JSON, path: String = "") {
        self.value = value
        self.path = path
        if value.objectValue == nil, !value.isNull {
            errors.append(FieldError(path, .typeInvalid, "a mapping is expected", badValue: value))
        }
    }

    func at(_ key: String) -> String { path.isEmpty ? key : path + "." + key }

    subscript(key: String) -> JSON? {
        guard let found = value[key], !found.isNull else { return nil }
        return found
    }

    mutating func fail(_ key: String, _ reason: FieldError.Reason, _ detail: String) {
        errors.append(FieldError(key.isEmpty ? path : at(key), reason, detail, badValue: value[key]))
    }

    mutating func take(_ other: [FieldError]) { errors += other }

    /// Reports every key that is not in `known`, with the nearest one that is.
    mutating func allow(_ known: [String]) {
        for key in (value.objectValue ?? [:]).keys.sorted() where !known.contains(key) {
            let nearest = Spelling.nearest(to: key, among: known)
            let hint = nearest.map { "did you mean \($0)?" } ?? "known keys: " + known.sorted().joined(separator: ", ")
            errors.append(FieldError(at(key), .notSupported, "unknown key; " + hint))
        }
    }

    /// Text; numbers and booleans count as the text they were written as.
    mutating func string(_ key: String) -> String? {
        guard let found = self[key] else { return nil }
        guard let text = Self.text(found) else {
            fail(key, .typeInvalid, "text is expected")
            return nil
        }
        return text
    }

    mutating func requiredString(_ key: String) -> String {
        guard self[key] != nil else {
            errors.append(FieldError(at(key), .required))
            return ""
        }
        let text = string(key) ?? ""
        if text.isEmpty { fail(key, .required, "must not be empty") }
        return text
    }

    mutating func integer(_ key: String, minimum: Int = 0) -> Int? {
        guard let found = self[key] else { return nil }
        guard let number = found.intValue ?? found.stringValue.flatMap({ Int($0) }) else {
            fail(key, .typeInvalid, "a whole number is expected")
            return nil
        }
        if number < minimum { fail(key, .invalid, "must be at least \(minimum)") }
        return number
    }

    mutating func boolean(_ key: String) -> Bool? {
        guard let found = self[key] else { return nil }
        if let flag = found.boolValue { return flag }
        switch found.stringValue?.lowercased() {
        case "true": return true
        case "false": return false
        default:
            fail(key, .typeInvalid, "true or false is expected")
            return nil
        }
    }

    /// A map of text to text; numbers and booleans become the text they were written as.
    mutating func stringMap(_ key: String) -> [String: String]? {
        guard let found = self[key] else { return nil }
        guard let members = found.objectValue else {
            fail(key, .typeInvalid, "a mapping is expected")
            return nil
        }
        var result: [String: String] = [:]
        for (name, member) in members {
            guard let text = Self.text(member) else {
                errors.append(FieldError(at(key) + "." + name, .typeInvalid, "text is expected", badValue: member))
                continue
            }
            result[name] = text
        }
        return result
    }

    /// One of `allowed`, compared without case; the spelling of `allowed` is returned.
    mutating func choice(_ key: String, among allowed: [String]) -> String? {
        guard let text = string(key) else { return nil }
        if let match = allowed.first(where: { $0.lowercased() == text.lowercased() }) { return match }
        fail(key, .notSupported, "supported values: " + allowed.joined(separator: ", "))
        return nil
    }

    /// Reader for a nested mapping; nil when the key is absent.
    func nested(_ key: String) -> SpecReader? { self[key].map { SpecReader($0, path: at(key)) } }

    /// Scalars as Python would print them, which is how the reference client sends literals.
    static func text(_ value: JSON) -> String? {
        switch value {
        case .string(let text): text
        case .int(let number): String(number)
        case .double(let number): "\(number)"
        case .bool(let flag): flag ? "True" : "False"
        default: nil
        }
    }
}

/// Finds what somebody probably meant.
package enum Spelling {
    /// The candidate nearest to `word`, if it is near enough to be worth naming.
    package static func nearest(to word: String, among candidates: [String]) -> String? {
        let scored = candidates.map { (distance(word.lowercased(), $0.lowercased()), $0) }
        guard let best = scored.min(by: { $0 < $1 }), best.0 <= max(1, word.count / 3) else { return nil }
        return best.1
    }

    /// Levenshtein's distance.
    static func distance(_ first: String, _ second: String) -> Int {
        let target = Array(second)
        var row = Array(0...target.count)
        for (index, character) in first.enumerated() {
            var previous = row[0]
            row[0] = index + 1
            for column in target.indices {
                let substitution = previous + (target[column] == character ? 0 : 1)
                previous = row[column + 1]
                row[column + 1] = min(substitution, previous + 1, row[column] + 1)
            }
        }
        return row[target.count]
    }
}
