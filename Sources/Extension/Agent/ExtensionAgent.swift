package import ControlPlaneAPI
package import KubeCore
internal import KubeRuntime
package import Logging
internal import ServiceLifecycle
internal import Synchronization

/// Keeps the extensions of one cluster as the control plane wants them: installs, updates, removes, restores what was
/// changed by hand, and reports.
///
/// State is the cluster's; it may be killed at any time.
package final class ExtensionAgent: Service {
    private let link: any ExtensionLink
    private let logger: Logger
    private let reconciler: ExtensionReconciler
    private let deployments: Informer
    private let services: Informer
    private let pods: Informer
    private let nodes: Informer
    private let controller: Controller
    private let desired: DesiredSet

    /// `api`: the cluster's API, with the rights to make everything that components need.
    package init(link: any ExtensionLink, api: any ResourceAPI, profile: ClusterProfile, logger: Logger) {
        var logger = logger
        logger[metadataKey: "component"] = "extension-agent"
        self.link = link
        self.logger = logger
        let namespace = ExtensionRenderer.namespace
        let ours = "\(ExtensionRenderer.managedByLabel)=\(ExtensionRenderer.fieldManager)"
        let deployments = Informer(
            api: api,
            type: .deployments,
            namespace: namespace,
            labelSelector: ours,
            logger: logger
        )
        let services = Informer(api: api, type: .services, namespace: namespace, labelSelector: ours, logger: logger)
        let pods = Informer(
            api: api,
            type: .pods,
            namespace: namespace,
            labelSelector: "ml.azure.com/amlarc-system=true",
            logger: logger
        )
        pods.addIndex("component") { [$0.labels[ExtensionRenderer.componentLabel] ?? ""] }
        let nodes = Informer(api: api, type: .nodes, logger: logger)
        let reconciler = ExtensionReconciler(
            api: api,
            profile: profile,
            reporter: ExtensionReporter(link: link),
            logger: logger
        )
        let desired = DesiredSet()
        controller = Controller(name: "extension", workers: 1, logger: logger) { key in
            guard let wanted = desired.extension(key.name) else {
                reconciler.forget(key.name)
                return .settled
            }
            if wanted.isDeleting { return try await reconciler.remove(wanted) }
            return try await reconciler.install(wanted) { input in
                let renderer = ExtensionRenderer(input)
                return renderer.components.map { component in
                    let name = renderer.name(component)
                    return ComponentReadiness.evaluate(
                        name: name,
                        deployment: deployments.get(ObjectKey(namespace: namespace, name: name)),
                        pods: pods.list(index: "component", value: name)
                    )
                }
            }
        }
        self.deployments = deployments
        self.services = services
        self.pods = pods
        self.nodes = nodes
        self.reconciler = reconciler
        self.desired = desired
        watchCluster()
    }

    private func watchCluster() {
        let queue = controller.queue
        let desired = desired
        let reconciler = reconciler
        @Sendable func wakeAll() {
            for name in desired.ids { queue.add(ObjectKey(name: name)) }
        }
        for informer in [deployments, services] {
            let type = informer.type
            informer.onEvent { event in
                let reference = ObjectReference(type: type, key: event.object.key)
                switch event {
                case .deleted: _ = reconciler.notice(reference, generation: nil)
                case .updated(let old, let new) where old.generation != new.generation:
                    _ = reconciler.notice(reference, generation: new.generation)
                default: break
                }
                wakeAll()
            }
        }
        pods.onEvent { _ in wakeAll() }
        nodes.onEvent { event in
            // Heartbeats of nodes change nothing here.
            if case .updated(let old, let new) = event, old["spec"] == new["spec"] { return }
            wakeAll()
        }
    }

    package func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            let manager = ControllerManager(
                informers: [deployments, services, pods, nodes],
                controllers: [controller]
            )
            group.addTask { try await manager.run() }
            group.addTask { await self.follow() }
            try await group.waitForAll()
        }
    }

    private func follow() async {
        await cancelWhenGracefulShutdown {
            let stream = await self.link.desired()
            for await set in stream {
                for name in self.desired.replace(set) { self.controller.queue.add(ObjectKey(name: name)) }
            }
        }
    }
}

/// The newest set the control plane sent.
private final class DesiredSet: Sendable {
    private let extensions = Mutex<[String: DesiredExtension]>([:])

    var ids: [String] { extensions.withLock { Array($0.keys) } }

    func `extension`(_ id: String) -> DesiredExtension? { extensions.withLock { $0[id] } }

    /// Returns the ids that appeared, changed or vanished.
    func replace(_ set: [DesiredExtension]) -> [String] {
        extensions.withLock { present in
            let new = Dictionary(set.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
            let changed = Set(new.keys).union(present.keys).filter { new[$0] != present[$0] }
            present = new
            return Array(changed)
        }
    }
}
