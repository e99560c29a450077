internal import KubeCore

extension GangState {
    /// Statuses of PodGroups that changed, and what waiting pods should say.
    mutating func writeStatuses(_ orders: inout GangOrders, now: Double, timestamp: String) {
        var later: Set<ObjectKey> = []
        for key in touched {
            guard var gang = gangs[key] else { continue }
            if let due = gang.waitingInfo.due {
                if due <= now {
                    gang.waitingInfo.written = gang.waitingInfo.explanation
                    gang.waitingInfo.writtenAt = now
                } else {
                    later.insert(key)
                    orders.recheck = min(orders.recheck ?? due, due)
                }
            } else if gang.waitingInfo.explanation == nil, gang.waitingInfo.written != nil {
                gang.waitingInfo = WaitingInfo()
            }
            tellPods(&gang, &orders, &later, now: now)
            if let group = gang.object {
                gang.phase = gang.nextPhase
                let status = gang.status(timestamp: timestamp)
                if group["status"] != status {
                    orders.statuses.append((group, status))
                    // What is written now is not written again before the event for it arrives.
                    gang.object?["status"] = status
                }
            }
            gangs[key] = gang
            if gang.object != nil, gang.phase == "Pending" { open.insert(key) }
        }
        touched = later
    }

    private func tellPods(_ gang: inout Gang, _ orders: inout GangOrders, _ later: inout Set<ObjectKey>, now: Double) {
        guard let written = gang.waitingInfo.written, gang.waitingInfo.explanation != nil, !gang.waiting.isEmpty else {
            return
        }
        let isNewSentence = gang.waitingInfo.writtenAt == now
        let untold = gang.waiting.subtracting(gang.waitingInfo.toldPods)
        let due = gang.waitingInfo.podsToldAt + WaitingInfo.podInterval
        var pods: Set<ObjectKey> = untold
        if isNewSentence || !untold.isEmpty || due <= now, due <= now { pods = gang.waiting }
        if isNewSentence, due > now {
            // All pods of a large gang are not rewritten for every change of detail.
            later.insert(gang.key)
            orders.recheck = min(orders.recheck ?? due, due)
        }
        guard !pods.isEmpty else { return }
        if pods == gang.waiting { gang.waitingInfo.podsToldAt = now }
        gang.waitingInfo.toldPods.formUnion(pods)
        orders.tell.append(
            GangOrders.Telling(pods: pods.compactMap { gang.members[$0]?.pod }, sentence: written.sentence)
        )
    }
}

extension Gang {
    /// The phase that follows from the pods.
    ///
    /// Source: the phases of Volcano's PodGroup.
    var nextPhase: String {
        let finished = count(.succeeded) + count(.failed)
        if finished > 0, finished == members.count, finished >= minMember { return "Completed" }
        if isReady(), readyCount > 0 { return "Running" }
        switch phase {
        case "Inqueue": return "Inqueue"
        case "Running", "Unknown", "Completed": return runningCount > 0 ? "Unknown" : "Pending"
        default: return "Pending"
        }
    }

    func status(timestamp: String) -> JSON {
        var status = object?["status"]?.objectValue ?? [:]
        status["phase"] = .string(phase)
        status["running"] = runningCount == 0 ? .none : JSON(runningCount)
        status["succeeded"] = count(.succeeded) == 0 ? .none : JSON(count(.succeeded))
        status["failed"] = count(.failed) == 0 ? .none : JSON(count(.failed))
        var conditions = ConditionList(object?["status", "conditions"])
        if let written = waitingInfo.written, waitingInfo.explanation != nil {
            conditions.remove("Scheduled")
            conditions.set(
                "Unschedulable",
                "True",
                reason: written.reason,
                message: written.sentence,
                now: timestamp,
                extra: ["transitionID": .string(transitionID)]
            )
        } else if isReady(), readyCount > 0, waiting.isEmpty {
            conditions.remove("Unschedulable")
            if !conditions.isTrue("Scheduled") {
                conditions.set(
                    "Scheduled",
                    "True",
                    reason: "tasks in gang are ready to be scheduled",
                    message: "all \(readyCount) pods have a node",
                    now: timestamp,
                    extra: ["transitionID": .string(transitionID)]
                )
            }
        }
        status["conditions"] = conditions.items.isEmpty ? .none : conditions.json
        return .object(status)
    }

    private var transitionID: String { "\(object?.uid ?? "")-\(object?.generation ?? 0)" }
}
