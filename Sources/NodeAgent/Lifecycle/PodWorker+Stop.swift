internal import Glibc
internal import KubeCore
internal import KubeRuntime
internal import Logging

extension PodWorker {
    func target(_ container: ContainerModel) -> ProbeTarget? {
        guard let live = containers[container.name], let record = live.record, let own = live.paths else { return nil }
        let address = pod.hostNetwork ? environment.configuration.hostIP : self.record.address?.ip ?? "127.0.0.1"
        return ProbeTarget(container: container, record: record, paths: own, address: address)
    }

    func runPostStart(_ hook: HookAction, _ container: ContainerModel, _ group: inout DiscardingTaskGroup) {
        guard let target = target(container) else { return }
        group.addTask {
            do {
                // Upstream sets no limit of its own: the pod's end cancels it.
                try await self.environment.probes.run(hook, target, limit: .seconds(3600))
                await self.postStartDone(container, target.record.attempt)
            } catch {
                guard !Task.isCancelled else { return }
                await self.postStartFailed(container, target, "\(error)")
            }
        }
    }

    private func postStartDone(_ container: ContainerModel, _ attempt: Int) {
        guard var record = containers[container.name]?.record, record.attempt == attempt else { return }
        record.isPostStartDone = true
        containers[container.name]?.record = record
        do {
            if let own = containers[container.name]?.paths { try record.save(own.record) }
        } catch {
            environment.logger.error(
                "container record not written",
                metadata: ["uid": "\(pod.uid)", "error": "\(error)"]
            )
        }
        bell.ring()
    }

    private func postStartFailed(_ container: ContainerModel, _ target: ProbeTarget, _ message: String) async {
        environment.events.emit(
            .warning,
            "FailedPostStartHook",
            "PostStartHook failed: \(message)",
            about: pod.object,
            container: container
        )
        containers[container.name]?.isStopping = true
        await stop(
            container,
            target,
            grace: Double(pod.spec["terminationGracePeriodSeconds"]?.intValue ?? 30),
            message: "FailedPostStartHook"
        )
        postStartDone(container, target.record.attempt)
    }

    /// Starts stopping a container; the loop goes on meanwhile.
    func beginStop(_ container: ContainerModel, reason: PodDecision.StopReason, _ group: inout DiscardingTaskGroup) {
        guard let target = target(container) else { return }
        containers[container.name]?.isStopping = true
        let grace: Double
        var message = "Stopping container \(container.name)"
        switch reason {
        case .podEnds, .workIsDone:
            let seconds =
                isGone && !pod.object.isTerminating
                ? min(2, pod.terminationGracePeriodSeconds) : pod.terminationGracePeriodSeconds
            let end = graceEnd ?? now + Double(seconds)
            graceEnd = end
            grace = max(end - now, 0)
        case .probeFailed(let probe):
            grace = Double(probe.gracePeriodSeconds ?? pod.terminationGracePeriodSeconds)
            message = "Container \(container.name) failed \(probe.kind.title.lowercased()) probe, will be restarted"
        }
        group.addTask { await self.stop(container, target, grace: grace, message: message) }
    }

    private func stop(_ container: ContainerModel, _ target: ProbeTarget, grace: Double, message: String) async {
        environment.events.emit(.normal, "Killing", message, about: pod.object, container: container)
        let begin = now
        if let hook = container.preStop, grace > 0 {
            do {
                try await environment.probes.run(hook, target, limit: .milliseconds(Int(grace * 1000)))
            } catch {
                guard !Task.isCancelled else { return }
                environment.events.emit(
                    .warning,
                    "FailedPreStopHook",
                    "PreStopHook failed: \(error)",
                    about: pod.object,
                    container: container
                )
            }
        }
        // Whatever the hook took, the program gets two seconds to react; a grace of 0 means now.
        let least: Double = grace > 0 ? 2 : 0
        let end = max(begin + grace, now + least)
        environment.runtime.signal(container.stopSignal, to: target.paths)
        while !Files.exists(target.paths.exit) {
            let limit = isGraceBounded(container) ? min(end, graceEnd ?? end) : end
            if now >= max(limit, begin) { break }
            guard await pause(.milliseconds(20)) else { return }
        }
        // A process the kernel does not let go yet is asked again until it is.
        while !Files.exists(target.paths.exit), target.paths.isMonitorAlive {
            environment.runtime.killAll(target.record, at: target.paths)
            guard await pause(.milliseconds(50)) else { return }
        }
        bell.ring()
    }

    /// The pod as a whole ends, so a shortened grace period counts for this container too.
    private func isGraceBounded(_ container: ContainerModel) -> Bool {
        graceEnd != nil && (isGone || pod.object.isTerminating)
    }

    private func pause(_ duration: Duration) async -> Bool {
        do {
            try await Task.sleep(for: duration)
            return true
        } catch {
            return false
        }
    }

    /// Gives up everything but the logs and the records; true when done.
    func tearDown() async -> Bool {
        do {
            for (name, live) in containers {
                guard let container = live.record, let own = live.paths else { continue }
                if live.exit == nil, own.isMonitorAlive { environment.runtime.killAll(container, at: own) }
                try environment.runtime.unmountRoot(own)
                for folder in [own.upper, own.work] { try Files.remove(folder) }
                if pod.container(name) == nil { try Files.remove(own.root) }
            }
            try await environment.sandbox.remove(podUID: pod.uid)
            try Files.remove(ownPaths.volumes)
            await removeCgroup()
            await environment.gpus.release(podUID: pod.uid)
            await environment.tokens.forget(podUID: pod.uid)
            record.isSandboxReady = false
            record.isTornDown = true
            setupWait = 0
            saveRecord()
            return true
        } catch {
            setupWait = min(max(0.5, setupWait * 2), 30)
            setupRetryAt = now + setupWait
            environment.events.emit(.warning, "FailedKillPod", "error killing pod: \(error)", about: pod.object)
            return false
        }
    }

    /// Monitors delete their containers' groups after the exit file is written, so the pod's may be busy for a moment.
    private func removeCgroup() async {
        let group = environment.runtime.cgroup(podUID: pod.uid)
        for _ in 0..<50 {
            _ = Cgroups.kill(group)
            if Cgroups.remove(group) { return }
            guard await pause(.milliseconds(20)) else { return }
        }
        environment.logger.warning("control group not removed", metadata: ["group": "\(group)"])
    }
}
