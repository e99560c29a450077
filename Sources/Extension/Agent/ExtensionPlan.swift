internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import KubeRuntime
internal import Synchronization

/// What is to be on the cluster for one set of settings.
struct ExtensionPlan: Sendable {
    var render: RenderInput
    var operation: HealthOperation
    /// What the settings mean here, and what a user should know.
    var problems: [SettingProblem]
    var remarks: [SettingProblem]

    var renderer: ExtensionRenderer { ExtensionRenderer(render) }

    /// Uses the relay, so needs its token.
    var usesRelay: Bool {
        render.components.contains { $0.nameTemplate == ComponentCatalogue.relayServer.nameTemplate }
    }

    /// Serves webhooks for Volcano's kinds itself.
    var servesAdmission: Bool {
        let component = ComponentCatalogue.volcanoAdmission
        return component.isEnabled(render.settings, render.facts) && render.availability(component) == .implemented
    }

    mutating func use(_ secrets: ComponentSecrets.Made?) {
        render.gatewaySecretsDigest = secrets?.digest ?? ""
        render.componentCA = secrets?.authority ?? ""
    }

    /// What has pods that are waited for.
    func workloads(_ objects: [RenderedObject]) -> [ObjectReference] {
        var workloads = objects.filter { ClusterWatch.workloadTypes.contains($0.type) }.map(\.reference)
        let prometheus = ComponentCatalogue.prometheus
        if render.source == .bundles, render.components.contains(where: { $0.nameTemplate == prometheus.nameTemplate })
        {
            // Made by the operator, from a resource of its own kind.
            workloads.append(
                ObjectReference(
                    type: .statefulSets,
                    key: ObjectKey(
                        namespace: ExtensionRenderer.namespace,
                        name: prometheus.name(extensionName: render.extensionName)
                    )
                )
            )
        }
        return workloads
    }
}

/// Settings and cluster → plan; reads what it needs and writes nothing.
struct ExtensionPlanner: Sendable {
    let api: any ResourceAPI
    let link: any ExtensionLink
    let profile: ClusterProfile
    let watch: ClusterWatch
    let serverVersion: ClusterFactsReading?
    let cache: AgentCache

    static let extensionType = "Microsoft.AzureML.Kubernetes"

    /// Our labels on everything that is no component's.
    func labels(_ desired: DesiredExtension) -> [String: String] {
        [
            ExtensionRenderer.managedByLabel: ExtensionRenderer.fieldManager, "app.kubernetes.io/part-of": "azureml",
            ExtensionRenderer.instanceLabel: desired.name,
        ]
    }

    /// - Throws: what is wrong with the settings, whatever the cluster.
    func settings(_ desired: DesiredExtension) throws(SettingsError) -> ExtensionSettings {
        if desired.extensionType.lowercased() != Self.extensionType.lowercased() {
            throw SettingsError(problems: [
                SettingProblem(
                    .invalidArgumentValue,
                    "extensionType",
                    "extension type '\(desired.extensionType)' is not offered here",
                    remedy: "Use \(Self.extensionType)"
                )
            ])
        }
        if let version = desired.targetVersion ?? desired.version, !version.isEmpty, version != profile.version,
            desired.image == nil
        {
            throw SettingsError(problems: [
                SettingProblem(
                    .invalidArgumentValue,
                    "version",
                    "version '\(version)' is not available; this is \(profile.version)",
                    remedy: "Leave version out, or install that version of outrigger"
                )
            ])
        }
        return try ExtensionSettings.make(
            settings: desired.settings,
            protectedSettings: desired.protectedSettings,
            allowsUnknown: desired.allowsUnknownSettings
        )
    }

    /// - Throws: `ClusterRequestError`, or what the control plane answers when it is asked for a bundle.
    func plan(
        _ desired: DesiredExtension,
        _ settings: ExtensionSettings,
        _ inventory: Inventory
    ) async throws -> ExtensionPlan {
        var profile = profile
        if let version = desired.targetVersion, !version.isEmpty { profile.version = version }
        if let image = desired.image, !image.isEmpty { profile.image = image }
        let nodes = try await nodes()
        var facts = Self.facts(nodes, clusterType: desired.clusterType, selector: settings.nodeSelector)
        if facts.distribution == ClusterDistribution.generic, let version = try await cache.version(serverVersion) {
            // Nodes come and go; the server stays what it is.
            facts.distribution = ClusterDistribution.detect(nodes: nodes, version: version)
        }
        if inventory.succeededGeneration > 0 { facts.nodeCount = max(facts.nodeCount, inventory.nodeCount) }
        var render = RenderInput(
            extensionName: desired.name,
            settings: settings,
            facts: facts,
            profile: profile
        )
        if render.source == .bundles {
            render.bundles = try await cache.objects(render.neededBundles, desired, inventory, link)
            if !settings.installPromOp {
                render.hasMonitoringAPI =
                    try await find(
                        .customResourceDefinitions,
                        PrometheusChecker.definition
                    ).map { $0.labels[ExtensionRenderer.managedByLabel] != ExtensionRenderer.fieldManager } ?? false
            }
        }
        let renderer = ExtensionRenderer(render)
        let (problems, remarks) = settings.check(facts)
        return ExtensionPlan(
            render: render,
            operation: Self.operation(inventory, version: profile.version),
            problems: problems + renderer.problems,
            remarks: remarks + renderer.remarks
        )
    }

    func check(
        _ plan: ExtensionPlan,
        _ inventory: Inventory,
        as operation: HealthOperation? = nil,
        unlisted: [ResourceType]
    ) async throws -> HealthReport {
        let start = ContinuousClock.now
        let objects = operation == .delete ? [] : plan.renderer.render()
        let known = inventory.generation > 0 ? inventory : nil
        let observation = try await HealthObserver(api: api, link: link, serverVersion: serverVersion).observe(
            operation ?? plan.operation,
            plan.render,
            objects: objects,
            inventory: known,
            unlisted: unlisted
        )
        let input = HealthInput(
            operation: operation ?? plan.operation,
            render: plan.render,
            objects: objects,
            inventory: known,
            observation: observation,
            now: .now
        )
        var checks = HealthChecker.check(input)
        let told = Set(checks.map(\.code))
        if operation != .delete {
            checks += plan.problems.filter { !told.contains($0.code.rawValue) }.map {
                HealthCheck($0, status: .failed, checked: "the settings fit the cluster")
            }
        }
        let version = (try? observation.kubernetesVersion.get()) ?? nil
        return HealthReport(
            operation: input.operation,
            date: Date.now.formatted(.iso8601),
            durationMs: Int((ContinuousClock.now - start).seconds * 1000),
            distribution: plan.render.facts.distribution,
            kubernetesVersion: version ?? "",
            checks: checks
        )
    }

    func nodes() async throws -> [KubeObject] {
        if watch.nodes.hasSynced { return watch.nodes.list() }
        do {
            return try await api.list(.nodes).items
        } catch let error as CancellationError {
            throw error
        } catch {
            throw ClusterRequestError(permission: Permission("list", .nodes), subject: "nodes", underlying: error)
        }
    }

    private func find(_ type: ResourceType, _ name: String) async throws -> KubeObject? {
        do {
            return try await api.find(type, name: name)
        } catch let error as CancellationError {
            throw error
        } catch {
            throw ClusterRequestError(
                permission: Permission("get", type),
                subject: "\(type.kind.lowercased()) \(name)",
                underlying: error
            )
        }
    }

    /// Counts nodes that components may run on; those that are only cordoned count, so that maintenance changes nothing.
    static func facts(_ nodes: [KubeObject], clusterType: String, selector: [String: String]) -> ClusterFacts {
        let usable = nodes.filter { node in
            let taints = node["spec", "taints"]?.arrayValue ?? []
            let isReserved = taints.contains { $0["key"]?.stringValue?.hasPrefix("node-role.kubernetes.io/") == true }
            return !isReserved && selector.allSatisfy { node.labels[$0.key] == $0.value }
        }
        return ClusterFacts(
            clusterType: ClusterFacts.ClusterType(name: clusterType) ?? .connected,
            nodeCount: usable.count,
            distribution: ClusterDistribution.detect(nodes: nodes)
        )
    }

    static func operation(_ inventory: Inventory, version: String) -> HealthOperation {
        guard inventory.succeededGeneration > 0 else { return .install }
        guard let before = inventory.version, before != version else { return .upgrade }
        return version.compare(before, options: .numeric) == .orderedAscending ? .rollback : .upgrade
    }
}

/// What does not change while the agent runs, so that it is asked for once: upstream's releases as the control plane gave them, and
/// the server's version.
final class AgentCache: Sendable {
    private let serverVersion = Mutex<String?>(nil)

    func version(_ read: ClusterFactsReading?) async throws -> String? {
        if let known = serverVersion.withLock({ $0 }) { return known }
        guard let version = try await read?() else { return nil }
        serverVersion.withLock { $0 = version }
        return version
    }

    private let known = Mutex<[String: [KubeObject]]>([:])
    /// Releases that the control plane does not have, by the generation that asked for them.
    private let absent = Mutex<[String: Int]>([:])

    func objects(
        _ references: [BundleReference],
        _ desired: DesiredExtension,
        _ inventory: Inventory,
        _ link: any ExtensionLink
    ) async throws -> [String: [KubeObject]] {
        var found: [String: [KubeObject]] = [:]
        for reference in references {
            let key = reference.description
            if let objects = known.withLock({ $0[key] }) {
                found[reference.component] = objects
                continue
            }
            if absent.withLock({ $0[key] }) == desired.generation { continue }
            let objects: [JSON]?
            do {
                objects = try await link.bundle(reference.component, version: reference.version)
            } catch let error as CancellationError {
                throw error
            } catch {
                throw ExtensionError("the control plane does not hand out bundle \(reference): \(error)")
            }
            guard let objects else {
                // To fall back to less than what runs would be no favour.
                if inventory.bundles.contains(key) {
                    throw ExtensionError(
                        "bundle \(reference) is installed and the control plane has it no more; run `outrigger bundle pull \(reference.component)`"
                    )
                }
                absent.withLock { $0[key] = desired.generation }
                continue
            }
            let typed = objects.map { KubeObject($0) }
            known.withLock { $0[key] = typed }
            found[reference.component] = typed
        }
        return found
    }
}
