internal import KubeCore
internal import KubeRuntime

extension PodWorker {
    /// Starts the probe loops of a container that runs; each ends with the run.
    func startProbes(_ name: String, _ live: LiveContainer, _ group: inout DiscardingTaskGroup) {
        guard let container = pod.container(name), let attempt = live.record?.attempt,
            !container.isInit || container.isSidecar
        else {
            return
        }
        for kind in ProbeKind.allCases {
            guard let spec = container.probe(kind) else { continue }
            group.addTask { await self.probe(container, spec, attempt: attempt) }
        }
    }

    private enum Turn {
        case ended
        case wait
        case run(ProbeTarget, startedAt: Double)
    }

    private func turn(_ container: ContainerModel, _ kind: ProbeKind, attempt: Int) -> Turn {
        guard let live = containers[container.name], live.attempt == attempt, live.exit == nil, !isGone else {
            return .ended
        }
        guard live.isRunning, let target = target(container) else { return .wait }
        if kind == .startup, live.isStarted { return .ended }
        if kind != .startup, !live.isStarted { return .wait }
        // A pod that is being deleted is not killed again, and is not ready whatever its probe says.
        if live.isStopping || situation.isLeaving { return kind == .readiness ? .wait : .ended }
        return .run(target, startedAt: Timestamp.seconds(live.startedAt) ?? now)
    }

    private func probe(_ container: ContainerModel, _ spec: ProbeSpec, attempt: Int) async {
        var counter = ProbeCounter(successThreshold: spec.successThreshold, failureThreshold: spec.failureThreshold)
        while !Task.isCancelled {
            var wait = Duration.seconds(spec.periodSeconds)
            switch turn(container, spec.kind, attempt: attempt) {
            case .ended: return
            case .wait: wait = .milliseconds(100)
            case .run(let target, let startedAt):
                let due = startedAt + Double(spec.initialDelaySeconds) - now
                if due > 0 {
                    wait = .milliseconds(Int(due * 1000) + 1)
                } else {
                    let result = await environment.probes.probe(spec, target)
                    if Task.isCancelled { return }
                    take(result, container, spec, attempt: attempt, &counter)
                }
            }
            do { try await Task.sleep(for: wait) } catch { return }
        }
    }

    private func take(
        _ result: ProbeRunner.Result,
        _ container: ContainerModel,
        _ spec: ProbeSpec,
        attempt: Int,
        _ counter: inout ProbeCounter
    ) {
        guard let live = containers[container.name], live.attempt == attempt, live.exit == nil, !live.isStopping else {
            return
        }
        if case .failure(let output) = result {
            environment.events.emit(
                .warning,
                "Unhealthy",
                "\(spec.kind.title) probe failed: \(output)",
                about: pod.object,
                container: container
            )
        }
        switch (spec.kind, counter.record(result == .success)) {
        case (_, .none): return
        case (.startup, .becameSuccessful): containers[container.name]?.isStarted = true
        case (.readiness, .becameSuccessful): containers[container.name]?.isReady = true
        case (.readiness, .becameFailed): containers[container.name]?.isReady = false
        case (.startup, .becameFailed), (.liveness, .becameFailed):
            containers[container.name]?.failedProbe = .init(
                kind: spec.kind,
                gracePeriodSeconds: spec.terminationGracePeriodSeconds
            )
        case (.liveness, .becameSuccessful): return
        }
        bell.ring()
    }
}
