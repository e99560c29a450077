package import KubeCore
internal import KubeRuntime
package import Logging
internal import ServiceLifecycle
internal import Synchronization

/// The node agent: runs the pods that are bound to its node, and answers for their logs and commands.
///
/// Pods outlive it: when `run()` ends their containers go on under their monitors, and the next agent of the same node
/// takes them over from disk.
package final class NodeAgent: Service {
    private let configuration: NodeAgentConfiguration
    private let environment: PodEnvironment
    private let informer: Informer
    private let registration: NodeRegistration
    private let server: NodeServer
    private let logger: Logger
    private let workers = Mutex<[String: PodWorker]>([:])

    /// - Throws: `NodeAgentError` when the image table is broken or the data folder cannot be used.
    package init(
        configuration given: NodeAgentConfiguration,
        api: any ResourceAPI,
        network: any PodNetwork,
        logger: Logger
    ) throws {
        var configuration = given
        configuration.dataDirectory = Files.canonical(given.dataDirectory)
        self.configuration = configuration
        self.logger = logger
        let paths = NodePaths(dataDirectory: configuration.dataDirectory, nodeName: configuration.nodeName)
        for folder in [paths.node, paths.pods, paths.run, paths.namespaces, paths.runcRoot, paths.podLogs] {
            try Files.makeDirectory(folder, mode: 0o711)
        }
        try Files.writeAtomically(paths.bootID, Array(Machine.bootID.utf8))
        let table = try ImageTable.load(path: paths.images)
        let runtime = ContainerRuntime(configuration: configuration, paths: paths)
        let objects = APIObjects(api: api)
        let allocatable = NodeRegistration.capacity(configuration)
        environment = PodEnvironment(
            configuration: configuration,
            paths: paths,
            api: api,
            runtime: runtime,
            sandbox: SandboxRuntime(configuration: configuration, paths: paths, network: network),
            volumes: VolumeRuntime(paths: paths, api: api),
            images: ImageStore(
                table: table,
                mapUnknownImages: configuration.mapUnknownImages,
                layerFolder: paths.data + "/blobs/layers",
                monitor: configuration.monitor
            ),
            objects: objects,
            tokens: TokenCache(api: api),
            preparation: ContainerPreparation(
                configuration: configuration,
                paths: paths,
                runtime: runtime,
                objects: objects,
                allocatable: allocatable
            ),
            probes: ProbeRunner(runtime: runtime),
            events: EventSink(api: api, nodeName: configuration.nodeName, logger: logger),
            gpus: GPUAllocator(present: HostDevices.gpuIndexes()),
            watcher: try ExitWatcher(),
            logger: logger
        )
        informer = Informer(
            api: api,
            type: .pods,
            fieldSelector: "spec.nodeName=" + configuration.nodeName,
            logger: logger
        )
        registration = NodeRegistration(
            configuration: configuration,
            paths: paths,
            api: api,
            images: table,
            logger: logger
        )
        server = NodeServer(
            socketPath: paths.socket,
            backend: ContainerAccess(paths: paths, runtime: runtime),
            logger: logger
        )
    }

    /// Runs until graceful shutdown or cancellation; containers are left running.
    package func run() async throws {
        let (arrivals, arrival) = AsyncStream.makeStream(of: PodWorker.self)
        informer.onEvent { event in self.take(event, arrival) }
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.environment.events.run() }
                group.addTask { await self.registration.run() }
                group.addTask { await self.serve() }
                group.addTask { await self.watchPods() }
                group.addTask { await self.adoptLeftovers(arrival) }
                for await worker in arrivals {
                    group.addTask {
                        await worker.run()
                        await self.forget(worker)
                    }
                }
                group.cancelAll()
            }
        }
        do {
            try await environment.probes.shutdown()
        } catch {
            logger.debug("probe client not closed", metadata: ["error": "\(error)"])
        }
    }

    private func watchPods() async {
        do {
            try await informer.run()
        } catch {
            logger.debug("pod watch ended", metadata: ["error": "\(error)"])
        }
    }

    private func serve() async {
        var backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(10))
        while !Task.isCancelled {
            do {
                try await server.run()
                return
            } catch {
                if Task.isCancelled { return }
                logger.error("node socket failed", metadata: ["error": "\(error)"])
                guard await sleepUnlessCancelled(backoff.next()) else { return }
            }
        }
    }

    /// Pods on disk that the API no longer knows end here; then the network may free what belongs to nobody.
    private func adoptLeftovers(_ arrival: AsyncStream<PodWorker>.Continuation) async {
        do {
            try await informer.waitForSync()
        } catch {
            return
        }
        let paths = environment.paths
        for uid in Files.list(paths.pods) {
            guard let record = PodRecord.load(paths.pod(uid).record) else {
                // Nothing was started for a folder without a record.
                do {
                    try Mounts.unmountAll(below: paths.pod(uid).root)
                    try Files.remove(paths.pod(uid).root)
                } catch {
                    logger.warning("pod folder not removed", metadata: ["uid": "\(uid)", "error": "\(error)"])
                }
                continue
            }
            let worker = workers.withLock { workers -> PodWorker? in
                guard workers[uid] == nil else { return nil }
                let worker = PodWorker(KubeObject(record.pod), isGone: true, environment: environment)
                workers[uid] = worker
                return worker
            }
            if let worker { arrival.yield(worker) }
        }
        do {
            try await environment.sandbox.network.retain(podUIDs: Set(workers.withLock { $0.keys }))
        } catch {
            logger.warning("pod network not cleared of leftovers", metadata: ["error": "\(error)"])
        }
    }

    /// Called by the informer, one event after the other.
    private func take(_ event: InformerEvent, _ arrival: AsyncStream<PodWorker>.Continuation) {
        switch event {
        case .added(let pod), .updated(_, let pod):
            // The same name may come back as another pod between two lists.
            if case .updated(let old, _) = event, old.uid != pod.uid { leave(old.uid) }
            let (worker, isNew) = workers.withLock { workers -> (PodWorker, Bool) in
                if let worker = workers[pod.uid] { return (worker, false) }
                let worker = PodWorker(pod, isGone: false, environment: environment)
                workers[pod.uid] = worker
                return (worker, true)
            }
            if isNew {
                arrival.yield(worker)
            } else {
                // Informer handlers are synchronous; the worker orders versions itself.
                Task { await worker.update(pod) }
            }
        case .deleted(let pod): leave(pod.uid)
        }
    }

    private func leave(_ uid: String) {
        guard let worker = workers.withLock({ $0[uid] }) else { return }
        // Informer handlers are synchronous; leaving is final and needs no order.
        Task { await worker.leave() }
    }

    private func forget(_ worker: PodWorker) async {
        guard !Task.isCancelled else { return }
        let uid = await worker.pod.uid
        workers.withLock { workers in
            if workers[uid] === worker { workers[uid] = nil }
        }
    }
}
