internal import KubeCore

/// One step of a field's path, in the notation of `FieldsV1`.
enum PathElement: Hashable, Sendable {
    /// `f:name`
    case field(String)
    /// `k:{"name":"a"}`
    case key([String: JSON])
    /// `v:"a"`
    case value(JSON)
    /// `i:0`
    case index(Int)

    init?(_ text: String) {
        let body = String(text.dropFirst(2))
        switch text.prefix(2) {
        case "f:": self = .field(body)
        case "k:":
            guard case .object(let members)? = try? JSON(parsing: body) else { return nil }
            self = .key(members)
        case "v:":
            guard let value = try? JSON(parsing: body) else { return nil }
            self = .value(value)
        case "i:":
            guard let index = Int(body) else { return nil }
            self = .index(index)
        default: return nil
        }
    }

    var text: String {
        switch self {
        case .field(let name): "f:" + name
        case .key(let members): "k:" + JSON.object(members).text
        case .value(let value): "v:" + value.text
        case .index(let index): "i:\(index)"
        }
    }

    /// As messages show it: `.name`, `[name="a"]`, `[="a"]`.
    var display: String {
        switch self {
        case .field(let name): return "." + name
        case .key(let members):
            let parts = members.sorted { $0.key < $1.key }.map { $0.key + "=" + $0.value.text }
            return "[" + parts.joined(separator: ",") + "]"
        case .value(let value): return "[=" + value.text + "]"
        case .index(let index): return "[\(index)]"
        }
    }
}

/// A set of field paths, as a tree.
///
/// Source: structured-merge-diff's `fieldpath.Set`: a path is in the set when its last step is a member of its parent's node.
struct FieldSet: Hashable, Sendable {
    var members: Set<PathElement> = []
    var children: [PathElement: FieldSet] = [:]

    var isEmpty: Bool { members.isEmpty && children.isEmpty }

    /// Reads `fieldsV1`; unreadable steps are left out.
    init(_ fieldsV1: JSON?) {
        guard case .object(let entries)? = fieldsV1 else { return }
        for (text, value) in entries where text != "." {
            guard let element = PathElement(text), case .object(let inner) = value else { continue }
            if inner.isEmpty || inner["."] != nil { members.insert(element) }
            let child = FieldSet(value)
            if !child.isEmpty { children[element] = child }
        }
    }

    init() {}

    /// As `fieldsV1`.
    var json: JSON {
        var entries: [String: JSON] = [:]
        for element in members where children[element] == nil { entries[element.text] = [:] }
        for (element, child) in children {
            var inner = child.json
            if members.contains(element) { inner["."] = [:] }
            entries[element.text] = inner
        }
        return .object(entries)
    }

    func contains(_ element: PathElement) -> Bool { members.contains(element) }

    func union(_ other: FieldSet) -> FieldSet {
        var result = self
        result.members.formUnion(other.members)
        for (element, child) in other.children {
            result.children[element] = result.children[element]?.union(child) ?? child
        }
        return result
    }

    /// Without the paths of `other`; what lies below them stays.
    func subtracting(_ other: FieldSet) -> FieldSet {
        if other.isEmpty { return self }
        var result = self
        result.members.subtract(other.members)
        for (element, child) in other.children {
            guard let own = result.children[element] else { continue }
            let rest = own.subtracting(child)
            result.children[element] = rest.isEmpty ? nil : rest
        }
        return result
    }

    func intersection(_ other: FieldSet) -> FieldSet {
        var result = FieldSet()
        result.members = members.intersection(other.members)
        for (element, child) in children {
            guard let theirs = other.children[element] else { continue }
            let both = child.intersection(theirs)
            if !both.isEmpty { result.children[element] = both }
        }
        return result
    }

    /// Without the paths of `other` and everything below them.
    func removing(_ other: FieldSet) -> FieldSet {
        var result = self
        for element in other.members {
            result.members.remove(element)
            result.children[element] = nil
        }
        for (element, child) in other.children {
            guard let own = result.children[element] else { continue }
            let rest = own.removing(child)
            result.children[element] = rest.isEmpty ? nil : rest
        }
        return result
    }

    /// Every path, in the notation of messages, in order.
    var paths: [String] {
        var found: [String] = []
        collect("", &found)
        return found.sorted()
    }

    private func collect(_ prefix: String, _ found: inout [String]) {
        for element in members { found.append(prefix + element.display) }
        for (element, child) in children { child.collect(prefix + element.display, &found) }
    }
}
