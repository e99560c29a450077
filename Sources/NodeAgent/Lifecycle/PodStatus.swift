internal import KubeCore

/// Writes `status` of a pod as upstream does.
///
/// Pure.
struct PodStatusInput: Sendable {
    var pod: PodModel
    var containers: [String: ContainerView]
    var outcome: PodDecision.Outcome
    var isInitialized: Bool
    var isSandboxReady: Bool
    var isTornDown: Bool
    var isLeaving: Bool
    var hostIP: String
    var podIP: String?
    /// Condition `PodReadyToStartContainers` is about the sandbox; a reason for its absence goes into events, not here.
    var now: Double

    func view(_ container: ContainerModel) -> ContainerView { containers[container.name] ?? ContainerView() }
}

enum PodStatus {
    /// The whole new `status`; members that this agent does not own are kept from the present one.
    static func make(_ input: PodStatusInput) -> JSON {
        let old = input.pod.status
        var members = old.objectValue ?? [:]
        let now = Timestamp.text(seconds: input.now)
        let phase = phase(input)
        members["phase"] = .string(phase)
        if input.outcome == .deadlineExceeded {
            members["reason"] = "DeadlineExceeded"
            members["message"] = "Pod was active on the node longer than the specified deadline"
        }
        if members["startTime"] == nil { members["startTime"] = .string(now) }
        if members["qosClass"] == nil { members["qosClass"] = .string(input.pod.qosClass.rawValue) }
        members["hostIP"] = .string(input.hostIP)
        members["hostIPs"] = [["ip": .string(input.hostIP)]]
        if let ip = input.pod.hostNetwork ? input.hostIP : input.podIP {
            members["podIP"] = .string(ip)
            members["podIPs"] = [["ip": .string(ip)]]
        }
        if input.pod.object.generation > 0 { members["observedGeneration"] = JSON(input.pod.object.generation) }
        let regular = input.pod.containers.map { ContainerStatus.make($0, input: input) }
        members["containerStatuses"] = .array(regular)
        if !input.pod.initContainers.isEmpty {
            members["initContainerStatuses"] = .array(
                input.pod.initContainers.map { ContainerStatus.make($0, input: input) }
            )
        }
        members["conditions"] = conditions(input, phase: phase, now: now)
        return .object(members)
    }

    /// Source: Kubernetes documentation, "Pod Lifecycle", pod phase.
    static func phase(_ input: PodStatusInput) -> String {
        switch input.outcome {
        case .failed, .deadlineExceeded: return input.hasAlive ? present(input) : "Failed"
        case .succeeded: return input.hasAlive ? present(input) : "Succeeded"
        case .goesOn: break
        }
        if input.isTornDown {
            // Ended from outside: a pod whose containers all ended well has succeeded, any other has failed.
            let exits = input.pod.containers.map { input.view($0).exit }
            return exits.allSatisfy { $0?.exitCode == 0 } && !exits.isEmpty ? "Succeeded" : "Failed"
        }
        return present(input)
    }

    private static func present(_ input: PodStatusInput) -> String {
        guard input.isInitialized || input.pod.initContainers.isEmpty else { return "Pending" }
        for container in input.pod.containers {
            let view = input.view(container)
            // One that never ran keeps the pod pending; one that waits for its restart does not.
            switch view.state {
            case .running, .exited: continue
            case .starting, .failing, .absent: if view.previousExit == nil { return "Pending" }
            }
        }
        return "Running"
    }

    private static func conditions(_ input: PodStatusInput, phase: String, now: String) -> JSON {
        var list = ConditionList(input.pod.status["conditions"])
        let generation = input.pod.object.generation
        let extra: [String: JSON] = generation > 0 ? ["observedGeneration": JSON(generation)] : [:]
        let isFinished = phase == "Succeeded" || phase == "Failed"
        func set(_ type: String, _ isTrue: Bool, _ reason: String, _ message: String) {
            list.set(type, isTrue ? "True" : "False", reason: reason, message: message, now: now, extra: extra)
        }
        let hasSandbox = input.isSandboxReady && !input.isTornDown
        set("PodReadyToStartContainers", hasSandbox, "", "")

        let pending = input.pod.initContainers.filter { container in
            let view = input.view(container)
            return container.isSidecar ? !view.isUp : view.exit?.exitCode != 0
        }
        if phase == "Succeeded" {
            set("Initialized", true, "PodCompleted", "")
        } else if input.isInitialized || pending.isEmpty {
            set("Initialized", true, "", "")
        } else {
            set(
                "Initialized",
                false,
                "ContainersNotInitialized",
                "containers with incomplete status: " + names(pending)
            )
        }
        let unready = (input.pod.sidecars + input.pod.containers).filter { !ContainerStatus.isReady($0, input: input) }
        let isReady: Bool
        if isFinished {
            isReady = false
            let reason = phase == "Succeeded" ? "PodCompleted" : "PodFailed"
            set("ContainersReady", false, reason, "")
            set("Ready", false, reason, "")
        } else if !unready.isEmpty {
            isReady = false
            let message = "containers with unready status: " + names(unready)
            set("ContainersReady", false, "ContainersNotReady", message)
            set("Ready", false, "ContainersNotReady", message)
        } else {
            set("ContainersReady", true, "", "")
            let gates = (input.pod.spec["readinessGates"]?.arrayValue ?? []).compactMap {
                $0["conditionType"]?.stringValue
            }
            let closed = gates.filter { !list.isTrue($0) }
            isReady = closed.isEmpty
            if isReady {
                set("Ready", true, "", "")
            } else {
                let texts = closed.map { gate in
                    list[gate] == nil
                        ? "corresponding condition of pod readiness gate \"\(gate)\" does not exist."
                        : "the status of pod readiness gate \"\(gate)\" is not \"True\", but \(list.status(gate) ?? "")"
                }
                set("Ready", false, "ReadinessGatesNotReady", texts.joined(separator: ", "))
            }
        }
        if list["PodScheduled"] == nil { set("PodScheduled", true, "", "") }
        return list.json
    }

    private static func names(_ containers: [ContainerModel]) -> String {
        "[" + containers.map(\.name).joined(separator: " ") + "]"
    }
}

extension PodStatusInput {
    fileprivate var hasAlive: Bool { containers.values.contains(where: \.isAlive) }
}

/// One entry of `containerStatuses`.
enum ContainerStatus {
    static func isReady(_ container: ContainerModel, input: PodStatusInput) -> Bool {
        let view = input.view(container)
        if container.isInit, !container.isSidecar { return view.exit?.exitCode == 0 }
        return view.isUp && view.isReady && !input.isTornDown
    }

    static func make(_ container: ContainerModel, input: PodStatusInput) -> JSON {
        let view = input.view(container)
        var state = state(container, view, input)
        var last: JSON = .object([:])
        if let exit = view.previousExit { last = ["terminated": terminated(exit, id: view.previousID)] }
        // While it waits for its restart, the end it comes from is the last state.
        if let exit = view.exit, waitsForRestart(container, view, input) {
            last = ["terminated": terminated(exit, id: view.id)]
            let message =
                "back-off \(waitText(view, exit)) restarting failed container=\(container.name) pod=\(input.pod.name)_\(input.pod.namespace)(\(input.pod.uid))"
            state = ["waiting": ["reason": "CrashLoopBackOff", "message": .string(message)]]
        }
        var members: [String: JSON] = [
            "name": .string(container.name), "image": .string(container.image), "imageID": .string(view.imageID ?? ""),
            "ready": .bool(isReady(container, input: input)), "restartCount": JSON(max(0, view.attempt)),
            "state": state,
            "lastState": last, "started": .bool(view.isUp),
        ]
        if let id = view.id { members["containerID"] = .string("outrigger://" + id) }
        return .object(members)
    }

    private static func waitsForRestart(
        _ container: ContainerModel,
        _ view: ContainerView,
        _ input: PodStatusInput
    ) -> Bool {
        guard let exit = view.exit, let until = view.backoffUntil, until > input.now, input.outcome == .goesOn,
            !input.isLeaving,
            !input.isTornDown
        else { return false }
        if container.isSidecar { return true }
        if container.isInit { return exit.exitCode != 0 && input.pod.restartPolicy != .never }
        return input.pod.restartPolicy.restarts(afterExitCode: exit.exitCode)
    }

    /// The length of the wait as Go prints durations: `10s`, `1m20s`, `5m0s`.
    private static func waitText(_ view: ContainerView, _ exit: ContainerExit) -> String {
        let finished = Timestamp.seconds(exit.finishedAt) ?? 0
        let seconds = Int(((view.backoffUntil ?? 0) - finished).rounded())
        return seconds < 60 ? "\(seconds)s" : "\(seconds / 60)m\(seconds % 60)s"
    }

    private static func state(_ container: ContainerModel, _ view: ContainerView, _ input: PodStatusInput) -> JSON {
        switch view.state {
        case .absent, .starting:
            let reason = input.pod.initContainers.isEmpty ? "ContainerCreating" : "PodInitializing"
            return ["waiting": ["reason": .string(reason)]]
        case .failing(let reason, let message, _):
            return ["waiting": ["reason": .string(reason), "message": .string(message)]]
        case .running(let startedAt):
            return ["running": ["startedAt": .string(Timestamp.canonical(startedAt) ?? startedAt)]]
        case .exited(let exit): return ["terminated": terminated(exit, id: view.id)]
        }
    }

    private static func terminated(_ exit: ContainerExit, id: String?) -> JSON {
        let finished = Timestamp.canonical(exit.finishedAt) ?? exit.finishedAt
        var members: [String: JSON] = [
            "exitCode": JSON(exit.exitCode), "reason": .string(exit.reason), "finishedAt": .string(finished),
            "startedAt": .string(exit.startedAt.flatMap { Timestamp.canonical($0) } ?? finished),
        ]
        if !exit.message.isEmpty { members["message"] = .string(exit.message) }
        if let id { members["containerID"] = .string("outrigger://" + id) }
        return .object(members)
    }
}
