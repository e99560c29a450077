internal import KubeCore

/// `status` of a Volcano Job.
enum JobStatus {
    /// - `pods`: as they are before the plan is carried out.
    static func status(_ job: VolcanoJob, plan: JobPlan, pods: [KubeObject], now: Double) -> JSON {
        var status = job.object["status"]?.objectValue ?? [:]
        let timestamp = JSON.string(Timestamp.text(seconds: now))
        let old = job.object["status", "state"]
        let hasMoved = old?["phase"]?.stringValue != plan.phase
        var state: [String: JSON] = ["phase": .string(plan.phase)]
        if !plan.reason.isEmpty { state["reason"] = .string(plan.reason) }
        if !plan.message.isEmpty { state["message"] = .string(plan.message) }
        state["lastTransitionTime"] = hasMoved ? timestamp : old?["lastTransitionTime"] ?? timestamp
        status["state"] = .object(state)
        count(pods, into: &status)
        status["version"] = JSON(plan.version)
        status["retryCount"] = plan.retryCount == 0 ? .none : JSON(plan.retryCount)
        status["minAvailable"] = JSON(job.minAvailable)
        var controlled: [String: JSON] = [:]
        for name in job.plugins.keys { controlled["plugin-\(name)"] = .string(name) }
        for (index, volume) in job.volumes.enumerated() {
            let name = volume.claimName.isEmpty ? JobPods.claimName(job, index) : volume.claimName
            controlled["volume-pvc-\(name)"] = .string(name)
        }
        if !controlled.isEmpty { status["controlledResources"] = .object(controlled) }
        if hasMoved {
            var conditions = job.object["status", "conditions"]?.arrayValue ?? []
            var condition: [String: JSON] = ["status": .string(plan.phase), "lastTransitionTime": timestamp]
            if !plan.reason.isEmpty { condition["reason"] = .string(plan.reason) }
            if !plan.message.isEmpty { condition["message"] = .string(plan.message) }
            conditions.append(.object(condition))
            // A job that restarts often must not grow without end.
            status["conditions"] = .array(Array(conditions.suffix(30)))
            if JobPlan.isFinal(plan.phase) { status["runningDuration"] = duration(job, now) }
        }
        return .object(status)
    }

    private static func duration(_ job: VolcanoJob, _ now: Double) -> JSON? {
        guard let created = job.object.creationTimestamp.flatMap({ Timestamp.seconds($0) }) else { return nil }
        return .string("\(max(0, Int(now - created)))s")
    }

    private static func count(_ pods: [KubeObject], into status: inout [String: JSON]) {
        var totals: [String: Int] = [:]
        var perTask: [String: [String: Int]] = [:]
        for pod in pods {
            if pod.isTerminating {
                totals["terminating", default: 0] += 1
                continue
            }
            let phase = PodFacts(pod).phase
            totals[phase.lowercased(), default: 0] += 1
            perTask[pod.annotations[VolcanoNames.taskSpec] ?? "", default: [:]][phase, default: 0] += 1
        }
        for name in ["pending", "running", "succeeded", "failed", "terminating", "unknown"] {
            status[name] = totals[name].map { JSON($0) }
        }
        var tasks: [String: JSON] = [:]
        for (task, phases) in perTask { tasks[task] = ["phase": .object(phases.mapValues { JSON($0) })] }
        status["taskStatusCount"] = tasks.isEmpty ? nil : .object(tasks)
    }
}
