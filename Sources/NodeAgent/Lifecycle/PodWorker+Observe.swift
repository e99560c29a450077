internal import Foundation
internal import KubeCore
internal import KubeRuntime
internal import Logging

extension PodWorker {
    /// Finds what an earlier agent left of this pod.
    func adopt() async {
        let paths = ownPaths
        await environment.gpus.claim(record.gpuIndexes, podUID: pod.uid)
        for container in pod.allContainers {
            let folder = paths.containers + "/" + container.name
            let attempts = Files.list(folder).compactMap { Int($0) }.sorted()
            var live = LiveContainer()
            for attempt in attempts {
                let own = paths.container(container.name, attempt: attempt)
                guard let found = ContainerRecord.load(own.record) else { continue }
                if live.record != nil, let exit = live.paths.flatMap({ ContainerExit.load($0.exit) }) {
                    live.exit = exit
                }
                live = live.next(found, paths: own)
            }
            if live.record == nil { live.firstAttempt = Self.usedAttempts(container, pod) }
            live.isStarted = container.probe(.startup) == nil
            live.isReady = container.probe(.readiness) == nil
            containers[container.name] = live
            if let own = live.paths { watch(own) }
        }
        guard record.isSandboxReady, !record.isTornDown else { return }
        await observe()
        let mounted = Set(Mounts.table().map(\.target))
        let isIntact = pod.hostNetwork || mounted.contains(paths.networkNamespace)
        guard isIntact else { return await loseSandbox() }
        do {
            record.address = try await environment.sandbox.restore(pod, address: record.address)
        } catch {
            environment.logger.warning(
                "pod network not restored",
                metadata: ["uid": "\(pod.uid)", "error": "\(error)"]
            )
        }
    }

    /// The computer was started anew: nothing runs, init containers run again, restart counts go on.
    private func loseSandbox() async {
        record.isSandboxReady = false
        record.hasInitialized = false
        record.address = nil
        for (name, live) in containers where pod.container(name)?.isInit == true {
            var fresh = LiveContainer()
            fresh.firstAttempt = live.attempt + 1
            fresh.previousExit = live.exit
            fresh.previousID = live.record?.id
            containers[name] = fresh
        }
        saveRecord()
        environment.events.emit(
            .normal,
            "SandboxChanged",
            "Pod sandbox changed, it will be killed and re-created.",
            about: pod.object
        )
    }

    /// How many runs the API knows of a container that has left nothing on this disk.
    private static func usedAttempts(_ container: ContainerModel, _ pod: PodModel) -> Int {
        let lists = [pod.status["containerStatuses"], pod.status["initContainerStatuses"]]
        for status in lists.flatMap({ $0?.arrayValue ?? [] })
        where status["name"]?.stringValue == container.name && status["containerID"]?.stringValue?.isEmpty == false {
            return (status["restartCount"]?.intValue ?? 0) + 1
        }
        return 0
    }

    func watch(_ own: ContainerPaths) {
        let bell = bell
        environment.watcher.watch(own.root) { bell.ring() }
    }

    /// Reads from disk what containers do now.
    func observe() async {
        for (name, live) in containers {
            guard let record = live.record, let own = live.paths, live.exit == nil, let container = pod.container(name)
            else { continue }
            switch own.presence() {
            case .starting: break
            case .running(let startedAt, _):
                containers[name]?.isRunning = true
                containers[name]?.startedAt = startedAt
            case .exited(let exit): await ended(container, record, own, exit)
            case .lost: await lost(container, record, own)
            }
        }
    }

    private func lost(_ container: ContainerModel, _ record: ContainerRecord, _ own: ContainerPaths) async {
        do {
            try await environment.runtime.removeRemains(record)
            guard Files.exists(own.monitorLock) else {
                // Written down but never started: the same run is tried again.
                try Mounts.unmountAll(below: own.root)
                try Files.remove(own.root)
                var fresh = LiveContainer()
                fresh.firstAttempt = record.attempt
                fresh.previousExit = containers[container.name]?.previousExit
                fresh.previousID = containers[container.name]?.previousID
                containers[container.name] = fresh
                return
            }
            let exit = ContainerExit(
                exitCode: 137,
                signal: 9,
                reason: "ContainerStatusUnknown",
                message:
                    "The container could not be located when the pod was observed. The container used to be Running",
                startedAt: Files.text(own.started),
                finishedAt: Timestamp.microText(seconds: now)
            )
            try Files.writeAtomically(own.exit, exit.json.bytes)
            await ended(container, record, own, exit)
        } catch {
            environment.logger.error(
                "lost container not cleared",
                metadata: ["uid": "\(pod.uid)", "container": "\(container.name)", "error": "\(error)"]
            )
        }
    }

    private func ended(
        _ container: ContainerModel,
        _ record: ContainerRecord,
        _ own: ContainerPaths,
        _ found: ContainerExit
    ) async {
        var exit = found
        exit.message = TerminationMessage.read(container, paths: own, record: record, exit: found)
        environment.watcher.forget(own.root)
        do {
            try environment.runtime.unmountRoot(own)
            for folder in [own.upper, own.work] { try Files.remove(folder) }
        } catch {
            environment.logger.warning(
                "root of an ended container not removed",
                metadata: ["path": "\(own.root)", "error": "\(error)"]
            )
        }
        guard var live = containers[container.name] else { return }
        live.exit = exit
        live.isRunning = false
        live.isStopping = false
        live.isReady = false
        live.failedProbe = nil
        let finished = Timestamp.seconds(exit.finishedAt) ?? now
        let ran = exit.startedAt.flatMap { Timestamp.seconds($0) }.map { finished - $0 } ?? 0
        live.backoffUntil = RestartBackoff.end(wait: record.backoffSeconds, finishedAt: finished, ranFor: ran)
        containers[container.name] = live
        if let until = live.backoffUntil, until > now, !situation.isLeaving {
            let isRestarted =
                container.isSidecar
                || (container.isInit
                    ? exit.exitCode != 0 && pod.restartPolicy != .never
                    : pod.restartPolicy.restarts(afterExitCode: exit.exitCode))
            if isRestarted {
                environment.events.emit(
                    .warning,
                    "BackOff",
                    "Back-off restarting failed container \(container.name) in pod \(pod.name)_\(pod.namespace)(\(pod.uid))",
                    about: pod.object,
                    container: container
                )
            }
        }
    }
}
