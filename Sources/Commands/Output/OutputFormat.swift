internal import ArgumentParser
internal import KubeCore
internal import Yams

/// `--output`.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
    case json
    case yaml
    case table
    case none
}

/// A column of a table: its heading and where in the value it stands.
struct Column: Sendable {
    let title: String
    let text: @Sendable (JSON) -> String

    init(_ title: String, _ path: String...) {
        self.title = title
        text = { value in
            guard let found = value[path: path] else { return "" }
            return switch found {
            case .string(let text): text
            case .null: ""
            default: found.text
            }
        }
    }

    init(_ title: String, text: @escaping @Sendable (JSON) -> String) {
        self.title = title
        self.text = text
    }
}

extension OutputFormat {
    /// Writes one value, or the members of an array.
    func write(_ value: JSON, columns: [Column]) throws {
        switch self {
        case .json: print(value.prettyText)
        case .yaml: print(try Self.yaml(value), terminator: "")
        case .table: print(Self.table(value.arrayValue ?? [value], columns: columns), terminator: "")
        case .none: break
        }
    }

    static func yaml(_ value: JSON) throws -> String {
        func node(_ value: JSON) -> Node {
            switch value {
            case .object(let members):
                return Node(
                    members.sorted { $0.key < $1.key }.map { (Node($0.key), node($0.value)) },
                    .implicit,
                    .block
                )
            case .array(let elements): return Node(elements.map(node), .implicit, .block)
            case .string(let text):
                let isAmbiguous = text.isEmpty || Double(text) != nil || ["true", "false", "null", "~"].contains(text)
                return Node(text, .implicit, isAmbiguous ? .singleQuoted : text.contains("\n") ? .literal : .any)
            default: return Node(value.text)
            }
        }
        return try Yams.serialize(node: node(value))
    }

    /// The table without columns in which no row has anything.
    static func denseTable(_ rows: [JSON], columns: [Column]) -> String {
        table(rows, columns: columns.filter { column in rows.contains { !column.text($0).isEmpty } })
    }

    /// Columns as wide as their widest cell, two spaces apart.
    static func table(_ rows: [JSON], columns: [Column]) -> String {
        let cells = [columns.map(\.title)] + rows.map { row in columns.map { $0.text(row) } }
        let widths = columns.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        return cells.map { row in
            let padded = row.enumerated().map { index, text in
                index + 1 == row.count ? text : text + String(repeating: " ", count: widths[index] - text.count)
            }
            return padded.joined(separator: "  ") + "\n"
        }.joined()
    }
}
