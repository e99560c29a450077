internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import KubeRuntime
internal import Logging
internal import MLTypes
internal import Synchronization

/// What a removal still waits for, and what it leaves.
struct RemovalProgress: Sendable {
    var objects: [String] = []
    /// Definitions that stay, because users have objects of them.
    var kept: [ResourceType] = []
}

/// Takes an extension off the cluster: first what runs, then what it needed.
///
/// Users' namespaces, jobs and endpoints stay, and with them the definitions of their kinds, unless all is to be purged.
extension ExtensionReconciler {
    func remove(_ desired: DesiredExtension) async throws -> ReconcileOutcome {
        let inventory = try await readInventory(desired)
        if try await belongsToAnother(desired, inventory) {
            // What is installed belongs to the cluster's other entry; this one never got anything.
            try await reporter.send(desired, state: "Deleting", statuses: [], isGone: true)
            forget(desired.id)
            return .settled
        }
        try await checkRemoval(desired, inventory)
        if desired.isPurging {
            let users = try await purgeUserObjects(strips: isStuck(desired))
            guard users.isEmpty else { return try await waitFor(users, desired, inventory) }
        }
        let remaining = try await takeOff(desired, inventory, keepsRecords: false)
        guard remaining.objects.isEmpty else { return try await waitFor(remaining.objects, desired, inventory) }
        if desired.isPurging { try await purgeLeftovers() }
        for made in ExtensionRenderer.madeByComponents {
            guard try await applier.remove(made, requiresManagedLabel: false) else {
                return .recheck(after: .milliseconds(100))
            }
        }
        for record in [inventory.reference, ClusterClaim.reference] {
            guard try await applier.remove(record) else { return .recheck(after: .milliseconds(100)) }
        }
        if let waiting = try await removeNamespace(desired) { return try await waitFor([waiting], desired, inventory) }
        let statuses = remaining.kept.sorted { $0.groupResource < $1.groupResource }.map { type in
            ExtensionReporter.entry(
                "CustomResourceDefinitionKept",
                type.groupResource,
                .information,
                "kept, because objects of this kind exist; delete them and this definition to be rid of it"
            )
        }
        try await reporter.send(desired, state: "Deleting", statuses: statuses, isGone: true)
        forget(desired.id)
        return .settled
    }

    private func belongsToAnother(_ desired: DesiredExtension, _ inventory: Inventory) async throws -> Bool {
        if let holder = try await applier.attempt("get", ClusterClaim.reference, { try await ClusterClaim.holder(api) })
        {
            return !ClusterClaim(desired).isSame(as: holder)
        }
        return inventory.clusterType.map { $0.lowercased() != desired.clusterType.lowercased() } ?? false
    }

    /// Looked at once, for the record; nothing that is found keeps anybody from being rid of the extension.
    private func checkRemoval(_ desired: DesiredExtension, _ inventory: Inventory) async throws {
        let known = memory.withLock { $0[desired.id] } ?? Memory()
        guard inventory.generation > 0, known.healthGeneration != desired.generation || known.health == nil else {
            return
        }
        let facts = ExtensionPlanner.facts(
            watch.nodes.list(),
            clusterType: desired.clusterType,
            selector: [:]
        )
        let plan = ExtensionPlan(
            render: RenderInput(
                extensionName: desired.name,
                settings: ExtensionSettings(),
                facts: facts,
                profile: profile
            ),
            operation: .delete,
            problems: [],
            remarks: []
        )
        let report = try await planner.check(plan, inventory, as: .delete, unlisted: watch.unsynced)
        do {
            try await HealthStore(api: api).write(report, labels: planner.labels(desired))
        } catch let error as CancellationError {
            throw error
        } catch {
            logger.debug("health report not kept", metadata: ["error": "\(error)"])
        }
        remember(desired.id) {
            $0.health = report
            $0.healthGeneration = desired.generation
            $0.healthAt = .now
        }
    }

    private func waitFor(
        _ objects: [String],
        _ desired: DesiredExtension,
        _ inventory: Inventory
    ) async throws -> ReconcileOutcome {
        remember(desired.id) { $0.stuckSince = $0.stuckSince ?? .now }
        let list = objects.sorted()
        let more = list.count > 10 ? " and \(list.count - 10) more" : ""
        let report = memory.withLock { $0[desired.id]?.health }
        try await reporter.send(
            desired,
            state: "Deleting",
            statuses: [
                ExtensionReporter.entry(
                    "Deleting",
                    "Deleting",
                    .information,
                    "waits for \(list.prefix(10).joined(separator: ", "))\(more)"
                )
            ] + ExtensionReporter.entries(report?.checks.filter { $0.code != HealthCode.inUse.rawValue } ?? []),
            version: inventory.version
        )
        return .recheck(after: .milliseconds(500))
    }

    /// A forced removal has waited long enough for what does not end.
    private func isStuck(_ desired: DesiredExtension) -> Bool {
        guard desired.isForced, let since = memory.withLock({ $0[desired.id]?.stuckSince }) else { return false }
        return ContinuousClock.now - since > timing.forcedPatience
    }

    /// Trouble while removing: goes on for ever, unless the removal is forced and the cluster stays silent.
    func tellRemoval(_ desired: DesiredExtension, _ fault: ClusterFault) async throws -> ReconcileOutcome {
        remember(desired.id) { $0.stuckSince = $0.stuckSince ?? .now }
        if fault.kind == .unreachable, isStuck(desired) {
            logger.warning("removal of an extension given up, as it is forced", metadata: ["name": "\(desired.name)"])
            try await reporter.send(
                desired,
                state: "Deleting",
                statuses: [
                    ExtensionReporter.entry(
                        "ClusterUnreachable",
                        "Not removed from the cluster",
                        .warning,
                        "the cluster does not answer, so whatever is there stays: \(fault.message)"
                    )
                ],
                isGone: true
            )
            forget(desired.id)
            return .settled
        }
        try await reporter.send(
            desired,
            state: "Deleting",
            statuses: [ExtensionReporter.entry(fault.code, "Not removed yet", .error, fault.message)]
        )
        return .recheck(after: fault.kind == .conflict ? .milliseconds(100) : timing.waiting)
    }

    /// Removes what was installed, stage by stage; what is left of the present stage keeps the others waiting.
    ///
    /// `keepsRecords`: the namespace, inventory and health reports stay.
    func takeOff(
        _ desired: DesiredExtension,
        _ inventory: Inventory,
        keepsRecords: Bool
    ) async throws -> RemovalProgress {
        let records = [inventory.reference, ClusterClaim.reference]
        let known = Set(inventory.objects)
        var objects = inventory.objects
        objects += try await labelledObjects(desired.name).filter { !known.contains($0) && !records.contains($0) }
        objects.removeAll { $0.type == .namespaces || (keepsRecords && $0 == HealthStore.reference) }
        var progress = RemovalProgress()
        progress.kept = desired.isPurging ? [] : try await definitionsInUse(objects)
        let keptGroups = Set(progress.kept.map(\.group))
        let keptNames = Set(progress.kept.map(\.groupResource))
        let strips = isStuck(desired)
        for stage in RemovalOrder.grouped(objects) {
            for object in stage {
                // The queue of jobs that stay stays too.
                if keptGroups.contains(object.type.group) { continue }
                if object.type == .customResourceDefinitions, keptNames.contains(object.key.name) { continue }
                if try await !applier.remove(object, strips: strips) { progress.objects.append(object.description) }
            }
            guard progress.objects.isEmpty else { return progress }
        }
        return progress
    }

    /// Ours by label, also when the inventory is lost.
    private func labelledObjects(_ name: String) async throws -> [ObjectReference] {
        let selection = ListOptions(
            labelSelector:
                "\(ExtensionRenderer.managedByLabel)=\(ExtensionRenderer.fieldManager),\(ExtensionRenderer.instanceLabel)=\(name)"
        )
        var references: [ObjectReference] = []
        for type in RemovalOrder.labelled {
            let namespace = type.isNamespaced ? ExtensionRenderer.namespace : nil
            do {
                references += try await api.list(type, namespace: namespace, options: selection).items.map {
                    ObjectReference(type: type, key: $0.key)
                }
            } catch let error as APIError where error.isNotFound || error.code == 403 {
                // The inventory names what was made; this only finds more.
                continue
            }
        }
        return references
    }

    /// Kinds of which objects exist that the extension did not make.
    private func definitionsInUse(_ objects: [ObjectReference]) async throws -> [ResourceType] {
        let own = Set(objects.map { "\($0.type.groupResource)/\($0.key)" })
        var inUse: [ResourceType] = []
        var types: [ResourceType] = []
        for object in objects where object.type == .customResourceDefinitions {
            let definition = try await applier.attempt("get", object) {
                try await api.find(.customResourceDefinitions, name: object.key.name)
            }
            guard let definition, !definition.isTerminating, let type = Self.resourceType(definition) else { continue }
            types.append(type)
            do {
                let present = try await api.list(type, namespace: nil, options: ListOptions()).items
                let isOwn = { (item: KubeObject) in
                    own.contains("\(type.groupResource)/\(item.key)")
                        || item.labels[ExtensionRenderer.managedByLabel] == ExtensionRenderer.fieldManager
                }
                if present.contains(where: { !isOwn($0) }) { inUse.append(type) }
            } catch let error as APIError where error.isNotFound {
                continue
            }
        }
        // Kinds that work together stay together.
        guard inUse.contains(where: { $0.group.hasSuffix(".volcano.sh") }) else { return inUse }
        return inUse + types.filter { $0.group.hasSuffix(".volcano.sh") && !inUse.contains($0) }
    }

    private static func resourceType(_ definition: KubeObject) -> ResourceType? {
        let spec = definition["spec"] ?? .null
        let version = spec["versions"]?.arrayValue?.first { $0["storage"]?.boolValue == true } ?? spec["versions"]?[0]
        guard let group = spec["group"]?.stringValue, let plural = spec[path: "names", "plural"]?.stringValue,
            let kind = spec[path: "names", "kind"]?.stringValue, let name = version?["name"]?.stringValue
        else { return nil }
        return ResourceType(
            group: group,
            version: name,
            plural: plural,
            kind: kind,
            isNamespaced: spec["scope"]?.stringValue != "Cluster"
        )
    }

    /// The namespace goes when it is ours and nothing of anybody else is left in it; what to wait for, or nil.
    private func removeNamespace(_ desired: DesiredExtension) async throws -> String? {
        let reference = ObjectReference(type: .namespaces, key: ObjectKey(name: ExtensionRenderer.namespace))
        let name = reference.key.name
        let present = try await applier.attempt("get", reference) { try await api.find(.namespaces, name: name) }
        guard let namespace = present else { return nil }
        let isOurs =
            namespace.labels[ExtensionRenderer.managedByLabel] == ExtensionRenderer.fieldManager
            && namespace.labels[ExtensionRenderer.instanceLabel] == desired.name
        guard isOurs || desired.isPurging else { return nil }
        if !namespace.isTerminating {
            if !desired.isPurging, try await holdsForeignObjects(name) { return nil }
            try await applier.attempt("delete", reference) {
                _ = try await api.deleteIfPresent(
                    .namespaces,
                    reference.key,
                    options: DeleteOptions(preconditionUID: namespace.uid)
                )
            }
        }
        let left = try await applier.attempt("get", reference) { try await api.find(.namespaces, name: name) }
        guard let left else { return nil }
        let reasons = (left["status", "conditions"]?.arrayValue ?? []).filter { $0["status"]?.stringValue == "True" }
            .compactMap { $0["message"]?.stringValue }.filter { !$0.isEmpty }
        return "namespace \(name)" + (reasons.isEmpty ? "" : " (\(reasons.joined(separator: "; ")))")
    }

    private func holdsForeignObjects(_ namespace: String) async throws -> Bool {
        for type in [ResourceType.secrets, .configMaps, .services] + ClusterWatch.workloadTypes {
            let reference = ObjectReference(type: type, key: ObjectKey(namespace: namespace, name: ""))
            let items = try await applier.attempt("list", reference) { try await api.list(type, namespace: namespace) }
                .items
            if items.contains(where: Self.isForeign) { return true }
        }
        return false
    }

    /// What clusters put into every namespace, and what the garbage collector is about to take, belongs to nobody.
    static func isForeign(_ object: KubeObject) -> Bool {
        let everywhere = ["kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert"]
        let issued = [
            "kubernetes.io/service-account-token", "kubernetes.io/dockercfg", "kubernetes.io/dockerconfigjson",
        ]
        let isIssued =
            object["type"]?.stringValue.map(issued.contains) ?? false
            && object.annotations["kubernetes.io/service-account.name"] != nil
        let isOwned = !(object["metadata", "ownerReferences"]?.arrayValue ?? []).isEmpty
        return !object.isTerminating && !everywhere.contains(object.name) && !isIssued && !isOwned
    }
}
