internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import KubeRuntime
internal import MLTypes

/// Takes an extension off the cluster: first what runs, then what it needed. Users' namespaces, jobs and endpoints stay, and with
/// them the definitions of their kinds.
extension ExtensionReconciler {
    /// Later ones go first; what is not listed goes together with the roles.
    private static let order: [ResourceType] = [
        .namespaces, .customResourceDefinitions, .serviceAccounts, .clusterRoles, .roles, .clusterRoleBindings,
        .roleBindings, .configMaps, .secrets, .services, .podDisruptionBudgets, .deployments,
    ]

    func remove(_ desired: DesiredExtension) async throws -> ReconcileOutcome {
        let inventory = try await Inventory.read(desired.name, api)
        if let type = inventory?.clusterType, type != desired.clusterType {
            // What is installed belongs to the cluster's other entry; this one never got anything.
            try await reporter.send(desired, state: "Deleting", statuses: [], isGone: true)
            return .settled
        }
        var objects = inventory?.objects ?? []
        objects += try await labelledObjects(desired.name).filter {
            !objects.contains($0) && $0 != inventory?.reference
        }
        let kept = try await definitionsInUse(objects)
        let keptGroups = Set(kept.map(\.group))
        var remaining: [String] = []
        for type in Self.order.reversed() + [nil] {
            let group = objects.filter { object in
                type.map { object.type == $0 } ?? !Self.order.contains(object.type)
            }
            for object in group where object.type != .namespaces && object.type != .customResourceDefinitions {
                // The queue of jobs that stay stays too.
                if keptGroups.contains(object.type.group) { continue }
                if try await !applier.remove(object) { remaining.append(object.description) }
            }
            guard remaining.isEmpty else { break }
        }
        if remaining.isEmpty {
            let names = Set(kept.map(\.groupResource))
            for object in objects where object.type == .customResourceDefinitions && !names.contains(object.key.name) {
                if try await !applier.remove(object) { remaining.append(object.description) }
            }
        }
        guard remaining.isEmpty else {
            try await reporter.send(
                desired,
                state: "Deleting",
                statuses: [
                    ExtensionReporter.entry(
                        "Deleting",
                        "Deleting",
                        .information,
                        "waits for \(remaining.sorted().joined(separator: ", "))"
                    )
                ],
                version: inventory?.version
            )
            return .recheck(after: .milliseconds(500))
        }
        if let reference = inventory?.reference { _ = try await applier.remove(reference) }
        guard try await removeNamespace(desired.name) else { return .recheck(after: .milliseconds(500)) }
        forget(desired.id)
        let statuses = kept.sorted { $0.groupResource < $1.groupResource }.map { type in
            ExtensionReporter.entry(
                "CustomResourceDefinitionKept",
                type.groupResource,
                .information,
                "kept, because objects of this kind exist; delete them and this definition to be rid of it"
            )
        }
        try await reporter.send(desired, state: "Deleting", statuses: statuses, isGone: true)
        return .settled
    }

    /// Ours by label, also when the inventory is lost.
    private func labelledObjects(_ name: String) async throws -> [ObjectReference] {
        let selection = ListOptions(
            labelSelector:
                "\(ExtensionRenderer.managedByLabel)=\(ExtensionRenderer.fieldManager),\(ExtensionRenderer.instanceLabel)=\(name)"
        )
        var references: [ObjectReference] = []
        for type in Self.order where type != .namespaces {
            let namespace = type.isNamespaced ? ExtensionRenderer.namespace : nil
            references += try await api.list(type, namespace: namespace, options: selection).items.map {
                ObjectReference(type: type, key: $0.key)
            }
        }
        return references
    }

    /// Kinds of which objects exist that the extension did not make.
    private func definitionsInUse(_ objects: [ObjectReference]) async throws -> [ResourceType] {
        let own = Set(objects.map { "\($0.type.groupResource)/\($0.key)" })
        var inUse: [ResourceType] = []
        for object in objects where object.type == .customResourceDefinitions {
            guard let definition = try await api.find(.customResourceDefinitions, name: object.key.name),
                !definition.isTerminating, let type = Self.resourceType(definition)
            else { continue }
            do {
                let present = try await api.list(type, namespace: nil, options: ListOptions()).items
                if present.contains(where: { !own.contains("\(type.groupResource)/\($0.key)") }) { inUse.append(type) }
            } catch let error as APIError where error.isNotFound {
                continue
            }
        }
        // Kinds that work together stay together.
        let volcano = inUse.contains { $0.group.hasSuffix(".volcano.sh") }
        guard volcano else { return inUse }
        for object in objects
        where object.type == .customResourceDefinitions && object.key.name.hasSuffix(".volcano.sh") {
            guard let definition = try await api.find(.customResourceDefinitions, name: object.key.name),
                let type = Self.resourceType(definition), !inUse.contains(type)
            else { continue }
            inUse.append(type)
        }
        return inUse
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

    /// The namespace goes when it is ours and nothing of anybody else is left in it; true when there is nothing to wait for.
    private func removeNamespace(_ extensionName: String) async throws -> Bool {
        let name = ExtensionRenderer.namespace
        guard let namespace = try await api.find(.namespaces, name: name) else { return true }
        guard namespace.labels[ExtensionRenderer.managedByLabel] == ExtensionRenderer.fieldManager,
            namespace.labels[ExtensionRenderer.instanceLabel] == extensionName
        else { return true }
        if !namespace.isTerminating {
            for type in [ResourceType.secrets, .configMaps, .services, .deployments, .statefulSets, .daemonSets] {
                let foreign = try await api.list(type, namespace: name).items.filter {
                    $0.name != "kube-root-ca.crt" && $0["type"]?.stringValue != "kubernetes.io/service-account-token"
                        && !$0.isTerminating
                }
                guard foreign.isEmpty else { return true }
            }
            try await api.deleteIfPresent(.namespaces, ObjectKey(name: name))
        }
        return try await api.find(.namespaces, name: name) == nil
    }
}
