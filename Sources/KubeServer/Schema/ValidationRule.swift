internal import KubeCore

/// One `x-kubernetes-validations` rule.
struct ValidationRule: Sendable {
    private let text: String
    private let expression: CELExpression
    private let message: String?
    private let messageExpression: CELExpression?
    private let reason: FieldError.Reason
    private let fieldPath: String
    /// Compares with the value before the update.
    let isTransition: Bool
    private let isOldOptional: Bool

    /// nil after adding to `errors` what keeps the rule from being compiled: rules are never skipped.
    init?(_ json: JSON, path: String, errors: inout [FieldError]) {
        text = json["rule"]?.stringValue ?? ""
        guard text.contains(where: { !$0.isWhitespace }) else {
            errors.append(FieldError(path + ".rule", .required, "rule is not specified"))
            return nil
        }
        do throws(CELSyntaxError) {
            var parser = try CELParser(text, variables: ["self", "oldSelf"])
            expression = try parser.parse()
            isTransition = parser.usedVariables.contains("oldSelf")
        } catch {
            errors.append(
                FieldError(
                    path + ".rule",
                    .invalid,
                    "compilation failed: ERROR: <input>: \(error.message)",
                    badValue: .string(text)
                )
            )
            return nil
        }
        message = json["message"]?.stringValue
        fieldPath = json["fieldPath"]?.stringValue ?? ""
        isOldOptional = json["optionalOldSelf"] == true
        reason = json["reason"]?.stringValue.flatMap(FieldError.Reason.init) ?? .invalid
        guard let source = json["messageExpression"]?.stringValue, !source.isEmpty else {
            messageExpression = nil
            return
        }
        do throws(CELSyntaxError) {
            var parser = try CELParser(source, variables: ["self", "oldSelf"])
            messageExpression = try parser.parse()
        } catch {
            errors.append(
                FieldError(
                    path + ".messageExpression",
                    .invalid,
                    "messageExpression compilation failed: ERROR: <input>: \(error.message)",
                    badValue: .string(source)
                )
            )
            return nil
        }
    }

    /// The error when the rule does not hold; nil when it holds or, comparing with an old value, has none to compare with.
    func check(_ value: JSON, old: JSON?, _ constraint: Constraint, path: String) -> FieldError? {
        if isTransition, old == nil, !isOldOptional { return nil }
        var variables: [String: CELValue] = ["self": CELValue(value, constraint)]
        let previous = old.map { CELValue($0, constraint) }
        if isOldOptional {
            variables["oldSelf"] = .optional(previous)
        } else if let previous {
            variables["oldSelf"] = previous
        }
        var evaluator = CELEvaluator(variables)
        let bad = JSON.string(constraint.type?.rawValue ?? (constraint.isIntOrString ? "" : "object"))
        do throws(CELError) {
            if case .bool(true) = try evaluator.evaluate(expression) { return nil }
        } catch {
            let detail =
                error.isFatal
                ? "\(error.message): validation failed due to running out of cost budget, no further validation rules will be run"
                : "\(error.message) evaluating rule: \(message ?? text)"
            return FieldError(path, .invalid, detail, badValue: bad)
        }
        let place = fieldPath.isEmpty ? path : path.isEmpty ? String(fieldPath.drop { $0 == "." }) : path + fieldPath
        let detail = dynamicMessage(variables) ?? message ?? "failed rule: \(text)"
        return FieldError(place, reason, detail, badValue: bad)
    }

    private func dynamicMessage(_ variables: [String: CELValue]) -> String? {
        guard let messageExpression else { return nil }
        var evaluator = CELEvaluator(variables)
        guard case .string(let text)? = try? evaluator.evaluate(messageExpression) else { return nil }
        let line = text.trimmedLine
        return line.isEmpty || line.contains("\n") ? nil : line
    }
}

extension String {
    fileprivate var trimmedLine: String {
        var rest = self[...]
        while rest.last?.isWhitespace ?? false { rest.removeLast() }
        while rest.first?.isWhitespace ?? false { rest.removeFirst() }
        return String(rest)
    }
}
