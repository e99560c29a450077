internal import KubeCore

extension BuiltInCells.Row {
    var pod: [JSON] {
        let summary = podSummary
        var restarts = String(summary.restarts)
        if summary.restarts > 0, let last = summary.lastRestart {
            restarts += " (\(Timestamp.age(seconds: now - last)) ago)"
        }
        let gates = list("spec", "readinessGates")
        let passed = gates.filter { gate in gate["conditionType"]?.stringValue.map(object.isConditionTrue) ?? false }
        return [
            name, .string("\(summary.ready)/\(summary.total)"), .string(summary.reason), .string(restarts), age,
            text("status", "podIP"), text("spec", "nodeName"), text("status", "nominatedNodeName"),
            .string(gates.isEmpty ? "<none>" : "\(passed.count)/\(gates.count)"),
        ]
    }

    private struct PodSummary {
        var ready = 0
        var total = 0
        var restarts = 0
        var sidecarRestarts = 0
        var lastRestart: Double?
        var lastSidecarRestart: Double?
        var reason = ""

        mutating func note(_ finishedAt: String?) {
            if let time = finishedAt.flatMap(Timestamp.seconds) { lastRestart = max(lastRestart ?? time, time) }
        }
    }

    private var podSummary: PodSummary {
        var summary = PodSummary()
        let phase = scalar("status", "phase") ?? ""
        summary.total = list("spec", "containers").count
        summary.reason = scalar("status", "reason") ?? phase
        if object.condition("PodScheduled")?["reason"] == "SchedulingGated" { summary.reason = "SchedulingGated" }
        let isInitializing = addInitContainers(&summary)
        if !isInitializing || object.isConditionTrue("Initialized") { addContainers(&summary) }
        if object.isTerminating {
            if scalar("status", "reason") == "NodeLost" {
                summary.reason = "Unknown"
            } else if phase != "Succeeded", phase != "Failed" {
                summary.reason = "Terminating"
            }
        }
        return summary
    }

    private func addInitContainers(_ summary: inout PodSummary) -> Bool {
        let specs = list("spec", "initContainers")
        let sidecars = Set(specs.filter { $0["restartPolicy"] == "Always" }.compactMap { $0["name"]?.stringValue })
        summary.total += sidecars.count
        for (index, status) in list("status", "initContainerStatuses").enumerated() {
            let isSidecar = sidecars.contains(status["name"]?.stringValue ?? "")
            let restarts = status["restartCount"]?.intValue ?? 0
            summary.restarts += restarts
            let finishedAt = status["lastState"]?["terminated"]?["finishedAt"]?.stringValue
            summary.note(finishedAt)
            if isSidecar {
                summary.sidecarRestarts += restarts
                if let time = finishedAt.flatMap(Timestamp.seconds) {
                    summary.lastSidecarRestart = max(summary.lastSidecarRestart ?? time, time)
                }
            }
            let terminated = status["state"]?["terminated"]
            if let terminated, (terminated["exitCode"]?.intValue ?? 0) == 0 { continue }
            if isSidecar, status["started"] == true {
                if status["ready"] == true { summary.ready += 1 }
                continue
            }
            let waiting = status["state"]?["waiting"]?["reason"]?.stringValue ?? ""
            if let terminated {
                summary.reason = "Init:" + Self.termination(terminated)
            } else if !waiting.isEmpty, waiting != "PodInitializing" {
                summary.reason = "Init:" + waiting
            } else {
                summary.reason = "Init:\(index)/\(specs.count)"
            }
            return true
        }
        return false
    }

    private func addContainers(_ summary: inout PodSummary) {
        summary.restarts = summary.sidecarRestarts
        summary.lastRestart = summary.lastSidecarRestart
        var hasRunning = false
        for status in list("status", "containerStatuses").reversed() {
            summary.restarts += status["restartCount"]?.intValue ?? 0
            summary.note(status["lastState"]?["terminated"]?["finishedAt"]?.stringValue)
            let waiting = status["state"]?["waiting"]?["reason"]?.stringValue ?? ""
            if !waiting.isEmpty {
                summary.reason = waiting
            } else if let terminated = status["state"]?["terminated"] {
                summary.reason = Self.termination(terminated)
            } else if status["ready"] == true, status["state"]?["running"] != nil {
                hasRunning = true
                summary.ready += 1
            }
        }
        if summary.reason == "Completed", hasRunning {
            summary.reason = object.isConditionTrue("Ready") ? "Running" : "NotReady"
        }
    }

    private static func termination(_ state: JSON) -> String {
        if let reason = state["reason"]?.stringValue, !reason.isEmpty { return reason }
        if let signal = state["signal"]?.intValue, signal != 0 { return "Signal:\(signal)" }
        return "ExitCode:\(state["exitCode"]?.intValue ?? 0)"
    }
}
