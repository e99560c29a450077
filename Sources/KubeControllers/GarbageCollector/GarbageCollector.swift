internal import KubeCore
internal import KubeRuntime
internal import Logging
internal import ServiceLifecycle
internal import Synchronization

/// Deletes objects whose owners are gone, and carries out foreground and orphaning deletion.
///
/// Watches every kind that `discover` names; asks for the kinds again when custom resource definitions change.
final class GarbageCollector: Service {
    private struct State {
        var graph = OwnerGraph()
        var kinds: [ResourceType] = []
        var monitored: Set<String> = []
        var listed: Set<String> = []
        /// Looks that wait until every kind was listed once.
        var early: Set<String> = []
        var isComplete = false
    }

    private let context: ControllerContext
    private let discover: @Sendable () async throws -> [ResourceType]
    private let state = Mutex(State())
    private let definitionsChanged = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private let queue: Controller

    init(context: ControllerContext, discover: @escaping @Sendable () async throws -> [ResourceType]) {
        self.context = context
        self.discover = discover
        let holder = CollectorHolder()
        queue = Controller(name: "garbage-collector", workers: 8, logger: context.logger) { key in
            guard let collector = holder.collector else { return .settled }
            return try await collector.look(at: key.name)
        }
        holder.set(self)
        let signal = definitionsChanged.continuation
        context.informers.definitions.onEvent { _ in signal.yield() }
    }

    func run() async throws {
        let queue = self.queue
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await queue.run() }
            group.addTask { await cancelWhenGracefulShutdown { await self.runMonitors() } }
            try await group.waitForAll()
        }
    }

    private func runMonitors() async {
        await withTaskGroup(of: Void.self) { group in
            var backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(30))
            var changes = definitionsChanged.stream.makeAsyncIterator()
            while !Task.isCancelled {
                do {
                    let fresh = try await refresh()
                    backoff.reset()
                    for type in fresh { group.addTask { await self.monitor(type) } }
                } catch is CancellationError {
                    break
                } catch {
                    context.logger.debug("kinds not listed", metadata: ["error": "\(error)"])
                    guard await sleepUnlessCancelled(backoff.next()) else { break }
                    continue
                }
                guard await changes.next() != nil else { break }
                // Definitions come in groups, and a new one is served a moment after it is stored.
                guard await sleepUnlessCancelled(.milliseconds(300)) else { break }
            }
            group.cancelAll()
        }
    }

    /// The kinds that have no monitor yet; they count as monitored from now on.
    private func refresh() async throws -> [ResourceType] {
        var seen: Set<String> = []
        let kinds = try await discover().filter { type in
            // Events own nothing, are owned by nothing, and are many.
            type.plural != "events" && seen.insert(type.groupResource).inserted
        }
        return state.withLock { state in
            let served = Set(kinds.map(\.groupResource))
            for gone in state.kinds where !served.contains(gone.groupResource) {
                for uid in state.graph.uids(of: gone) { enqueue(state.graph.remove(uid: uid), &state) }
            }
            state.kinds = kinds
            let fresh = kinds.filter { !state.monitored.contains($0.groupResource) }
            state.monitored.formUnion(fresh.map(\.groupResource))
            return fresh
        }
    }

    private func monitor(_ type: ResourceType) async {
        let name = type.groupResource
        let monitor = MetadataMonitor(
            api: context.api,
            type: type,
            isServed: { [self] in state.withLock { $0.kinds.contains { $0.groupResource == name } } },
            onChange: { [self] change in apply(change, type) }
        )
        await monitor.run()
        state.withLock { state in
            state.monitored.remove(name)
            state.listed.remove(name)
        }
    }

    private func apply(_ change: MetadataMonitor.Change, _ type: ResourceType) {
        state.withLock { state in
            switch change {
            case .present(let object): enqueue(state.graph.upsert(type, object), &state)
            case .gone(let uid): enqueue(state.graph.remove(uid: uid), &state)
            case .listed(let uids):
                for uid in state.graph.uids(of: type) where !uids.contains(uid) {
                    enqueue(state.graph.remove(uid: uid), &state)
                }
                state.listed.insert(type.groupResource)
                completeIfListed(&state)
            }
        }
    }

    private func completeIfListed(_ state: inout State) {
        guard !state.isComplete, state.kinds.allSatisfy({ state.listed.contains($0.groupResource) }) else { return }
        state.isComplete = true
        let early = state.early
        state.early = []
        enqueue(early, &state)
    }

    private func enqueue(_ uids: Set<String>, _ state: inout State) {
        guard state.isComplete else {
            state.early.formUnion(uids)
            return
        }
        for uid in uids { queue.queue.add(ObjectKey(name: uid)) }
    }

    private func look(at uid: String) async throws -> ReconcileOutcome {
        let (node, dependents) = state.withLock { ($0.graph.nodes[uid], $0.graph.dependents(of: uid)) }
        guard let node else { return .settled }
        guard let object = try await context.api.find(node.type, namespace: node.key.namespace, name: node.key.name),
            object.uid == uid
        else {
            // The watch event for its end is on its way, or was lost with a list.
            state.withLock { enqueue($0.graph.remove(uid: uid), &$0) }
            return .settled
        }
        let live = OwnerGraph.Node(type: node.type, object: object)
        if live.orphansDependents { return try await orphan(object, node.type, dependents) }
        if live.waitsForDependents { return try await finishForeground(object, node.type, dependents) }
        let owners = try await classify(object)
        let verdict = GarbageVerdict.judge(
            object,
            present: owners.present,
            absent: owners.absent,
            waiting: owners.waiting,
            hasDependents: !dependents.isEmpty
        )
        switch verdict {
        case .keep: break
        case .detach(let gone): try await detach(object, node.type, from: Set(gone))
        case .delete(let propagation):
            try await context.api.deleteIfPresent(
                node.type,
                object.key,
                options: DeleteOptions(
                    propagation: propagation,
                    preconditionUID: uid,
                    preconditionResourceVersion: object.resourceVersion
                )
            )
        }
        return .settled
    }

    private func classify(
        _ object: KubeObject
    ) async throws -> (present: [OwnerReference], absent: [OwnerReference], waiting: [OwnerReference]) {
        var result: (present: [OwnerReference], absent: [OwnerReference], waiting: [OwnerReference]) = ([], [], [])
        for reference in object.ownerReferences {
            guard let type = ownerType(reference) else {
                // An owner of a kind that is not served cannot be proved absent.
                result.present.append(reference)
                continue
            }
            if type.isNamespaced, object.namespace == nil {
                result.present.append(reference)
                continue
            }
            let owner = try await context.api.find(
                type,
                namespace: type.isNamespaced ? object.namespace : nil,
                name: reference.name
            )
            guard let owner, owner.uid == reference.uid else {
                result.absent.append(reference)
                continue
            }
            if OwnerGraph.Node(type: type, object: owner).waitsForDependents {
                result.waiting.append(reference)
            } else {
                result.present.append(reference)
            }
        }
        return result
    }

    private func ownerType(_ reference: OwnerReference) -> ResourceType? {
        let parts = reference.apiVersion.split(separator: "/", maxSplits: 1)
        let group = parts.count == 2 ? String(parts[0]) : ""
        return state.withLock { state in
            state.kinds.first { $0.kind == reference.kind && $0.group == group }
        }
    }

    private func detach(_ object: KubeObject, _ type: ResourceType, from owners: Set<String>) async throws {
        let rest = object.ownerReferences.filter { !owners.contains($0.uid) }
        var metadata: [String: JSON] = [
            "uid": .string(object.uid), "ownerReferences": rest.isEmpty ? .null : .array(rest.map(\.json)),
        ]
        metadata["resourceVersion"] = object.resourceVersion.map(JSON.string)
        do {
            try await context.api.patch(type, object.key, .merge(["metadata": .object(metadata)]))
        } catch let error as APIError where error.isNotFound {
            return
        }
    }

    private func removeFinalizer(_ finalizer: String, _ object: KubeObject, _ type: ResourceType) async throws {
        let rest = object.finalizers.filter { $0 != finalizer }
        var metadata: [String: JSON] = ["uid": .string(object.uid), "finalizers": rest.isEmpty ? .null : JSON(rest)]
        metadata["resourceVersion"] = object.resourceVersion.map(JSON.string)
        do {
            try await context.api.patch(type, object.key, .merge(["metadata": .object(metadata)]))
        } catch let error as APIError where error.isNotFound {
            return
        }
    }

    private func orphan(
        _ object: KubeObject,
        _ type: ResourceType,
        _ dependents: [OwnerGraph.Node]
    ) async throws -> ReconcileOutcome {
        for dependent in dependents {
            guard
                let live = try await context.api.find(
                    dependent.type,
                    namespace: dependent.key.namespace,
                    name: dependent.key.name
                ),
                live.uid == dependent.uid
            else { continue }
            guard live.ownerReferences.contains(where: { $0.uid == object.uid }) else { continue }
            try await detach(live, dependent.type, from: [object.uid])
        }
        try await removeFinalizer(OwnerGraph.orphanFinalizer, object, type)
        return .settled
    }

    private func finishForeground(
        _ object: KubeObject,
        _ type: ResourceType,
        _ dependents: [OwnerGraph.Node]
    ) async throws -> ReconcileOutcome {
        let blocking = dependents.filter { dependent in
            dependent.owners.contains { $0.uid == object.uid && $0.blockOwnerDeletion }
        }
        if blocking.isEmpty {
            try await removeFinalizer(OwnerGraph.foregroundFinalizer, object, type)
            return .settled
        }
        for dependent in dependents where !dependent.isTerminating { queue.queue.add(ObjectKey(name: dependent.uid)) }
        return .recheck(after: .seconds(1))
    }
}

/// Lets the queue's closure reach the collector that is built after it.
private final class CollectorHolder: Sendable {
    private let box = Mutex<GarbageCollector?>(nil)
    var collector: GarbageCollector? { box.withLock { $0 } }
    func set(_ collector: GarbageCollector) { box.withLock { $0 = collector } }
}
