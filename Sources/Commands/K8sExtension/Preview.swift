internal import KubeCore

/// What a change would do to the cluster: objects with their differences, and the health checks.
///
/// Pure but for `write`.
enum Preview {
    /// Text unless JSON or YAML is asked for.
    ///
    /// - Throws: exit status 1 when a check failed.
    static func write(_ result: JSON, name: String, as format: OutputFormat?) throws {
        switch format {
        case .json, .yaml: try format?.write(result, columns: [])
        case .none?: break
        case .table, nil: print(text(result), terminator: "")
        }
        try HealthReport.refuseFailures(result, name: name)
    }

    static func text(_ result: JSON) -> String {
        let changes = result["changes"]?.arrayValue ?? []
        var lines: [String] = []
        for change in changes {
            lines.append("\(change["action"]?.stringValue ?? "update") \(object(change))")
            lines += (change["diff"]?.stringArray ?? []).map { "  " + $0 }
        }
        lines.append(summary(changes, unchanged: result["unchanged"]?.intValue ?? 0))
        var text = lines.joined(separator: "\n") + "\n"
        if let checks = result["checks"]?.arrayValue, !checks.isEmpty {
            text += "\n" + HealthReport.table(checks)
        }
        return text
    }

    private static func object(_ change: JSON) -> String {
        let name = change["name"]?.stringValue ?? ""
        let key = change["namespace"]?.stringValue.map { $0.isEmpty ? name : $0 + "/" + name } ?? name
        return "\((change["kind"]?.stringValue ?? "object").lowercased()) \(key)"
    }

    private static func summary(_ changes: [JSON], unchanged: Int) -> String {
        func count(_ action: String) -> Int { changes.count { $0["action"]?.stringValue == action } }
        return
            "\(count("create")) to create, \(count("update")) to update, \(count("delete")) to delete, \(unchanged) unchanged"
    }
}

/// The health checks of a cluster.
///
/// Pure.
enum HealthReport {
    private static let columns: [Column] = [
        Column("STATUS", "status"), Column("CODE", "code"), Column("CHECK", "name"), Column("CHECKED", "checked"),
        Column("FOUND", "found"),
    ]

    /// The checks, and below them how to mend what is not well.
    static func table(_ checks: [JSON]) -> String {
        let fixes: [String] = checks.compactMap { check in
            guard let fix = check["fix"]?.stringValue, !fix.isEmpty, check["status"]?.stringValue != "Passed" else {
                return nil
            }
            return "\(check["name"]?.stringValue ?? ""): \(fix)\n"
        }
        let table = OutputFormat.denseTable(checks, columns: columns)
        return fixes.isEmpty ? table : table + "\n" + fixes.joined()
    }

    static func failed(_ report: JSON) -> [JSON] {
        (report["checks"]?.arrayValue ?? []).filter { $0["status"]?.stringValue == "Failed" }
    }

    /// - Throws: exit status 1 when a check failed.
    static func refuseFailures(_ report: JSON, name: String) throws(CommandError) {
        let failed = failed(report)
        guard let first = failed.first else { return }
        let names = failed.compactMap { $0["name"]?.stringValue }.joined(separator: ", ")
        throw CommandError(
            "extension \(name): \(failed.count == 1 ? "a check" : "\(failed.count) checks") failed: \(names)",
            cause: first["found"]?.stringValue,
            remedy: first["fix"]?.stringValue
        )
    }
}
