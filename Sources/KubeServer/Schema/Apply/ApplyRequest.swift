internal import KubeCore

extension ManagedFields {
    /// One write as the ownership rules see it.
    struct Request {
        var manager: String
        var subresource: String
        var apiVersion: String
        var now: String
        var type: ApplyType

        /// Nobody owns what the server itself writes.
        private static let unowned: FieldSet = {
            var metadata = FieldSet()
            metadata.members = Set(
                [
                    "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation",
                    "managedFields", "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds",
                ].map(PathElement.field)
            )
            var set = FieldSet()
            set.members = [.field("apiVersion"), .field("kind")]
            set.children[.field("metadata")] = metadata
            return set
        }()

        /// What this write may own: never the server's own fields, through `status` only the status.
        private func owned(_ set: FieldSet) -> FieldSet {
            var result = set.removing(Request.unowned)
            result.members.remove(.field("metadata"))
            if subresource == "status" {
                result.members = result.members.intersection([.field("status")])
                result.children = result.children.filter { $0.key == .field("status") }
            } else if subresource.isEmpty, type.schema?.hasSeparateStatus ?? false {
                result.members.remove(.field("status"))
                result.children[.field("status")] = nil
            }
            return result
        }

        private func owned(_ comparison: ApplyType.Comparison) -> ApplyType.Comparison {
            ApplyType.Comparison(
                added: owned(comparison.added),
                modified: owned(comparison.modified),
                removed: owned(comparison.removed)
            )
        }
    }
}

extension ManagedFields.Request {
    func update(live: KubeObject?, updated: KubeObject, managers before: Managers) -> KubeObject {
        var managers = before
        let old = live.map { withoutManagers($0.json) } ?? ApplyType.emptyObject(type.schema ?? Schema(form: .any))
        let comparison = owned(type.compare(old, withoutManagers(updated.json)))
        let identity = Managers.Identity(
            manager: manager,
            operation: "Update",
            apiVersion: apiVersion,
            subresource: subresource
        )
        let taken = comparison.added.union(comparison.modified)
        managers.subtract(taken.union(comparison.removed))
        if !taken.isEmpty {
            let rest = before.entries[identity]?.set.subtracting(comparison.removed) ?? FieldSet()
            managers.entries[identity] = Managers.Entry(set: rest.union(taken), apiVersion: apiVersion, time: now)
            managers.limitUpdaters(apiVersion: apiVersion)
        }
        var result = updated
        result["metadata", "managedFields"] = managers.json
        return result
    }

    func apply(live: KubeObject?, config: JSON, force: Bool) throws(ApplyConflict) -> KubeObject {
        var managers = Managers(live)
        let base = live.map { withoutManagers($0.json) } ?? ApplyType.emptyObject(type.schema ?? Schema(form: .any))
        if let live, managers.isEmpty { managers = beforeFirstApply(live) }
        let identity = Managers.Identity(manager: manager, operation: "Apply", apiVersion: "", subresource: subresource)
        let previous = managers.entries[identity]
        let applied = type.fieldSet(writable(config))
        let set = owned(applied)
        var merged = type.merge(live.map { withoutManagers($0.json) }, writable(config))
        managers.entries[identity] = Managers.Entry(set: set, apiVersion: apiVersion, time: previous?.time ?? now)
        if let last = previous?.set, !last.isEmpty {
            merged = prune(merged, last: last, applied: applied, managers: managers)
        }

        let comparison = owned(type.compare(base, merged))
        let taken = comparison.added.union(comparison.modified)
        var conflicts: [Managers.Identity: FieldSet] = [:]
        for (other, entry) in managers.entries where other != identity {
            let conflict = entry.set.intersection(taken)
            if !conflict.isEmpty { conflicts[other] = conflict }
        }
        guard force || conflicts.isEmpty else { throw ApplyConflict(conflicts: conflicts) }
        managers.subtract(taken.union(comparison.removed), except: identity)
        if set.isEmpty { managers.entries[identity] = nil }
        if !comparison.isEmpty || previous?.set != set { managers.entries[identity]?.time = now }
        var result = KubeObject(merged)
        result["metadata", "managedFields"] = managers.json
        return result
    }

    /// The part of a configuration that this address writes: the status or everything else.
    private func writable(_ config: JSON) -> JSON {
        guard type.schema?.hasSeparateStatus ?? false, case .object(let members) = config else { return config }
        if subresource == "status" {
            return .object(members.filter { ["apiVersion", "kind", "status"].contains($0.key) })
        }
        return subresource.isEmpty ? .object(members.filter { $0.key != "status" }) : config
    }

    /// An object from before ownership was tracked: one manager owns what is there.
    private func beforeFirstApply(_ live: KubeObject) -> Managers {
        var managers = Managers([])
        let set = owned(type.compare(ApplyType.emptyObject(type.schema ?? Schema(form: .any)), live.json).added)
        guard !set.isEmpty else { return managers }
        let identity = Managers.Identity(
            manager: "before-first-apply",
            operation: "Update",
            apiVersion: apiVersion,
            subresource: ""
        )
        managers.entries[identity] = Managers.Entry(set: set, apiVersion: apiVersion, time: now)
        return managers
    }

    /// Removes what this manager applied before, applies no longer, and nobody else owns.
    ///
    /// `applied` holds the name and namespace too, which nobody owns: without them a metadata of which only an annotation was
    /// owned would go as a whole.
    private func prune(_ merged: JSON, last: FieldSet, applied: FieldSet, managers: Managers) -> JSON {
        let lastNamed = type.namingParents(last)
        var pruned = type.remove(lastNamed, from: merged) ?? .object([:])
        let mergedSet = type.namingParents(type.fieldSet(merged))
        let managed = managers.entries.values.reduce(applied) { $0.union($1.set) }
        let kept = type.namingParents(type.fieldSet(pruned)).union(type.namingParents(managed))
        pruned = type.remove(mergedSet.subtracting(kept), from: merged) ?? .object([:])
        let prunedSet = type.namingParents(type.fieldSet(pruned))
        return type.remove(mergedSet.subtracting(prunedSet).intersection(lastNamed), from: merged) ?? .object([:])
    }

    private func withoutManagers(_ json: JSON) -> JSON {
        guard json["metadata"]?["managedFields"] != nil else { return json }
        var copy = json
        copy["metadata"]?["managedFields"] = nil
        return copy
    }
}
