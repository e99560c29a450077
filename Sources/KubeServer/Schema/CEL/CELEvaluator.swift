internal import KubeCore

/// Evaluates an expression; stops with a fatal error when its budget of steps is used up.
struct CELEvaluator {
    private var variables: [String: CELValue]
    private(set) var budget: Int

    /// Upstream's limit for one rule, in its units; ours is counted in evaluated nodes and visited elements.
    static let ruleBudget = 1_000_000

    init(_ variables: [String: CELValue], budget: Int = CELEvaluator.ruleBudget) {
        self.variables = variables
        self.budget = budget
    }

    mutating func spend(_ steps: Int) throws(CELError) {
        budget -= steps
        guard budget >= 0 else {
            throw CELError(message: "call cost exceeds limit of \(CELEvaluator.ruleBudget)", isFatal: true)
        }
    }

    mutating func evaluate(_ expression: CELExpression) throws(CELError) -> CELValue {
        try spend(1)
        switch expression {
        case .literal(let value): return value
        case .identifier(let name):
            guard let value = variables[name] else { throw CELError(message: "no such attribute: \(name)") }
            return value
        case .select(let object, let name, let isOptional): return try select(evaluate(object), name, isOptional)
        case .presence(let object, let name): return .bool(try evaluate(object).member(name) != nil)
        case .index(let object, let key, let isOptional):
            let container = try evaluate(object)
            let position = try evaluate(key)
            let value = try container.index(position)
            if case .optional = container { return .optional(value) }
            if isOptional { return .optional(value) }
            guard let value else {
                if container.elements != nil { throw CELError(message: "index out of bounds: \(position.display)") }
                throw .noSuchKey(position.display)
            }
            return value
        case .call(let name, let target, let arguments):
            let receiver = try target.map { (expression) throws(CELError) in try evaluate(expression) }
            var values: [CELValue] = []
            for argument in arguments { values.append(try evaluate(argument)) }
            return try CELFunctions.call(name, receiver, values, &self)
        case .list(let items):
            var values: [CELValue] = []
            for item in items { values.append(try evaluate(item)) }
            return .list(values)
        case .map(let entries):
            var values: [(key: CELValue, value: CELValue)] = []
            for entry in entries { values.append((try evaluate(entry.key), try evaluate(entry.value))) }
            return .map(values)
        case .not(let inner): return .bool(!(try boolean(inner)))
        case .negate(let inner):
            switch try evaluate(inner) {
            case .int(let value):
                guard value != .min else { throw CELError(message: "integer overflow") }
                return .int(-value)
            case .double(let value): return .double(-value)
            case .duration(let value): return .duration(-value)
            default: throw .noOverload("-_")
            }
        case .and(let left, let right): return .bool(try logical(left, right, decisive: false))
        case .or(let left, let right): return .bool(try logical(left, right, decisive: true))
        case .conditional(let condition, let first, let second):
            return try evaluate(try boolean(condition) ? first : second)
        case .binary(let name, let left, let right):
            let first = try evaluate(left)
            let second = try evaluate(right)
            return try CELOperators.apply(name, first, second, &self)
        case .comprehension(let comprehension): return try evaluate(comprehension)
        }
    }

    private func select(_ object: CELValue, _ name: String, _ isOptional: Bool) throws(CELError) -> CELValue {
        let value = try object.member(name)
        if case .optional = object { return .optional(value) }
        if isOptional { return .optional(value) }
        guard let value else { throw .noSuchKey(name) }
        return value
    }

    private mutating func boolean(_ expression: CELExpression) throws(CELError) -> Bool {
        guard case .bool(let value) = try evaluate(expression) else { throw .noOverload("bool") }
        return value
    }

    /// An error on one side does not matter when the other side decides.
    private mutating func logical(
        _ left: CELExpression,
        _ right: CELExpression,
        decisive: Bool
    ) throws(CELError) -> Bool {
        var failure: CELError?
        for side in [left, right] {
            do throws(CELError) {
                if try boolean(side) == decisive { return decisive }
            } catch {
                if error.isFatal { throw error }
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        return !decisive
    }

    private mutating func evaluate(_ comprehension: CELExpression.Comprehension) throws(CELError) -> CELValue {
        let range = try evaluate(comprehension.range)
        guard let items = range.elements ?? range.entries?.map(\.key) else {
            throw .noOverload(comprehension.kind.rawValue)
        }
        let outer = variables[comprehension.variable]
        defer { variables[comprehension.variable] = outer }
        var results: [CELValue] = []
        var count = 0
        var failure: CELError?
        for item in items {
            variables[comprehension.variable] = item
            try spend(1)
            do throws(CELError) {
                let holds =
                    try comprehension.condition.map { (condition) throws(CELError) in try boolean(condition) } ?? true
                switch comprehension.kind {
                case .all: if !holds { return .bool(false) }
                case .exists: if holds { return .bool(true) }
                case .existsOne: count += holds ? 1 : 0
                case .filter: if holds { results.append(item) }
                case .map:
                    if holds, let transform = comprehension.transform { results.append(try evaluate(transform)) }
                }
            } catch {
                let absorbs = comprehension.kind == .all || comprehension.kind == .exists
                if error.isFatal || !absorbs { throw error }
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        switch comprehension.kind {
        case .all: return .bool(true)
        case .exists: return .bool(false)
        case .existsOne: return .bool(count == 1)
        case .map, .filter: return .list(results)
        }
    }
}

/// `==`, `in`, `<`, `+` and their like.
enum CELOperators {
    static func apply(
        _ name: String,
        _ left: CELValue,
        _ right: CELValue,
        _ evaluator: inout CELEvaluator
    ) throws(CELError) -> CELValue {
        switch name {
        case "==": return .bool(left == right)
        case "!=": return .bool(left != right)
        case "in":
            if let elements = right.elements {
                try evaluator.spend(elements.count)
                return .bool(elements.contains(left))
            }
            guard right.entries != nil else { throw .noOverload("@in") }
            return .bool(try right.index(left) != nil)
        case "<", "<=", ">", ">=":
            guard let order = left.compared(to: right) else { throw .noOverload("_\(name)_") }
            switch name {
            case "<": return .bool(order < 0)
            case "<=": return .bool(order <= 0)
            case ">": return .bool(order > 0)
            default: return .bool(order >= 0)
            }
        default: return try arithmetic(name, left, right, &evaluator)
        }
    }

    private static func arithmetic(
        _ name: String,
        _ left: CELValue,
        _ right: CELValue,
        _ evaluator: inout CELEvaluator
    ) throws(CELError) -> CELValue {
        switch (left, right) {
        case (.int(let first), .int(let second)): return .int(try whole(name, first, second))
        case (.uint(let first), .uint(let second)): return .uint(try whole(name, first, second))
        case (.double(let first), .double(let second)):
            switch name {
            case "+": return .double(first + second)
            case "-": return .double(first - second)
            case "*": return .double(first * second)
            case "/": return .double(first / second)
            default: break
            }
        case (.string(let first), .string(let second)) where name == "+":
            try evaluator.spend((first.utf8.count + second.utf8.count) / 10)
            return .string(first + second)
        case (.bytes(let first), .bytes(let second)) where name == "+": return .bytes(first + second)
        case (.timestamp(let time), .duration(let delta)):
            if name == "+" { return .timestamp(time + Int(delta / 1000)) }
            if name == "-" { return .timestamp(time - Int(delta / 1000)) }
        case (.duration(let delta), .timestamp(let time)) where name == "+": return .timestamp(time + Int(delta / 1000))
        case (.timestamp(let first), .timestamp(let second)) where name == "-":
            return .duration(Int64(first - second) * 1000)
        case (.duration(let first), .duration(let second)):
            if name == "+" { return .duration(first + second) }
            if name == "-" { return .duration(first - second) }
        default:
            if name == "+", let first = left.elements, let second = right.elements {
                try evaluator.spend(first.count + second.count)
                return .list(first + second)
            }
        }
        throw .noOverload("_\(name)_")
    }

    private static func whole<T: FixedWidthInteger>(_ name: String, _ left: T, _ right: T) throws(CELError) -> T {
        if name == "/" || name == "%", right == 0 {
            throw CELError(message: name == "/" ? "division by zero" : "modulus by zero")
        }
        let (value, overflow) =
            switch name {
            case "+": left.addingReportingOverflow(right)
            case "-": left.subtractingReportingOverflow(right)
            case "*": left.multipliedReportingOverflow(by: right)
            case "/": left.dividedReportingOverflow(by: right)
            default: left.remainderReportingOverflow(dividingBy: right)
            }
        if overflow { throw CELError(message: "integer overflow") }
        return value
    }
}
