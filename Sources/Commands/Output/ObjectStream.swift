internal import KubeClient
internal import KubeCore

/// Kubernetes objects as `kubectl apply -f -` reads them.
enum ObjectStream {
    /// YAML documents, or with `json` one `List`.
    static func write(_ objects: [KubeObject], as format: OutputFormat?) throws {
        switch format {
        case .json: print(list(objects).prettyText)
        case .yaml, nil: print(yaml(objects), terminator: "")
        case .table: print(OutputFormat.table(objects.map(\.json), columns: columns), terminator: "")
        case .none?: break
        }
    }

    static func list(_ objects: [KubeObject]) -> JSON {
        ["apiVersion": "v1", "kind": "List", "items": .array(objects.map(\.json))]
    }

    static func yaml(_ objects: [KubeObject]) -> String {
        objects.map { "---\n" + $0.json.yamlText }.joined()
    }

    private static let columns: [Column] = [
        Column("KIND", "kind"), Column("NAMESPACE", "metadata", "namespace"), Column("NAME", "metadata", "name"),
    ]
}
