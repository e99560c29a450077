internal import Foundation
package import KubeCore
internal import Yams

/// A YAML file of the user's, as JSON, with the folder that its relative paths start from.
package struct SpecDocument: Sendable, Hashable {
    /// As the user named it, for messages.
    package var file: String
    package var folder: String
    package var root: JSON

    package init(file: String, folder: String, root: JSON) {
        self.file = file
        self.folder = folder
        self.root = root
    }

    /// Reads a file and applies `--set` overrides to it.
    ///
    /// - Throws: `SpecError` when the file cannot be read, is not YAML, or an override does not fit.
    package init(file: String, overrides: [String] = []) throws(SpecError) {
        let text: String
        do {
            text = try String(contentsOfFile: file, encoding: .utf8)
        } catch {
            throw SpecError(file: file, errors: [FieldError("", .notFound, "the file cannot be read")])
        }
        let folder = (file as NSString).deletingLastPathComponent
        try self.init(text: text, file: file, folder: folder.isEmpty ? "." : folder, overrides: overrides)
    }

    package init(text: String, file: String, folder: String, overrides: [String] = []) throws(SpecError) {
        self.file = file
        self.folder = folder
        let node: Node?
        do {
            node = try Yams.compose(yaml: text)
        } catch {
            throw SpecError(file: file, errors: [FieldError("", .invalid, "not valid YAML: \(error)")])
        }
        root = node.map(Self.json) ?? .object([:])
        guard root.objectValue != nil else {
            throw SpecError(
                file: file,
                errors: [FieldError("", .typeInvalid, "a mapping of keys to values is expected")]
            )
        }
        for override in overrides { try apply(override) }
    }

    /// `a.b=c`; the value is read as YAML, so `3` is a number and `true` a boolean.
    private mutating func apply(_ override: String) throws(SpecError) {
        guard let equals = override.firstIndex(of: "="), equals != override.startIndex else {
            throw SpecError(
                file: file,
                errors: [FieldError("--set", .invalid, "write path.to.key=value", badValue: .string(override))]
            )
        }
        let path = override[..<equals].split(separator: ".").map(String.init)
        let text = String(override[override.index(after: equals)...])
        let value: JSON
        do {
            value = try Yams.compose(yaml: text).map(Self.json) ?? .string("")
        } catch {
            value = .string(text)
        }
        root[path: path] = value
    }

    /// Plain scalars follow YAML 1.2's core schema: `yes` and `on` stay text, as in azure-ai-ml's loader for strings.
    private static func json(_ node: Node) -> JSON {
        switch node {
        case .mapping(let mapping):
            var members: [String: JSON] = [:]
            for (key, value) in mapping { members[key.string ?? ""] = json(value) }
            return .object(members)
        case .sequence(let sequence): return .array(sequence.map(json))
        case .scalar(let scalar):
            guard scalar.style == .plain || scalar.style == .any else { return .string(scalar.string) }
            return plain(scalar.string)
        case .alias: return .null
        }
    }

    private static func plain(_ text: String) -> JSON {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return true
        case "false", "False", "FALSE": return false
        default: break
        }
        if let value = Int64(text), !text.hasPrefix("+"), text == "0" || !text.hasPrefix("0") { return .int(value) }
        let looksNumeric = text.contains(where: \.isNumber) && text.allSatisfy { $0.isNumber || "+-.eE".contains($0) }
        if looksNumeric, let value = Double(text), value.isFinite,
            !(text.count > 1 && text.hasPrefix("0") && !text.contains("."))
        {
            return .double(value)
        }
        return .string(text)
    }
}

/// All problems of one file.
package struct SpecError: Error, Sendable, Hashable, CustomStringConvertible {
    package var file: String
    package var errors: [FieldError]

    package init(file: String, errors: [FieldError]) {
        self.file = file
        self.errors = errors
    }

    package var description: String {
        errors.map { "\(file): \($0)" }.joined(separator: "\n")
    }
}
