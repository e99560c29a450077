internal import Foundation
internal import KubeCore
internal import MLTypes

/// What users have of ours, taken away only when all is to be purged.
extension ExtensionReconciler {
    private static let managedBy = MLLabels.managedBy + "=outrigger"

    /// Jobs, endpoints and their like in all namespaces, while their operators still run to end them; what is left.
    func purgeUserObjects(strips: Bool) async throws -> [String] {
        var remaining: [String] = []
        for type in UserKinds.all + [MLResources.volcanoJobs, MLResources.podGroups] {
            let items: [KubeObject]
            do {
                items = try await api.list(type, namespace: nil, options: ListOptions()).items
            } catch let error as APIError where error.isNotFound {
                continue
            }
            // Jobs of Volcano's may be somebody else's.
            let isVolcano = type.group.hasSuffix(".volcano.sh")
            for item in items where !isVolcano || item.labels.keys.contains(where: { $0.hasPrefix("ml.azure.com/") }) {
                let reference = ObjectReference(type: type, key: item.key)
                let isGone = try await applier.remove(reference, requiresManagedLabel: false, strips: strips)
                if !isGone { remaining.append(reference.description) }
            }
        }
        return remaining
    }

    /// Secrets and ConfigMaps that were made for users' jobs and endpoints, in all namespaces.
    func purgeLeftovers() async throws {
        for type in [ResourceType.secrets, .configMaps] {
            let items = try await api.list(
                type,
                namespace: nil,
                options: ListOptions(labelSelector: Self.managedBy)
            ).items
            for item in items {
                _ = try await applier.remove(
                    ObjectReference(type: type, key: item.key),
                    requiresManagedLabel: false
                )
            }
        }
    }
}
