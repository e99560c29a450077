internal import Crypto
internal import Foundation
internal import KubeCore
internal import Logging
internal import Synchronization

/// What an apply left behind.
struct AppliedPlan: Sendable {
    var inventory: Inventory
    var objects: [RenderedObject]
    /// Seconds until the relay's token has to be renewed; nil without one.
    var relayRenewal: Double?
    /// Why there is no token for the relay.
    var relayTrouble: String?
}

extension ExtensionReconciler {
    /// Makes the cluster hold the plan's objects and no others of this extension's.
    func apply(
        _ id: String,
        _ plan: ExtensionPlan,
        _ inventory: Inventory,
        _ labels: [String: String]
    ) async throws -> AppliedPlan {
        var plan = plan
        let known = memory.withLock { $0[id] ?? Memory() }
        if known.appliedAt == nil {
            // The namespace holds everything else that follows.
            let first = plan.renderer.render().filter { $0.type == .namespaces }
            _ = try await applier.apply(first, correctsDrift: false)
        }
        let secrets = ComponentSecrets(api: api, labels: labels, servesAdmission: plan.servesAdmission)
        plan.use(
            try await applier.attempt("patch", RelayToken.reference.sibling("*")) {
                try await secrets.ensure(now: .now)
            }
        )
        var result = AppliedPlan(inventory: inventory, objects: plan.renderer.render())
        var wanted = result.objects.map(\.reference) + secrets.references
        if plan.usesRelay {
            wanted.append(RelayToken.reference)
            try await ensureRelayToken(labels, &result)
        }
        let isDue = known.appliedAt.map { ContinuousClock.now - $0 >= timing.resync } ?? true
        let isSame = known.appliedObjects == result.objects
        guard isDue || known.isDirty || !isSame else { return result }
        let before = result.inventory
        result.inventory.include(wanted)
        result.inventory.bundles = plan.render.bundles.keys.compactMap {
            ThirdPartyBundle.named($0)?.reference.description
        }.sorted()
        // Written first: what is on the cluster but not in the inventory would stay for ever.
        if result.inventory != before { try await write(result.inventory, labels) }
        remember(id) { $0.isDirty = false }
        let digest = isSame && inventory.digest != nil ? inventory.digest : Self.digest(result.objects)
        let applied = try await applier.apply(result.objects, correctsDrift: inventory.digest == digest)
        let complete = result.inventory
        try await prune(&result.inventory, wanted)
        result.inventory.digest = digest
        if result.inventory != complete { try await write(result.inventory, labels) }
        let objects = result.objects
        remember(id) { mine in
            mine.appliedObjects = objects
            mine.appliedAt = .now
            mine.versions = Dictionary(applied.map { ($0.reference, $0.version) }, uniquingKeysWith: { $1 })
        }
        return result
    }

    /// Takes away what an earlier plan had and this one has not.
    private func prune(_ inventory: inout Inventory, _ wanted: [ObjectReference]) async throws {
        let orphans = Set(inventory.objects).subtracting(wanted)
        for orphan in RemovalOrder.sorted(inventory.objects) where orphans.contains(orphan) {
            // CustomResourceDefinitions hold users' objects: they go only when the extension does.
            guard orphan.type != .customResourceDefinitions, !orphan.type.group.hasSuffix(".volcano.sh") else {
                continue
            }
            guard try await applier.remove(orphan) else { continue }
            logger.info("object pruned", metadata: ["kind": "\(orphan.type.kind)", "name": "\(orphan.key)"])
            inventory.objects.removeAll { $0 == orphan }
        }
    }

    /// Without a token the relay waits; nothing else does.
    private func ensureRelayToken(_ labels: [String: String], _ result: inout AppliedPlan) async throws {
        do {
            result.relayRenewal = try await RelayToken(api: api, link: link, labels: labels).ensure(now: .now)
        } catch let error as CancellationError {
            throw error
        } catch let error as APIError {
            throw ClusterRequestError(
                permission: Permission("patch", .secrets, namespace: ExtensionRenderer.namespace),
                subject: "\(RelayToken.reference)",
                underlying: error
            )
        } catch {
            logger.warning("no token for the relay", metadata: ["error": "\(error)"])
            result.relayTrouble = "\(error)"
            result.relayRenewal = timing.refused.seconds
        }
    }

    static func digest(_ objects: [RenderedObject]) -> String {
        var hash = SHA256()
        for object in objects { hash.update(data: Data(object.object.json.text.utf8)) }
        return hash.finalize().prefix(16).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
}

extension ObjectReference {
    /// Another object of the same kind and namespace.
    func sibling(_ name: String) -> ObjectReference {
        ObjectReference(type: type, key: ObjectKey(namespace: key.namespace, name: name))
    }
}

/// In which order objects are taken away: what others depend on goes later.
enum RemovalOrder {
    /// First to last; kinds that are not named go after the first stage, as they are what operators look after.
    private static let stages: [[ResourceType]] = [
        // A webhook whose server is gone would refuse everything.
        [webhook("validating", "Validating"), webhook("mutating", "Mutating"), apiServices],
        [],
        [.podDisruptionBudgets, .deployments, .daemonSets, .statefulSets, .jobs],
        [.services, .configMaps, .secrets],
        [.roleBindings, .clusterRoleBindings, .roles, .clusterRoles, .serviceAccounts],
        [.customResourceDefinitions],
        [.namespaces],
    ]

    private static func webhook(_ plural: String, _ kind: String) -> ResourceType {
        ResourceType(
            group: "admissionregistration.k8s.io",
            version: "v1",
            plural: plural + "webhookconfigurations",
            kind: kind + "WebhookConfiguration",
            isNamespaced: false
        )
    }

    private static let apiServices = ResourceType(
        group: "apiregistration.k8s.io",
        version: "v1",
        plural: "apiservices",
        kind: "APIService",
        isNamespaced: false
    )

    static func stage(_ type: ResourceType) -> Int { stages.firstIndex { $0.contains(type) } ?? 1 }

    /// By stage, and within one the last made first.
    static func sorted(_ objects: [ObjectReference]) -> [ObjectReference] {
        objects.reversed().enumerated()
            .sorted { (stage($0.element.type), $0.offset) < (stage($1.element.type), $1.offset) }.map(\.element)
    }

    static func grouped(_ objects: [ObjectReference]) -> [[ObjectReference]] {
        stages.indices.map { index in sorted(objects).filter { stage($0.type) == index } }.filter { !$0.isEmpty }
    }

    /// Kinds that are looked through for objects with our label, besides the inventory.
    static var labelled: [ResourceType] {
        stages.flatMap { $0 }.filter { ![.namespaces, apiServices, .jobs].contains($0) }
    }
}
