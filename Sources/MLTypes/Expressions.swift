/// Why a command's expressions cannot be resolved.
package struct ExpressionError: Error, Sendable, Hashable, CustomStringConvertible {
    package var expression: String
    package var message: String

    package var description: String { "\(expression): \(message)" }
}

/// `${{inputs.x}}`, `${{outputs.x}}` and `$[[ … ]]` in a command.
///
/// Source: Azure ML's v2 YAML; see also `docs/reference/yaml.md`.
package enum Expressions {
    /// The dotted paths that stand between `${{` and `}}` in `text`, in order.
    package static func references(in text: String) -> [String] {
        var found: [String] = []
        var rest = text[...]
        while let start = rest.firstRange(of: "${{") {
            guard let end = rest[start.upperBound...].firstRange(of: "}}") else { break }
            found.append(trimmed(rest[start.upperBound..<end.lowerBound]))
            rest = rest[end.upperBound...]
        }
        return found
    }

    /// Replaces every expression; a block `$[[ … ]]` is kept without its brackets when all inputs in it have a value and
    /// dropped otherwise.
    ///
    /// - Throws: `ExpressionError` for a name outside blocks that has no value.
    package static func resolve(
        _ text: String,
        inputs: [String: String],
        outputs: [String: String]
    ) throws(ExpressionError) -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "$[[") {
            result += try substitute(rest[..<start.lowerBound], inputs: inputs, outputs: outputs)
            guard let end = rest[start.upperBound...].firstRange(of: "]]") else {
                throw ExpressionError(expression: "$[[", message: "the optional block has no closing ]]")
            }
            let block = rest[start.upperBound..<end.lowerBound]
            let isComplete = references(in: String(block)).allSatisfy { lookUp($0, inputs, outputs) != nil }
            if isComplete { result += try substitute(block, inputs: inputs, outputs: outputs) }
            rest = rest[end.upperBound...]
        }
        return result + (try substitute(rest, inputs: inputs, outputs: outputs))
    }

    private static func substitute(
        _ text: Substring,
        inputs: [String: String],
        outputs: [String: String]
    ) throws(ExpressionError) -> String {
        var result = ""
        var rest = text
        while let start = rest.firstRange(of: "${{") {
            guard let end = rest[start.upperBound...].firstRange(of: "}}") else {
                throw ExpressionError(
                    expression: String(rest[start.lowerBound...].prefix(40)),
                    message: "no closing }}"
                )
            }
            let path = trimmed(rest[start.upperBound..<end.lowerBound])
            guard let value = lookUp(path, inputs, outputs) else {
                throw ExpressionError(
                    expression: "${{\(path)}}",
                    message: "no such input or output (inputs: \(names(inputs)); outputs: \(names(outputs)))"
                )
            }
            result += rest[..<start.lowerBound] + value
            rest = rest[end.upperBound...]
        }
        return result + rest
    }

    private static func lookUp(_ path: String, _ inputs: [String: String], _ outputs: [String: String]) -> String? {
        if path.hasPrefix("inputs.") { return inputs[String(path.dropFirst("inputs.".count))] }
        if path.hasPrefix("outputs.") { return outputs[String(path.dropFirst("outputs.".count))] }
        return nil
    }

    private static func names(_ values: [String: String]) -> String {
        values.isEmpty ? "none" : values.keys.sorted().joined(separator: ", ")
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while let first = text.first, first.isWhitespace { text = text.dropFirst() }
        while let last = text.last, last.isWhitespace { text = text.dropLast() }
        return String(text)
    }
}
