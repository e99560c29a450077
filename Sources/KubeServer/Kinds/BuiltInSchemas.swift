internal import KubeCore

/// The types of the built-in kinds, read from `MessageTable` once.
enum BuiltInSchemas {
    /// By name: `core.v1.Pod`.
    static let named: [String: Schema] = {
        var builder = Builder()
        return builder.build()
    }()

    static let objectMeta: Schema? = named["meta.v1.ObjectMeta"]

    private struct Builder {
        private var messages: [String: Schema] = [:]
        private var shared: [String: Schema] = [:]
        private var bodies: [(Schema, [Substring])] = []
        private let defaults = DefaultTable.values
        private let statusRoots = KindRows.statusRoots

        mutating func build() -> [String: Schema] {
            for text in MessageTable.all { declare(text) }
            var pending = bodies
            // A type whose parts are spread into another must have its fields first.
            while !pending.isEmpty {
                let open = Set(pending.compactMap(\.0.name))
                let ready = pending.filter { entry in
                    !entry.1.contains { line in
                        let words = line.split(separator: " ")
                        return words.contains("inline") && words.count > 2 && open.contains(String(words[2]))
                    }
                }
                guard !ready.isEmpty else { break }
                for (schema, lines) in ready { fill(schema, lines) }
                let done = Set(ready.compactMap(\.0.name))
                pending.removeAll { entry in entry.0.name.map(done.contains) ?? true }
            }
            return messages
        }

        private mutating func declare(_ text: String) {
            var schema: Schema?
            var lines: [Substring] = []
            func finished() -> (Schema, [Substring])? { schema.map { ($0, lines) } }
            for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
                if line.isEmpty {
                    if let entry = finished() { bodies.append(entry) }
                    schema = nil
                    lines = []
                } else if schema == nil {
                    let words = line.split(separator: " ")
                    let name = String(words[0])
                    let made = Schema(
                        form: .object,
                        name: name,
                        isAtomic: words.dropFirst().contains("atomic"),
                        hasSeparateStatus: statusRoots.contains(name),
                        defaulter: DefaultRules.all[name]
                    )
                    messages[name] = made
                    schema = made
                } else {
                    lines.append(line)
                }
            }
            if let entry = finished() { bodies.append(entry) }
        }

        private mutating func fill(_ schema: Schema, _ lines: [Substring]) {
            let name = schema.name ?? ""
            schema.setFields(lines.compactMap { field($0) }, defaults: defaults[name] ?? [:])
        }

        private mutating func field(_ line: Substring) -> Schema.Field? {
            let words = line.split(separator: " ")
            guard words.count >= 3 else { return nil }
            var listType = Schema.ListType.atomic
            var keys: [String] = []
            var field = Schema.Field(name: String(words[0]), number: Int(words[1]) ?? 0, schema: Schema(form: .any))
            for flag in words.dropFirst(3) {
                let parts = flag.split(separator: "=", maxSplits: 1)
                let value = parts.count > 1 ? String(parts[1]) : ""
                switch parts[0] {
                case "*": field.isPointer = true
                case "!": field.isRequired = true
                case "set": listType = .set
                case "map":
                    listType = .map
                    keys = value.split(separator: ",").map(String.init)
                case "merge":
                    field.patchStrategy.insert(.merge)
                    field.patchMergeKey = value.isEmpty ? nil : value
                case "retain": field.patchStrategy.insert(.retainKeys)
                case "atomic": field.isAtomic = true
                case "inline": field.isInline = true
                case "default": field.defaultValue = try? JSON(parsing: value)
                case "enum": field.enumeration = value.split(separator: "|").map(String.init)
                default: break
                }
            }
            field.schema = type(words[2], listType, keys)
            return field
        }

        private mutating func type(_ text: Substring, _ listType: Schema.ListType, _ keys: [String]) -> Schema {
            if let message = messages[String(text)] { return message }
            let key = "\(text) \(listType) \(keys)"
            if let known = shared[key] { return known }
            let made: Schema
            if text.hasPrefix("[]") {
                made = Schema(
                    form: .list,
                    element: type(text.dropFirst(2), .atomic, []),
                    listType: listType,
                    mapKeys: keys
                )
            } else if text.hasPrefix("{}") {
                made = Schema(form: .map, element: type(text.dropFirst(2), .atomic, []))
            } else {
                made = scalar(text)
            }
            shared[key] = made
            return made
        }

        private func scalar(_ text: Substring) -> Schema {
            switch text {
            case "s": Schema(form: .string)
            case "i32": Schema(form: .integer, format: .int32)
            case "i64": Schema(form: .integer, format: .int64)
            case "f64": Schema(form: .number)
            case "b": Schema(form: .boolean)
            case "bytes": Schema(form: .string, format: .bytes)
            case "time": Schema(form: .string, format: .time)
            case "microtime": Schema(form: .string, format: .microTime)
            case "duration": Schema(form: .string, format: .duration)
            case "quantity": Schema(form: .string, format: .quantity)
            case "intstr": Schema(form: .any, format: .intOrString)
            case "raw": Schema(form: .any, format: .rawExtension)
            case "fieldsv1": Schema(form: .any, format: .fieldsV1)
            case "json": Schema(form: .any, format: .rawJSON)
            case "schemaOrBool": Schema(form: .any, format: .schemaOrBool)
            case "schemaOrArray": Schema(form: .any, format: .schemaOrArray)
            case "schemaOrStrings": Schema(form: .any, format: .schemaOrStrings)
            default: Schema(form: .any)
            }
        }
    }
}
