package import ControlPlaneAPI
package import KubeCore
internal import KubeRuntime
package import Logging
internal import ServiceLifecycle
internal import Synchronization

/// Keeps the extensions of one cluster as the control plane wants them: installs, updates, removes, restores what was
/// changed by hand, answers questions, and reports.
///
/// State is the cluster's; it may be killed at any time. Several agents may look after one cluster: an extension belongs to
/// the one that claimed it. Of one extension there must be one agent only.
package final class ExtensionAgent: Service {
    private let link: any ExtensionLink
    private let logger: Logger
    private let watch: ClusterWatch
    private let reconciler: ExtensionReconciler
    private let controller: Controller
    private let desired: DesiredSet
    private let heartbeat: Heartbeat
    private let requests: RequestAnswerer

    /// `api`: the cluster's API, with the rights to make everything that components need.
    ///
    /// `podLogs`: for evidence and diagnoses; without it they hold no logs. `serverVersion`: without it the nodes' version is taken.
    package init(
        link: any ExtensionLink,
        api: any ResourceAPI,
        profile: ClusterProfile,
        podLogs: PodLogReading? = nil,
        serverVersion: ClusterFactsReading? = nil,
        timing: AgentTiming = AgentTiming(),
        logger: Logger
    ) {
        var logger = logger
        logger[metadataKey: "component"] = "extension-agent"
        self.link = link
        self.logger = logger
        let watch = ClusterWatch(api: api, logger: logger)
        let planner = ExtensionPlanner(
            api: api,
            link: link,
            profile: profile,
            watch: watch,
            serverVersion: serverVersion,
            cache: AgentCache()
        )
        let desired = DesiredSet()
        let reconciler = ExtensionReconciler(
            api: api,
            link: link,
            profile: profile,
            watch: watch,
            planner: planner,
            evidence: EvidenceCollector(
                api: api,
                watch: watch,
                podLogs: podLogs,
                redaction: { desired.redaction.apply($0) }
            ),
            timing: timing,
            logger: logger
        )
        controller = Controller(name: "extension", workers: 1, logger: logger) { key in
            guard let wanted = desired.extension(key.name) else {
                reconciler.forget(key.name)
                return .settled
            }
            return try await reconciler.reconcile(wanted)
        }
        self.watch = watch
        self.reconciler = reconciler
        self.desired = desired
        heartbeat = Heartbeat(
            api: api,
            link: link,
            serverVersion: serverVersion,
            agentVersion: profile.version,
            interval: timing.heartbeat,
            logger: logger
        )
        requests = RequestAnswerer(
            link: link,
            answers: AgentAnswers(api: api, planner: planner, watch: watch, podLogs: podLogs),
            logger: logger
        )
        let queue = controller.queue
        watch.onChange { reference, version in
            reconciler.notice(reference, version: version)
        } woken: {
            for name in desired.ids { queue.add(ObjectKey(name: name)) }
        }
    }

    package func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            // The controller does not wait for the informers: that the cluster does not answer is to be reported too.
            for informer in watch.informers { group.addTask { try await informer.run() } }
            group.addTask { try await self.controller.run() }
            group.addTask { await cancelWhenGracefulShutdown { await self.heartbeat.run() } }
            group.addTask { await cancelWhenGracefulShutdown { await self.follow() } }
            try await group.waitForAll()
        }
    }

    private func follow() async {
        await withDiscardingTaskGroup { group in
            for await work in await link.work() {
                for name in desired.replace(work.extensions) { controller.queue.add(ObjectKey(name: name)) }
                for request in requests.take(work.requests) {
                    group.addTask { await self.requests.answer(request) }
                }
            }
        }
    }
}

/// The newest set the control plane sent.
final class DesiredSet: Sendable {
    private let extensions = Mutex<[String: DesiredExtension]>([:])

    var ids: [String] { extensions.withLock { Array($0.keys) } }

    func `extension`(_ id: String) -> DesiredExtension? { extensions.withLock { $0[id] } }

    /// Takes the protected settings of all out of texts.
    var redaction: Redaction {
        Redaction(extensions.withLock { $0.values.flatMap { Array($0.protectedSettings.values) } })
    }

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
