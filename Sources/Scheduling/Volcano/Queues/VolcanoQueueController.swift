internal import KubeCore
internal import KubeRuntime
internal import Logging

/// Keeps the state of queues and carries out commands that open and close them; makes the `default` queue.
struct VolcanoQueueController: Sendable {
    let api: any ResourceAPI
    let logger: Logger
    let queues: Informer
    let groups: Informer
    let commands: Informer

    func makeController() -> Controller {
        let controller = Controller(name: "volcano-queue", workers: 1, logger: logger, reconcile: reconcile)
        controller.watch(queues)
        controller.watch(commands) { event in
            guard event.object["target", "kind"]?.stringValue == "Queue",
                let name = event.object["target", "name"]?.stringValue
            else { return [] }
            return [ObjectKey(name: name)]
        }
        controller.watch(groups) { event in
            let name = event.object["spec", "queue"]?.stringValue ?? ""
            return [ObjectKey(name: name.isEmpty ? VolcanoNames.defaultQueue : name)]
        }
        return controller
    }

    static func ensureDefaultQueue(_ api: any ResourceAPI) async throws {
        let name = VolcanoNames.defaultQueue
        guard try await api.find(VolcanoNames.queues, name: name) == nil else { return }
        let spec: JSON = ["weight": 1, "reclaimable": true]
        do {
            try await api.create(
                VolcanoNames.queues,
                KubeObject(VolcanoNames.queues, name: name, body: ["spec": spec])
            )
        } catch let error as APIError where error.isAlreadyExists {
            return
        }
    }

    /// The state after `actions`; a queue that is closed while groups are in it is `Closing` until they are gone.
    static func state(of queue: KubeObject, actions: [String], groupCount: Int) -> String {
        var state = queue["status", "state"]?.stringValue ?? ""
        if state.isEmpty { state = "Open" }
        for action in actions {
            switch action {
            case "OpenQueue": state = "Open"
            // The default queue must stay usable: jobs without a queue go there.
            case "CloseQueue" where queue.name != VolcanoNames.defaultQueue: state = "Closing"
            default: continue
            }
        }
        if state == "Closing" || state == "Closed" { state = groupCount == 0 ? "Closed" : "Closing" }
        return state
    }

    @Sendable func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard var queue = queues.get(key) else {
            if key.name == VolcanoNames.defaultQueue { try await Self.ensureDefaultQueue(api) }
            return .settled
        }
        let asked = commands.list().filter {
            $0["target", "kind"]?.stringValue == "Queue" && $0["target", "name"]?.stringValue == key.name
        }.sorted { ($0.creationTimestamp ?? "") < ($1.creationTimestamp ?? "") }
        let members = groups.list().filter { group in
            let name = group["spec", "queue"]?.stringValue ?? ""
            return (name.isEmpty ? VolcanoNames.defaultQueue : name) == key.name
        }
        var status = queue["status"]?.objectValue ?? [:]
        status["state"] = .string(
            Self.state(
                of: queue,
                actions: asked.compactMap { $0["action"]?.stringValue },
                groupCount: members.count { $0["status", "phase"]?.stringValue != "Completed" }
            )
        )
        let phases: [(String, String)] = [
            ("pending", "Pending"), ("inqueue", "Inqueue"), ("running", "Running"), ("unknown", "Unknown"),
            ("completed", "Completed"),
        ]
        for (field, phase) in phases {
            let count = members.count { group in
                let present = group["status", "phase"]?.stringValue ?? ""
                return (present.isEmpty ? "Pending" : present) == phase
            }
            status[field] = count == 0 ? .none : JSON(count)
        }
        if queue["status"] != .object(status) {
            queue["status"] = .object(status)
            try await api.updateStatus(VolcanoNames.queues, queue)
        }
        for command in asked { try await api.deleteIfPresent(VolcanoNames.commands, command.key) }
        return .settled
    }
}
