internal import KubeCore
internal import Logging
internal import Synchronization

/// Decides by the roles and bindings that the registry holds, which it follows.
final class Authorizer: Sendable {
    private let index = Mutex(RBACIndex())
    private let api: any ResourceAPI
    private let logger: Logger

    private static let types: [ResourceType] = [.roles, .clusterRoles, .roleBindings, .clusterRoleBindings]

    init(api: any ResourceAPI, logger: Logger) {
        self.api = api
        self.logger = logger
    }

    var snapshot: RBACIndex { index.withLock { $0 } }

    /// - Throws: 403 in upstream's words.
    func authorize(_ attributes: AuthorizationAttributes) throws(APIError) {
        if attributes.user.isMaster { return }
        let decision = snapshot.decide(attributes)
        guard decision.isAllowed else { throw attributes.forbidden(detail: Self.detail(decision.problems)) }
    }

    static func detail(_ problems: [String]) -> String {
        problems.isEmpty
            ? "" : "RBAC: " + (problems.count == 1 ? problems[0] : "[" + problems.joined(separator: ", ") + "]")
    }

    /// Reads everything that is there now.
    func load() async throws {
        for type in Self.types { _ = try await reload(type) }
    }

    /// Follows all changes until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            for type in Self.types {
                group.addTask { await self.follow(type) }
            }
        }
    }

    private func follow(_ type: ResourceType) async {
        while !Task.isCancelled {
            do {
                let version = try await reload(type)
                for try await event in try await api.watch(
                    type,
                    namespace: nil,
                    options: WatchOptions(resourceVersion: version, allowBookmarks: false)
                ) {
                    switch event {
                    case .added(let object), .modified(let object): set(type, object.key, object)
                    case .deleted(let object): set(type, object.key, nil)
                    case .bookmark: break
                    }
                }
            } catch {
                if Task.isCancelled { return }
                logger.debug("role watch failed", metadata: ["resource": "\(type)", "error": "\(error)"])
            }
            // The store may be closing; without a pause this would spin until the task is cancelled.
            do { try await Task.sleep(for: .milliseconds(100)) } catch { return }
        }
    }

    private func reload(_ type: ResourceType) async throws -> String {
        let list = try await api.list(type)
        index.withLock { index in
            let present = Set(list.items.map(\.key))
            for key in index.keys(of: type) where !present.contains(key) { index.set(type, key, nil) }
            for object in list.items { index.set(type, object.key, object) }
        }
        return list.resourceVersion
    }

    private func set(_ type: ResourceType, _ key: ObjectKey, _ object: KubeObject?) {
        index.withLock { $0.set(type, key, object) }
    }
}

extension RBACIndex {
    mutating func set(_ type: ResourceType, _ key: ObjectKey, _ object: KubeObject?) {
        switch type {
        case .roles: setRole(key, object)
        case .clusterRoles: setClusterRole(key.name, object)
        default: setBinding(key, object)
        }
    }
}
