internal import ControlPlaneAPI
internal import KubeCore
internal import MLTypes

extension AgentAnswers {
    private static let linesPerObject = 200

    /// Applies everything without keeping it, and tells what would have changed.
    func preview(_ request: AgentRequest) async throws -> JSON {
        let desired = request.desired
        let inventory = try await inventory(desired)
        var plan = try await planner.plan(desired, try planner.settings(desired), inventory)
        let secrets = ComponentSecrets(
            api: api,
            labels: planner.labels(desired),
            servesAdmission: plan.servesAdmission
        )
        plan.use(try await secrets.present())
        let objects = plan.renderer.render()
        var changes: [JSON] = []
        var unchanged = 0
        let outcomes = try await withThrowingTaskGroup(of: (Int, JSON?).self) { group in
            var found: [(Int, JSON?)] = []
            for (index, object) in objects.enumerated() {
                if index >= 8, let next = try await group.next() { found.append(next) }
                group.addTask { (index, try await self.change(object)) }
            }
            for try await outcome in group { found.append(outcome) }
            return found.sorted { $0.0 < $1.0 }.map(\.1)
        }
        for outcome in outcomes {
            if let outcome { changes.append(outcome) } else { unchanged += 1 }
        }
        var wanted = objects.map(\.reference) + secrets.references
        for reference in secrets.references {
            if try await find(reference) == nil {
                changes.append(Self.entry("create", reference, ["+ (generated on the cluster)"]))
            } else {
                unchanged += 1
            }
        }
        if plan.usesRelay { wanted.append(RelayToken.reference) }
        for orphan in RemovalOrder.sorted(inventory.objects) where !wanted.contains(orphan) {
            guard orphan.type != .customResourceDefinitions, !orphan.type.group.hasSuffix(".volcano.sh"),
                let live = try await find(orphan), live.annotations[MLLabels.unmanaged] != "true"
            else { continue }
            changes.append(Self.entry("delete", orphan, []))
        }
        let report = try await self.report(desired, plan.operation)
        return [
            "changes": .array(changes), "unchanged": JSON(unchanged), "checks": .array(report.checks.map(\.json)),
        ]
    }

    private func find(_ reference: ObjectReference) async throws -> KubeObject? {
        try await api.find(reference.type, namespace: reference.key.namespace, name: reference.key.name)
    }

    /// nil when nothing would change.
    private func change(_ rendered: RenderedObject) async throws -> JSON? {
        let reference = rendered.reference
        let live = try await find(reference)
        if let live, live.annotations[MLLabels.unmanaged] == "true" { return nil }
        let after: KubeObject
        do {
            after = try await api.patch(
                rendered.type,
                reference.key,
                .apply(rendered.object.json),
                options: WriteOptions(fieldManager: ExtensionRenderer.fieldManager, dryRun: true, force: true)
            )
        } catch let error as APIError where error.isNotFound || error.isNamespaceEnding {
            // Its namespace or its kind is not there yet; with it the object will be as rendered.
            return Self.entry("create", reference, Self.lines(nil, rendered.object))
        } catch let error as CancellationError {
            throw error
        } catch {
            throw ClusterRequestError(
                permission: Permission(
                    live == nil ? "create" : "patch",
                    rendered.type,
                    namespace: reference.key.namespace
                ),
                subject: "\(reference)",
                underlying: error
            )
        }
        guard let live else { return Self.entry("create", reference, Self.lines(nil, after)) }
        let lines = Self.lines(live, after)
        return lines.isEmpty ? nil : Self.entry("update", reference, lines)
    }

    private static func entry(_ action: String, _ reference: ObjectReference, _ lines: [String]) -> JSON {
        var members: [String: JSON] = [
            "action": .string(action), "kind": .string(reference.type.kind),
            "apiVersion": .string(reference.type.apiVersion), "name": .string(reference.key.name),
            "diff": JSON(lines),
        ]
        if let namespace = reference.key.namespace { members["namespace"] = .string(namespace) }
        return .object(members)
    }

    /// `- path: old` and `+ path: new`; what a Secret holds is replaced by a mark.
    static func lines(_ before: KubeObject?, _ after: KubeObject) -> [String] {
        let isSecret = after.kind == "Secret"
        let changes = ObjectDiff.changes(before.map(ObjectDiff.content), ObjectDiff.content(after))
        var lines: [String] = []
        for change in changes where !["apiVersion", "kind"].contains(change.path.first ?? "") || before != nil {
            let isHidden = isSecret && ["data", "stringData"].contains(change.path.first ?? "")
            func text(_ value: JSON) -> String {
                isHidden ? Redaction.mark : value.stringValue.map { $0.contains("\n") ? value.text : $0 } ?? value.text
            }
            if let value = change.before { lines.append("- \(change.name): \(text(value))") }
            if let value = change.after { lines.append("+ \(change.name): \(text(value))") }
        }
        guard lines.count > linesPerObject else { return lines }
        return lines.prefix(linesPerObject) + ["… and \(lines.count - linesPerObject) more lines"]
    }
}
