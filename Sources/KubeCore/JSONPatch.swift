/// RFC 6902 (JSON Patch) and RFC 7386 (merge patch).
package enum JSONPatch {
    /// Applies a list of operations; nothing is half-applied.
    ///
    /// - Throws: `APIError` 400 for a malformed patch, 422 for a failed test or a path that is not there.
    package static func apply(_ operations: JSON, to document: JSON) throws(APIError) -> JSON {
        guard case .array(let list) = operations else {
            throw APIError.badRequest("error decoding patch: a JSON patch must be an array of operations")
        }
        guard list.count <= maximumOperations else {
            throw APIError(
                code: 413,
                reason: .requestEntityTooLarge,
                message:
                    "Request entity is too large: The allowed maximum operations in a JSON patch is \(maximumOperations), got \(list.count)"
            )
        }
        var result = document
        for operation in list { try apply(one: operation, to: &result) }
        return result
    }

    /// Applies a merge patch: null removes, objects merge, everything else replaces.
    package static func merge(_ patch: JSON, into document: JSON) -> JSON {
        guard case .object(let changes) = patch else { return patch }
        var members = document.objectValue ?? [:]
        for (key, change) in changes {
            if change.isNull {
                members[key] = nil
            } else {
                members[key] = merge(change, into: members[key] ?? .null)
            }
        }
        return .object(members)
    }

    /// The operations that turn `old` into `new`; lists that differ are replaced as a whole.
    package static func difference(from old: JSON, to new: JSON) -> JSON {
        var operations: [JSON] = []
        collect(old, new, "", &operations)
        return .array(operations)
    }

    private static let maximumOperations = 10_000

    private static func collect(_ old: JSON, _ new: JSON, _ path: String, _ operations: inout [JSON]) {
        if old == new { return }
        guard case .object(let before) = old, case .object(let after) = new else {
            operations.append(["op": "replace", "path": .string(path), "value": new])
            return
        }
        for key in Set(before.keys).union(after.keys).sorted() {
            let pointer = path + "/" + escape(key)
            switch (before[key], after[key]) {
            case (let old?, let new?): collect(old, new, pointer, &operations)
            case (nil, let new?): operations.append(["op": "add", "path": .string(pointer), "value": new])
            default: operations.append(["op": "remove", "path": .string(pointer)])
            }
        }
    }

    /// A key as a JSON pointer token.
    package static func escape(_ key: String) -> String {
        var result = ""
        for character in key {
            switch character {
            case "~": result += "~0"
            case "/": result += "~1"
            default: result.append(character)
            }
        }
        return result
    }

    private static func apply(one operation: JSON, to document: inout JSON) throws(APIError) {
        guard let name = operation["op"]?.stringValue else {
            throw APIError.badRequest("error decoding patch: an operation has no \"op\"")
        }
        let path = try pointer(operation, "path")
        switch name {
        case "add": try add(try value(operation), at: path, to: &document)
        case "remove":
            guard !path.isEmpty else { throw failed("remove", path, "the whole document cannot be removed") }
            try change(&document, path[...], path, name) { _ in nil }
        case "replace":
            let value = try value(operation)
            if path.isEmpty {
                document = value
            } else {
                try change(&document, path[...], path, name) { _ in value }
            }
        case "move", "copy":
            let source = try pointer(operation, "from")
            guard let moved = find(source, in: document) else { throw failed(name, source, "nonexistent key") }
            if name == "move" {
                guard !path.starts(with: source) || path == source else {
                    throw failed(name, path, "a value cannot be moved into itself")
                }
                try change(&document, source[...], source, name) { _ in nil }
            }
            try add(moved, at: path, to: &document)
        case "test":
            let expected = operation["value"] ?? .null
            // Upstream's library lets a test for null pass where nothing is.
            guard equal(find(path, in: document) ?? .null, expected) else {
                throw failed("testing", path, "test failed")
            }
        default: throw APIError.badRequest("error decoding patch: unexpected kind: \(name)")
        }
    }

    private static func value(_ operation: JSON) throws(APIError) -> JSON {
        guard let value = operation["value"] else {
            throw APIError.badRequest("error decoding patch: an operation has no \"value\"")
        }
        return value
    }

    private static func pointer(_ operation: JSON, _ member: String) throws(APIError) -> [String] {
        guard let text = operation[member]?.stringValue else {
            throw APIError.badRequest("error decoding patch: an operation has no \"\(member)\"")
        }
        if text.isEmpty { return [] }
        guard text.hasPrefix("/") else { throw failed(member, [text], "a JSON pointer starts with \"/\"") }
        return text.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map { token in
            unescape(token)
        }
    }

    private static func unescape(_ token: Substring) -> String {
        guard token.contains("~") else { return String(token) }
        var result = ""
        var rest = token
        while let character = rest.popFirst() {
            if character == "~", rest.first == "1" {
                result.append("/")
                rest.removeFirst()
            } else if character == "~", rest.first == "0" {
                result.append("~")
                rest.removeFirst()
            } else {
                result.append(character)
            }
        }
        return result
    }

    private static func failed(_ operation: String, _ path: [String], _ detail: String) -> APIError {
        let pointer = path.map { "/" + escape($0) }.joined()
        return APIError(
            code: 422,
            reason: .invalid,
            message: "the server rejected our request due to an error in our request: "
                + "\(operation) operation does not apply: \(pointer): \(detail)"
        )
    }

    private static func find(_ path: [String], in document: JSON) -> JSON? {
        var current = document
        for token in path {
            switch current {
            case .object(let members):
                guard let next = members[token] else { return nil }
                current = next
            case .array(let elements):
                guard let index = index(token, count: elements.count) else { return nil }
                current = elements[index]
            default: return nil
            }
        }
        return current
    }

    private static func index(_ token: String, count: Int) -> Int? {
        guard let index = Int(token), token == String(index) else { return nil }
        let resolved = index < 0 ? count + index : index
        return (0..<count).contains(resolved) ? resolved : nil
    }

    /// Numbers compare by value: `1` equals `1.0`.
    private static func equal(_ left: JSON, _ right: JSON) -> Bool {
        switch (left, right) {
        case (.array(let first), .array(let second)):
            first.count == second.count && zip(first, second).allSatisfy(equal)
        case (.object(let first), .object(let second)):
            first.count == second.count
                && first.allSatisfy { key, value in second[key].map { equal(value, $0) } ?? false }
        case (.int, .double), (.double, .int): left.doubleValue == right.doubleValue
        default: left == right
        }
    }

    private static func add(_ value: JSON, at path: [String], to document: inout JSON) throws(APIError) {
        guard let last = path.last else {
            document = value
            return
        }
        let parent = Array(path.dropLast())
        try edit(&document, parent[...], path, "add") { (container: inout JSON) throws(APIError) in
            switch container {
            case .object(var members):
                members[last] = value
                container = .object(members)
            case .array(var elements):
                if last == "-" {
                    elements.append(value)
                } else if let index = Int(last), index >= 0, index <= elements.count {
                    elements.insert(value, at: index)
                } else {
                    throw failed("add", path, "index out of bounds")
                }
                container = .array(elements)
            default: throw failed("add", path, "the parent is neither object nor array")
            }
        }
    }

    /// Replaces, or with nil removes, an existing value.
    private static func change(
        _ document: inout JSON,
        _ rest: ArraySlice<String>,
        _ path: [String],
        _ operation: String,
        _ body: (JSON) -> JSON?
    ) throws(APIError) {
        guard let last = rest.last else { throw failed(operation, path, "the path is empty") }
        try edit(&document, rest.dropLast(), path, operation) { (container: inout JSON) throws(APIError) in
            switch container {
            case .object(var members):
                guard let old = members[last] else { throw failed(operation, path, "nonexistent key") }
                members[last] = body(old)
                container = .object(members)
            case .array(var elements):
                guard let index = index(last, count: elements.count) else {
                    throw failed(operation, path, "index out of bounds")
                }
                if let new = body(elements[index]) { elements[index] = new } else { elements.remove(at: index) }
                container = .array(elements)
            default: throw failed(operation, path, "nonexistent key")
            }
        }
    }

    private static func edit(
        _ value: inout JSON,
        _ rest: ArraySlice<String>,
        _ path: [String],
        _ operation: String,
        _ body: (inout JSON) throws(APIError) -> Void
    ) throws(APIError) {
        guard let token = rest.first else { return try body(&value) }
        switch value {
        case .object(var members):
            guard var child = members[token] else { throw failed(operation, path, "missing parent") }
            members[token] = nil
            value = .null
            try edit(&child, rest.dropFirst(), path, operation, body)
            members[token] = child
            value = .object(members)
        case .array(var elements):
            guard let index = index(token, count: elements.count) else {
                throw failed(operation, path, "index out of bounds")
            }
            try edit(&elements[index], rest.dropFirst(), path, operation, body)
            value = .array(elements)
        default: throw failed(operation, path, "missing parent")
        }
    }
}
