internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import MLTypes

/// Looks at a cluster for the health checks; reads only.
struct HealthObserver: Sendable {
    let api: any ResourceAPI
    let link: any ExtensionLink
    let serverVersion: ClusterFactsReading?

    static let agentNamespace = "azure-arc"
    static let agentName = "outrigger-agent"

    private func seen<T: Sendable>(_ look: () async throws -> T) async throws -> ClusterObservation.Seen<T> {
        do {
            return .success(try await look())
        } catch let error as CancellationError {
            throw error
        } catch {
            return .failure(error)
        }
    }

    /// - Throws: `CancellationError` only.
    func observe(
        _ operation: HealthOperation,
        _ render: RenderInput,
        objects: [RenderedObject],
        inventory: Inventory?,
        unlisted: [ResourceType]
    ) async throws -> ClusterObservation {
        let namespace = ExtensionRenderer.namespace
        var seen = ClusterObservation()
        seen.nodes = try await self.seen { try await all(.nodes) }
        seen.kubernetesVersion = try await self.seen {
            if let serverVersion { return try await serverVersion() }
            return ClusterDistribution.kubernetesVersion(nodes: try seen.nodes.get())
        }
        seen.namespace = try await self.seen { try await api.find(.namespaces, name: namespace) }
        seen.controlPlane = try await self.seen {
            let nodes = (try? seen.nodes.get()) ?? []
            let version = (try? seen.kubernetesVersion.get()) ?? ""
            try await link.heartbeat(
                ClusterHeartbeat(
                    kubernetesVersion: version,
                    distribution: ClusterDistribution.detect(nodes: nodes, version: version),
                    nodeCount: nodes.count,
                    agentVersion: render.profile.version
                )
            )
            return true
        }
        seen.unlisted = unlisted.map(\.groupResource)
        seen.agent = try await self.seen { try await agent() }
        try await observeRights(operation, objects, inventory, &seen)
        if operation == .delete {
            seen.userObjects = try await self.seen { try await userObjects() }
            return seen
        }
        seen.deployments = try await self.seen { try await all(.deployments) }
        seen.daemonSets = try await self.seen { try await all(.daemonSets) }
        seen.services = try await self.seen { try await all(.services) }
        seen.pods = try await self.seen { try await all(.pods, namespace: namespace) }
        seen.workloadNamespace = try await self.seen { try await api.find(.namespaces, name: "default") }
        seen.routerV1Role = try await self.seen { try await api.find(.clusterRoles, name: RouterV1Checker.role) }
        seen.routerV1Binding = try await self.seen {
            try await api.find(.clusterRoleBindings, name: RouterV1Checker.binding)
        }
        seen.instanceTypes = try await self.seen {
            do { return try await all(MLResources.instanceTypes) } catch let error as APIError where error.isNotFound {
                return []
            }
        }
        seen.secrets = try await self.seen { try await secrets(render.settings) }
        seen.present = try await self.seen { try await present(objects, inventory) }
        return seen
    }

    private func all(_ type: ResourceType, namespace: String? = nil) async throws -> [KubeObject] {
        var items: [KubeObject] = []
        var token: String?
        repeat {
            let page = try await api.list(
                type,
                namespace: namespace,
                options: ListOptions(limit: 500, continueToken: token)
            )
            items += page.items
            token = page.continueToken
        } while token != nil
        return items
    }

    /// The agent's own deployment and pods, when it runs in the cluster.
    private func agent() async throws -> [KubeObject] {
        let deployment = try await api.find(.deployments, namespace: Self.agentNamespace, name: Self.agentName)
        guard let deployment, let labels = deployment["spec", "selector", "matchLabels"]?.stringMap else { return [] }
        let selector = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        let pods = try await api.list(
            .pods,
            namespace: Self.agentNamespace,
            options: ListOptions(labelSelector: selector)
        )
        return [deployment] + pods.items
    }

    private func secrets(_ settings: ExtensionSettings) async throws -> [String: KubeObject?] {
        var found: [String: KubeObject?] = [:]
        for name in [settings.certificatePair == nil ? settings.sslSecret : nil, settings.imagePullSecret] {
            guard let name else { continue }
            found[name] = .some(try await api.find(.secrets, namespace: ExtensionRenderer.namespace, name: name))
        }
        return found
    }

    /// Live state of what would be applied and is not known to be ours.
    private func present(
        _ objects: [RenderedObject],
        _ inventory: Inventory?
    ) async throws -> [ObjectReference: KubeObject] {
        let known = Set(inventory?.objects ?? [])
        var wanted = objects.map(\.reference).filter { !known.contains($0) }
        wanted += (VolcanoChecker.names + [PrometheusChecker.definition]).map {
            ObjectReference(type: .customResourceDefinitions, key: ObjectKey(name: $0))
        }
        return try await withThrowingTaskGroup(of: (ObjectReference, KubeObject?).self) { group in
            var found: [ObjectReference: KubeObject] = [:]
            for (index, reference) in wanted.enumerated() {
                if index >= 8, let (key, object) = try await group.next() { found[key] = object }
                group.addTask {
                    let key = reference.key
                    return (
                        reference, try await api.find(reference.type, namespace: key.namespace, name: key.name)
                    )
                }
            }
            for try await (key, object) in group { found[key] = object }
            return found
        }
    }

    private func observeRights(
        _ operation: HealthOperation,
        _ objects: [RenderedObject],
        _ inventory: Inventory?,
        _ seen: inout ClusterObservation
    ) async throws {
        let review = AccessReview(api: api)
        let needed =
            operation == .delete
            ? NeededPermissions.toRemove(inventory?.objects ?? []) : NeededPermissions.toApply(objects)
        seen.missingPermissions = try await self.seen { try await review.missing(needed) }
        if case .success(let missing) = seen.missingPermissions, !missing.isEmpty {
            if case .success(let user) = try await self.seen({ try await review.user() }) { seen.user = user }
        }
    }

    private func userObjects() async throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for type in UserKinds.all {
            do {
                counts[type.plural] = try await all(type).count
            } catch let error as APIError where error.isNotFound {
                continue
            }
        }
        return counts
    }
}

/// Kinds of ours that users make, in the order in which they are taken away.
enum UserKinds {
    static let all: [ResourceType] = [
        MLResources.onlineDeployments, MLResources.onlineEndpoints, MLResources.amlJobs, MLResources.instanceTypes,
    ]
}

/// What the agent has to be allowed.
enum NeededPermissions {
    /// Each kind once per namespace, in the order of `objects`; and what the roles among them grant.
    static func toApply(_ objects: [RenderedObject]) -> [Permission] {
        var wanted: [Permission] = []
        for object in objects {
            for verb in ["get", "create", "patch", "delete"] {
                wanted.append(Permission(verb, object.type, namespace: object.object.namespace))
            }
        }
        for type in [ResourceType.nodes, .customResourceDefinitions] { wanted.append(Permission("list", type)) }
        for type in ClusterWatch.workloadTypes + [.pods, .services, .configMaps, .secrets] {
            for verb in ["list", "watch"] {
                wanted.append(Permission(verb, type, namespace: ExtensionRenderer.namespace))
            }
        }
        return unique(wanted + objects.flatMap(granted))
    }

    static func toRemove(_ objects: [ObjectReference]) -> [Permission] {
        unique(
            objects.flatMap { object in
                ["get", "delete"].map { Permission($0, object.type, namespace: object.key.namespace) }
            }
        )
    }

    /// Nobody may grant what he does not have; for single objects or with stars only the server can tell.
    private static func granted(_ rendered: RenderedObject) -> [Permission] {
        guard rendered.type == .clusterRoles || rendered.type == .roles else { return [] }
        if rendered.object.labels[ExtensionRenderer.bundleLabel] != nil {
            // Upstream's roles are not known beforehand, so the agent has leave to write exactly these.
            return [
                Permission(
                    "escalate",
                    rendered.type,
                    namespace: rendered.object.namespace,
                    name: rendered.object.name
                )
            ]
        }
        var permissions: [Permission] = []
        for rule in rendered.object["rules"]?.arrayValue ?? [] where rule["resourceNames"] == nil {
            for group in rule["apiGroups"]?.stringArray ?? [] {
                for resource in rule["resources"]?.stringArray ?? [] {
                    for verb in rule["verbs"]?.stringArray ?? [] {
                        permissions.append(
                            Permission(
                                verb,
                                group: group,
                                resource: resource,
                                namespace: rendered.object.namespace
                            )
                        )
                    }
                }
            }
        }
        return permissions
    }

    private static func unique(_ permissions: [Permission]) -> [Permission] {
        var known: Set<Permission> = []
        return permissions.filter { known.insert($0).inserted }
    }
}
