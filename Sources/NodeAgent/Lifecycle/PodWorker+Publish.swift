internal import KubeCore
internal import Logging

extension PodWorker {
    /// Writes the status if it says something new.
    func publish(outcome: PodDecision.Outcome, isInitialized: Bool) async {
        guard !isGone, !isFinalized else { return }
        // A pod that ended before this disk was made: what its status says about the end is all that is known of it.
        let phase = pod.status["phase"]?.stringValue
        let hasEnded = phase == "Succeeded" || phase == "Failed"
        if hasEnded, containers.values.allSatisfy({ $0.record == nil }) {
            published = pod.status
            return
        }
        let present = now
        let input = PodStatusInput(
            pod: pod,
            containers: containers.mapValues(\.view),
            outcome: outcome,
            isInitialized: isInitialized,
            isSandboxReady: record.isSandboxReady,
            isTornDown: record.isTornDown,
            isLeaving: situation.isLeaving,
            hostIP: environment.configuration.hostIP,
            podIP: record.address?.ip ?? pod.status["podIP"]?.stringValue,
            now: present
        )
        let status = PodStatus.make(input)
        guard status != published || status != pod.status else { return }
        if status == pod.status {
            published = status
            return
        }
        if let retry = statusRetryAt, present < retry { return }
        do {
            let patch: JSON = [
                "metadata": ["uid": .string(pod.uid)], "status": Self.patchForm(status, old: pod.status),
            ]
            let new = try await environment.api.patch(.pods, pod.object.key, subresource: "status", .strategic(patch))
            statusRetryAt = nil
            published = status
            // The next status is made from what the server now has, not from what the informer may still show.
            if new.uid == pod.uid { pod = PodModel(new) }
        } catch let error as APIError where error.isNotFound || error.isConflict {
            // Gone, or another pod of that name: the informer will say so.
            statusRetryAt = present + 1
        } catch {
            statusRetryAt = present + 1
            environment.logger.debug("pod status not written", metadata: ["uid": "\(pod.uid)", "error": "\(error)"])
        }
    }

    /// Lists of addresses are merged by address on the server: old ones must be deleted by name.
    private static func patchForm(_ status: JSON, old: JSON) -> JSON {
        var patch = status
        for key in ["podIPs", "hostIPs"] {
            let new = Set((status[key]?.arrayValue ?? []).compactMap { $0["ip"]?.stringValue })
            let gone = (old[key]?.arrayValue ?? []).compactMap { $0["ip"]?.stringValue }.filter { !new.contains($0) }
            guard !gone.isEmpty else { continue }
            let deletions = gone.map { ip -> JSON in ["$patch": "delete", "ip": .string(ip)] }
            patch[key] = .array((status[key]?.arrayValue ?? []) + deletions)
        }
        return patch
    }

    /// When nothing is left to stop: confirms the deletion at the API, and clears the disk once the object is gone.
    ///
    /// - Returns: true when this worker's work is done.
    func finalizeIfDone() async -> Bool {
        guard record.isTornDown else { return false }
        if isGone {
            await clearDisk()
            return true
        }
        guard pod.object.isTerminating, !isFinalized, statusRetryAt == nil else { return false }
        do {
            try await environment.api.delete(
                .pods,
                namespace: pod.namespace,
                name: pod.name,
                options: DeleteOptions(gracePeriodSeconds: 0, preconditionUID: pod.uid)
            )
            isFinalized = true
        } catch let error as APIError where error.isNotFound || error.isConflict {
            isFinalized = true
        } catch {
            statusRetryAt = now + 1
            environment.logger.debug(
                "pod deletion not confirmed",
                metadata: ["uid": "\(pod.uid)", "error": "\(error)"]
            )
            return false
        }
        // Finalizers may keep the object; the informer tells when it is gone.
        return false
    }

    private func clearDisk() async {
        do {
            try Mounts.unmountAll(below: ownPaths.root)
            try Files.remove(ownPaths.root)
            try Files.remove(environment.paths.logs(namespace: pod.namespace, name: pod.name, uid: pod.uid))
        } catch {
            environment.logger.error("pod folder not removed", metadata: ["uid": "\(pod.uid)", "error": "\(error)"])
        }
    }
}
