internal import Foundation
internal import KubeCore

/// Compiled value rules of one node of a custom resource's OpenAPI schema, with everything below it.
final class Constraint: Sendable {
    enum JSONType: String, Sendable {
        case object, array, string, integer, number, boolean

        func admits(_ value: JSON) -> Bool {
            switch (self, value) {
            case (.object, .object), (.array, .array), (.string, .string), (.boolean, .bool), (.integer, .int),
                (.number, .int), (.number, .double):
                true
            case (.integer, .double(let number)): number == number.rounded()
            default: false
            }
        }
    }

    struct Bound: Sendable {
        var value: Double
        var isExclusive: Bool
    }

    let type: JSONType?
    let isIntOrString: Bool
    let isNullable: Bool
    let required: [String]
    let enumeration: [JSON]?
    let pattern: (text: String, expression: NSRegularExpression)?
    let format: String?
    let minimum: Bound?
    let maximum: Bound?
    let multipleOf: Double?
    let minLength: Int?
    let maxLength: Int?
    let minItems: Int?
    let maxItems: Int?
    let minProperties: Int?
    let maxProperties: Int?
    let properties: [String: Constraint]
    let additional: Constraint?
    let items: Constraint?
    let listType: Schema.ListType
    let mapKeys: [String]
    let allOf: [Constraint]
    let anyOf: [Constraint]
    let oneOf: [Constraint]
    let not: Constraint?
    let rules: [ValidationRule]
    let isEmbeddedResource: Bool
    let preservesUnknown: Bool

    /// Reads one node; problems go to `errors` with their path.
    init(_ json: JSON, path: String, errors: inout [FieldError], isStructural: Bool = true) {
        func integer(_ key: String) -> Int? { json[key]?.intValue }
        func nested(_ key: String, _ errors: inout [FieldError]) -> [Constraint] {
            (json[key]?.arrayValue ?? []).enumerated().map { index, item in
                Constraint(item, path: "\(path).\(key)[\(index)]", errors: &errors, isStructural: false)
            }
        }
        type = json["type"]?.stringValue.flatMap(JSONType.init)
        isIntOrString = json["x-kubernetes-int-or-string"] == true
        isNullable = json["nullable"] == true
        required = json["required"]?.stringArray ?? []
        enumeration = json["enum"]?.arrayValue
        pattern = Constraint.expression(json["pattern"]?.stringValue, path, &errors)
        format = json["format"]?.stringValue
        minimum = json["minimum"]?.doubleValue.map { Bound(value: $0, isExclusive: json["exclusiveMinimum"] == true) }
        maximum = json["maximum"]?.doubleValue.map { Bound(value: $0, isExclusive: json["exclusiveMaximum"] == true) }
        multipleOf = json["multipleOf"]?.doubleValue
        minLength = integer("minLength")
        maxLength = integer("maxLength")
        minItems = integer("minItems")
        maxItems = integer("maxItems")
        minProperties = integer("minProperties")
        maxProperties = integer("maxProperties")
        listType = Schema.ListType(rawValue: json["x-kubernetes-list-type"]?.stringValue ?? "atomic") ?? .atomic
        mapKeys = json["x-kubernetes-list-map-keys"]?.stringArray ?? []
        isEmbeddedResource = json["x-kubernetes-embedded-resource"] == true
        preservesUnknown = json["x-kubernetes-preserve-unknown-fields"] == true
        var children: [String: Constraint] = [:]
        for (key, child) in json["properties"]?.objectValue ?? [:] {
            children[key] = Constraint(
                child,
                path: "\(path).properties[\(key)]",
                errors: &errors,
                isStructural: isStructural
            )
        }
        properties = children
        if let child = json["additionalProperties"], case .object = child {
            additional = Constraint(
                child,
                path: path + ".additionalProperties",
                errors: &errors,
                isStructural: isStructural
            )
        } else {
            additional = nil
        }
        items = json["items"].map {
            Constraint($0, path: path + ".items", errors: &errors, isStructural: isStructural)
        }
        allOf = nested("allOf", &errors)
        anyOf = nested("anyOf", &errors)
        oneOf = nested("oneOf", &errors)
        not = json["not"].map { Constraint($0, path: path + ".not", errors: &errors, isStructural: false) }
        rules = (json["x-kubernetes-validations"]?.arrayValue ?? []).enumerated().compactMap { index, rule in
            ValidationRule(rule, path: "\(path).x-kubernetes-validations[\(index)]", errors: &errors)
        }
    }

    private static func expression(
        _ text: String?,
        _ path: String,
        _ errors: inout [FieldError]
    ) -> (text: String, expression: NSRegularExpression)? {
        guard let text, !text.isEmpty else { return nil }
        do {
            return (text, try NSRegularExpression(pattern: text))
        } catch {
            errors.append(
                FieldError(
                    path + ".pattern",
                    .invalid,
                    "must be a valid regular expression, but isn't",
                    badValue: .string(text)
                )
            )
            return nil
        }
    }
}

/// Errors of a value under a constraint, in upstream's wording.
struct ConstraintChecker {
    var errors: [FieldError] = []
    /// Only whether there is an error is asked for: inside anyOf, oneOf and not.
    private var isProbe = false

    init() {}

    /// `old` is the value before an update at the same place: what has not changed is not complained about.
    mutating func check(_ value: JSON, _ rule: Constraint, path: String, old: JSON? = nil) {
        if isProbe, !errors.isEmpty { return }
        if let old, old == value { return checkRules(value, rule, path: path, old: old) }
        if value.isNull, rule.isNullable { return }
        guard checkType(value, rule, path: path) else { return }
        let count = errors.count
        checkValue(value, rule, path: path)
        checkBranches(value, rule, path: path)
        switch value {
        case .object(let members): checkObject(members, rule, path: path, old: old)
        case .array(let elements): checkArray(elements, rule, path: path, old: old)
        default: break
        }
        // Rules may rely on what the schema promises, so they wait until it holds.
        if errors.count == count { checkRules(value, rule, path: path, old: old) }
    }

    private mutating func invalid(_ path: String, _ value: JSON, _ detail: String) {
        errors.append(FieldError(path, .invalid, "\(path) in body \(detail)", badValue: value))
    }

    private mutating func checkType(_ value: JSON, _ rule: Constraint, path: String) -> Bool {
        var expected: String?
        if rule.isIntOrString {
            if !Constraint.JSONType.integer.admits(value), !Constraint.JSONType.string.admits(value) {
                expected = "integer,string"
            }
        } else if let type = rule.type, !type.admits(value) {
            expected = type.rawValue
        } else if rule.type == nil, value.isNull, !rule.preservesUnknown, !rule.properties.isEmpty {
            expected = "object"
        }
        guard let expected else { return true }
        let found = ConstraintChecker.name(value)
        errors.append(
            FieldError(
                path,
                .typeInvalid,
                "\(path) in body must be of type \(expected): \"\(found)\"",
                badValue: .string(found)
            )
        )
        return false
    }

    private static func name(_ value: JSON) -> String {
        switch value {
        case .null: "null"
        case .bool: "boolean"
        case .int: "integer"
        case .double: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }

    private mutating func checkValue(_ value: JSON, _ rule: Constraint, path: String) {
        if let allowed = rule.enumeration, !allowed.contains(where: { ConstraintChecker.equal($0, value) }) {
            let list = allowed.map(\.text).joined(separator: ", ")
            errors.append(FieldError(path, .notSupported, "supported values: \(list)", badValue: value))
        }
        switch value {
        case .string(let text): checkString(text, rule, path: path)
        case .int(let number): checkNumber(Double(number), value, rule, path: path)
        case .double(let number): checkNumber(number, value, rule, path: path)
        default: break
        }
    }

    private static func equal(_ left: JSON, _ right: JSON) -> Bool {
        if left == right { return true }
        guard let first = left.doubleValue, let second = right.doubleValue else { return false }
        return first == second
    }

    private mutating func checkString(_ text: String, _ rule: Constraint, path: String) {
        if rule.minLength != nil || rule.maxLength != nil {
            let count = text.unicodeScalars.count
            if let maximum = rule.maxLength, count > maximum {
                errors.append(
                    FieldError(path, .tooLong, "may not be more than \(maximum) bytes", badValue: .string(text))
                )
            }
            if let minimum = rule.minLength, count < minimum {
                invalid(path, .string(text), "should be at least \(minimum) chars long")
            }
        }
        if let pattern = rule.pattern {
            let range = NSRange(text.startIndex..., in: text)
            if pattern.expression.firstMatch(in: text, range: range) == nil {
                invalid(path, .string(text), "should match '\(pattern.text)'")
            }
        }
        if let format = rule.format, !StringFormat.admits(text, format) {
            errors.append(
                FieldError(
                    path,
                    .typeInvalid,
                    "\(path) in body must be of type \(format): \(JSON.string(text).text)",
                    badValue: .string(text)
                )
            )
        }
    }

    private mutating func checkNumber(_ number: Double, _ value: JSON, _ rule: Constraint, path: String) {
        if let bound = rule.maximum, bound.isExclusive ? number >= bound.value : number > bound.value {
            let relation = bound.isExclusive ? "should be less than" : "should be less than or equal to"
            invalid(path, value, "\(relation) \(JSON.double(bound.value).text)")
        }
        if let bound = rule.minimum, bound.isExclusive ? number <= bound.value : number < bound.value {
            let relation = bound.isExclusive ? "should be greater than" : "should be greater than or equal to"
            invalid(path, value, "\(relation) \(JSON.double(bound.value).text)")
        }
        if let factor = rule.multipleOf, factor > 0, (number / factor).rounded() * factor != number {
            invalid(path, value, "should be a multiple of \(JSON.double(factor).text)")
        }
        if rule.format == "int32", Int32(exactly: number) == nil {
            invalid(path, value, "should be a 32-bit integer")
        }
    }

    private mutating func checkObject(_ members: [String: JSON], _ rule: Constraint, path: String, old: JSON?) {
        func childPath(_ key: String) -> String { path.isEmpty ? key : path + "." + key }
        for key in rule.required where members[key] == nil {
            errors.append(FieldError(childPath(key), .required))
        }
        if let maximum = rule.maxProperties, members.count > maximum {
            errors.append(
                FieldError(path, .tooMany, "must have at most \(maximum) items", badValue: JSON(members.count))
            )
        }
        if let minimum = rule.minProperties, members.count < minimum {
            invalid(path, .object(members), "should have at least \(minimum) properties")
        }
        if rule.isEmbeddedResource { checkEmbedded(members, path: path) }
        if rule.properties.isEmpty, rule.additional == nil { return }
        for key in members.keys.sorted() {
            guard let value = members[key] else { continue }
            if let child = rule.properties[key] {
                check(value, child, path: childPath(key), old: old?[key])
            } else if let additional = rule.additional {
                check(value, additional, path: childPath(key), old: old?[key])
            }
        }
    }

    private mutating func checkEmbedded(_ members: [String: JSON], path: String) {
        for key in ["apiVersion", "kind"] where (members[key]?.stringValue ?? "").isEmpty {
            errors.append(FieldError(path + "." + key, .required, "must not be empty"))
        }
        if let metadata = members["metadata"], metadata.objectValue == nil {
            errors.append(FieldError(path + ".metadata", .invalid, "must be an object", badValue: metadata))
        }
    }

    private mutating func checkArray(_ elements: [JSON], _ rule: Constraint, path: String, old: JSON?) {
        if let maximum = rule.maxItems, elements.count > maximum {
            errors.append(
                FieldError(path, .tooMany, "must have at most \(maximum) items", badValue: JSON(elements.count))
            )
        }
        if let minimum = rule.minItems, elements.count < minimum {
            invalid(path, .array(elements), "should have at least \(minimum) items")
        }
        func identity(_ element: JSON) -> JSON {
            guard rule.listType == .map else { return element }
            return .object(Dictionary(rule.mapKeys.map { ($0, element[$0] ?? .null) }) { first, _ in first })
        }
        var before: [JSON: JSON] = [:]
        if rule.listType != .atomic {
            for element in old?.arrayValue ?? [] { before[identity(element)] = element }
            var seen: Set<JSON> = []
            for (index, element) in elements.enumerated() where !seen.insert(identity(element)).inserted {
                errors.append(FieldError("\(path)[\(index)]", .duplicate, badValue: identity(element)))
            }
        }
        guard let items = rule.items else { return }
        for (index, element) in elements.enumerated() {
            check(element, items, path: "\(path)[\(index)]", old: before.isEmpty ? nil : before[identity(element)])
        }
    }

    private func holds(_ value: JSON, _ rule: Constraint) -> Bool {
        var probe = ConstraintChecker()
        probe.isProbe = true
        probe.check(value, rule, path: "")
        return probe.errors.isEmpty
    }

    private mutating func checkBranches(_ value: JSON, _ rule: Constraint, path: String) {
        for branch in rule.allOf { check(value, branch, path: path) }
        func fail(_ detail: String) {
            errors.append(
                FieldError(
                    path.isEmpty ? "<nil>" : path,
                    .invalid,
                    "\"\(path)\" must \(detail)",
                    badValue: value.objectValue == nil ? value : ""
                )
            )
        }
        if !rule.anyOf.isEmpty, !rule.anyOf.contains(where: { holds(value, $0) }) {
            fail("validate at least one schema (anyOf)")
            for branch in rule.anyOf.prefix(isProbe ? 0 : 1) where rule.anyOf.count == 1 {
                check(value, branch, path: path)
            }
        }
        if !rule.oneOf.isEmpty {
            let count = rule.oneOf.filter { holds(value, $0) }.count
            if count != 1 {
                let found = count == 0 ? "Found none valid" : "Found \(count) valid alternatives"
                fail("validate one and only one schema (oneOf). \(found)")
            }
        }
        if let not = rule.not, holds(value, not) { fail("not validate the schema (not)") }
    }

    private mutating func checkRules(_ value: JSON, _ rule: Constraint, path: String, old: JSON?) {
        let isUnchanged = old == value
        for validation in rule.rules where validation.isTransition || !isUnchanged {
            if let error = validation.check(value, old: old, rule, path: path) { errors.append(error) }
        }
        guard isUnchanged else { return }
        // An unchanged value still has its transition rules further down.
        switch value {
        case .object(let members):
            for (key, child) in members {
                guard let inner = rule.properties[key] ?? rule.additional else { continue }
                checkRules(child, inner, path: path.isEmpty ? key : path + "." + key, old: child)
            }
        case .array(let elements) where rule.listType == .map:
            guard let inner = rule.items else { return }
            for (index, child) in elements.enumerated() {
                checkRules(child, inner, path: "\(path)[\(index)]", old: child)
            }
        default: break
        }
    }
}
