internal import KubeCore

/// `metadata.managedFields` of an object, by manager.
struct Managers: Equatable {
    struct Identity: Hashable {
        var manager: String
        var operation: String
        /// Empty for apply: a manager applies in one set, whatever the version.
        var apiVersion: String
        var subresource: String

        var description: String {
            var text = "\"\(manager)\""
            if !subresource.isEmpty { text += " with subresource \"\(subresource)\"" }
            if operation == "Update" { text += " using \(apiVersion)" }
            return text
        }
    }

    struct Entry: Equatable {
        var set: FieldSet
        var apiVersion: String
        var time: String
    }

    var entries: [Identity: Entry] = [:]

    var isEmpty: Bool { entries.isEmpty }

    init(_ object: KubeObject?) {
        self.init(object?["metadata", "managedFields"]?.arrayValue ?? [])
    }

    init(_ list: [JSON]) {
        for item in list {
            let operation = item["operation"]?.stringValue ?? "Update"
            let apiVersion = item["apiVersion"]?.stringValue ?? ""
            let identity = Identity(
                manager: item["manager"]?.stringValue ?? "",
                operation: operation,
                apiVersion: operation == "Apply" ? "" : apiVersion,
                subresource: item["subresource"]?.stringValue ?? ""
            )
            let set = FieldSet(item["fieldsV1"])
            guard !set.isEmpty || operation == "Apply" else { continue }
            entries[identity] = Entry(set: set, apiVersion: apiVersion, time: item["time"]?.stringValue ?? "")
        }
    }

    /// Sorted as upstream: by operation, time, manager.
    var json: JSON? {
        if entries.isEmpty { return nil }
        let sorted = entries.sorted { left, right in
            let first = [left.key.operation, left.value.time, left.key.manager, left.value.apiVersion]
            let second = [right.key.operation, right.value.time, right.key.manager, right.value.apiVersion]
            if first != second { return first.lexicographicallyPrecedes(second) }
            return left.key.subresource < right.key.subresource
        }
        return .array(
            sorted.map { identity, entry in
                var members: [String: JSON] = [
                    "manager": .string(identity.manager), "operation": .string(identity.operation),
                    "apiVersion": .string(entry.apiVersion), "fieldsType": "FieldsV1", "fieldsV1": entry.set.json,
                ]
                if !entry.time.isEmpty { members["time"] = .string(entry.time) }
                if !identity.subresource.isEmpty { members["subresource"] = .string(identity.subresource) }
                return .object(members)
            }
        )
    }

    /// Takes fields from every manager but `except`; managers with nothing left go.
    mutating func subtract(_ set: FieldSet, except: Identity? = nil) {
        if set.isEmpty { return }
        for (identity, entry) in entries where identity != except {
            let rest = entry.set.subtracting(set)
            entries[identity]?.set = rest
            if rest.isEmpty { entries[identity] = nil }
        }
    }

    /// Keeps the ten latest updaters; the older ones become one entry.
    mutating func limitUpdaters(apiVersion: String) {
        let updaters = entries.filter { $0.key.operation == "Update" && $0.key.manager != Managers.ancient }
        guard updaters.count > Managers.maximumUpdaters else { return }
        let oldest = updaters.sorted {
            $0.value.time != $1.value.time ? $0.value.time < $1.value.time : $0.key.manager < $1.key.manager
        }
        .prefix(updaters.count - Managers.maximumUpdaters)
        for (identity, entry) in oldest {
            let bucket = Identity(
                manager: Managers.ancient,
                operation: "Update",
                apiVersion: entry.apiVersion,
                subresource: ""
            )
            entries[identity] = nil
            var merged = entries[bucket] ?? Entry(set: FieldSet(), apiVersion: entry.apiVersion, time: entry.time)
            merged.set = merged.set.union(entry.set)
            merged.time = max(merged.time, entry.time)
            entries[bucket] = merged
        }
    }

    private static let ancient = "ancient-changes"
    private static let maximumUpdaters = 10
}
