internal import KubeCore
internal import Logging

/// Writes into aggregated ClusterRoles the rules of the roles that they select.
struct RoleAggregation: Sendable {
    let api: any ResourceAPI
    let authorizer: Authorizer
    let logger: Logger

    /// Goes on until the task is cancelled; each change of a ClusterRole is looked at.
    func run() async {
        while !Task.isCancelled {
            do {
                let version = try await api.list(.clusterRoles).resourceVersion
                try await update()
                for try await _ in try await api.watch(
                    .clusterRoles,
                    namespace: nil,
                    options: WatchOptions(resourceVersion: version, allowBookmarks: false)
                ) {
                    try await update()
                }
            } catch {
                if Task.isCancelled { return }
                logger.debug("role aggregation starts over", metadata: ["error": "\(error)"])
            }
            // The store may be closing; without a pause this would spin until the task is cancelled.
            do { try await Task.sleep(for: .milliseconds(100)) } catch { return }
        }
    }

    func update() async throws {
        // Computed from the listing itself: the authorizer's own view may be a moment older.
        var index = RBACIndex()
        let roles = try await api.list(.clusterRoles).items
        for role in roles { index.setClusterRole(role.name, role) }
        for role in roles where role["aggregationRule"] != nil {
            guard let rules = index.aggregatedRules(role.name) else { continue }
            let wanted: [JSON] = rules.map(\.json)
            if role["rules"]?.arrayValue ?? [] == wanted { continue }
            var changed = role
            changed["rules"] = .array(wanted)
            do {
                try await api.update(
                    .clusterRoles,
                    changed,
                    options: WriteOptions(fieldManager: "clusterrole-aggregation")
                )
            } catch let error as APIError where error.isConflict || error.isNotFound {
                continue
            }
        }
    }
}
