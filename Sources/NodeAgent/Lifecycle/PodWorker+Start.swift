internal import KubeCore
internal import KubeRuntime
internal import Logging

extension PodWorker {
    /// Volumes and sandbox; true when ready.
    func createSandbox() async -> Bool {
        if !record.isSandboxReady { saveRecord() }
        do {
            try await prepareVolumes()
        } catch {
            setupFailed("FailedMount", "\(error)")
            return false
        }
        do {
            if record.gpuIndexes.isEmpty, gpuCount > 0 {
                record.gpuIndexes = try await environment.gpus.allocate(gpuCount, podUID: pod.uid)
            }
            record.address = try await environment.sandbox.create(pod)
            record.isSandboxReady = true
            setupWait = 0
            saveRecord()
            return true
        } catch {
            setupFailed("FailedCreatePodSandBox", "Failed to create pod sandbox: \(error)")
            return false
        }
    }

    private var gpuCount: Int { pod.containers.reduce(0) { $0 + ($1.limit("nvidia.com/gpu")?.value ?? 0) } }

    private func setupFailed(_ reason: String, _ message: String) {
        setupWait = min(max(0.5, setupWait * 2), 120)
        setupRetryAt = now + setupWait
        environment.events.emit(.warning, reason, message, about: pod.object)
    }

    func prepareVolumes() async throws {
        volumePaths = try await environment.volumes.prepare(
            pod,
            content: environment.content(pod, podIP: record.address?.ip)
        )
        nextRefresh = now + refreshInterval
    }

    private var refreshInterval: Double {
        let parts = environment.configuration.volumeRefreshInterval.components
        // A little apart, so that the pods of a node do not all ask at once.
        return (Double(parts.seconds) + Double(parts.attoseconds) / 1e18) * Double.random(in: 0.9...1.1)
    }

    /// The pod has volumes whose content comes from the API.
    var followsObjects: Bool {
        pod.volumes.contains { volume in
            ["configMap", "secret", "projected", "downwardAPI"].contains { volume[$0] != nil }
        }
    }

    /// Brings volumes that follow API objects up to date about once a minute.
    func refreshVolumesIfDue() async {
        guard followsObjects, record.isSandboxReady, !record.isTornDown, !situation.isLeaving, now >= nextRefresh else {
            return
        }
        do {
            try await prepareVolumes()
        } catch {
            nextRefresh = now + refreshInterval
            environment.logger.debug("volumes not refreshed", metadata: ["uid": "\(pod.uid)", "error": "\(error)"])
        }
    }

    func start(_ container: ContainerModel, attempt: Int, _ group: inout DiscardingTaskGroup) async {
        let old = containers[container.name] ?? LiveContainer()
        guard let image = await resolveImage(container) else { return }
        let ran = old.exit.map { exit -> Double in
            guard let start = exit.startedAt.flatMap({ Timestamp.seconds($0) }),
                let end = Timestamp.seconds(exit.finishedAt)
            else { return 0 }
            return end - start
        }
        // The first run has no wait behind it: its first restart is immediate.
        let wait = old.record == nil ? 0 : RestartBackoff.next(after: old.record?.backoffSeconds, ranFor: ran ?? 0)
        let prepared: ContainerPreparation.Prepared
        do {
            if volumePaths == nil { try await prepareVolumes() }
            let request = ContainerPreparation.Request(
                pod: pod,
                container: container,
                image: image,
                attempt: attempt,
                backoffSeconds: wait,
                podIP: record.address?.ip,
                volumePaths: volumePaths ?? [:],
                gpuIndexes: gpus(of: container),
                now: now
            )
            prepared = try await environment.preparation.prepare(request)
            try environment.preparation.write(prepared, container: container)
        } catch let error as NodeAgentError {
            let reason =
                error.code == .create || error.code == .system ? "CreateContainerError" : "CreateContainerConfigError"
            return failed(container, reason: reason, "\(error)")
        } catch {
            return failed(container, reason: "CreateContainerConfigError", "\(error)")
        }
        await begin(container, prepared, old, &group)
    }

    private func begin(
        _ container: ContainerModel,
        _ prepared: ContainerPreparation.Prepared,
        _ old: LiveContainer,
        _ group: inout DiscardingTaskGroup
    ) async {
        let events = environment.events
        for (source, names) in prepared.skippedVariables {
            events.emit(
                .warning,
                "InvalidEnvironmentVariableNames",
                "Keys [\(names.joined(separator: ", "))] from the EnvFrom \(source) were skipped since they are considered invalid environment variable names.",
                about: pod.object,
                container: container
            )
        }
        var live = old.next(prepared.record, paths: prepared.paths)
        live.isStarted = container.probe(.startup) == nil
        live.isReady = container.probe(.readiness) == nil
        containers[container.name] = live
        watch(prepared.paths)
        events.emit(.normal, "Created", "Container created", about: pod.object, container: container)
        do {
            try await environment.runtime.start(prepared.record, at: prepared.paths, container: container)
        } catch {
            events.emit(.warning, "Failed", "Error: \(error)", about: pod.object, container: container)
            if !Files.exists(prepared.paths.exit) {
                let exit = ContainerExit(
                    exitCode: 128,
                    reason: "StartError",
                    message: "\(error)",
                    finishedAt: Timestamp.microText(seconds: now)
                )
                do {
                    try Files.writeAtomically(prepared.paths.exit, exit.json.bytes)
                } catch {
                    environment.logger.error(
                        "exit status not written",
                        metadata: ["path": "\(prepared.paths.exit)", "error": "\(error)"]
                    )
                }
            }
            return
        }
        events.emit(.normal, "Started", "Container started", about: pod.object, container: container)
        forgetRuns(of: container, before: prepared.record.attempt - 1)
        if case .running(let startedAt, _) = prepared.paths.presence() {
            containers[container.name]?.isRunning = true
            containers[container.name]?.startedAt = startedAt
        }
        if let hook = container.postStart { runPostStart(hook, container, &group) }
        if let live = containers[container.name] { startProbes(container.name, live, &group) }
    }

    private func gpus(of container: ContainerModel) -> [Int] {
        var offset = 0
        for other in pod.containers {
            let count = other.limit("nvidia.com/gpu")?.value ?? 0
            if other.name == container.name { return Array(record.gpuIndexes.dropFirst(offset).prefix(count)) }
            offset += count
        }
        return []
    }

    /// The latest and the one before it are kept: logs, `--previous`, `lastState`.
    private func forgetRuns(of container: ContainerModel, before attempt: Int) {
        let folder = ownPaths.containers + "/" + container.name
        for old in Files.list(folder).compactMap({ Int($0) }) where old < attempt {
            do {
                let own = ownPaths.container(container.name, attempt: old)
                if let record = ContainerRecord.load(own.record) {
                    for index in 0..<environment.configuration.logMaxFiles {
                        try Files.remove(index == 0 ? record.logPath : record.logPath + ".\(index)")
                    }
                }
                try Mounts.unmountAll(below: own.root)
                try Files.remove(own.root)
            } catch {
                environment.logger.warning(
                    "old run not removed",
                    metadata: ["path": "\(folder)/\(old)", "error": "\(error)"]
                )
            }
        }
    }

    private func resolveImage(_ container: ContainerModel) async -> ResolvedImage? {
        let events = environment.events
        do {
            let image = try await environment.images.resolve(container.image)
            containers[container.name, default: LiveContainer()].failure = nil
            if image.isSubstituted {
                events.emit(
                    .normal,
                    "ImageMapped",
                    "Image \"\(container.image)\" is not in this node's image table: this machine's root file system stands in for it",
                    about: pod.object,
                    container: container
                )
                await annotateMapping()
            }
            events.emit(
                .normal,
                "Pulled",
                "Container image \"\(container.image)\" already present on machine",
                about: pod.object,
                container: container
            )
            return image
        } catch {
            let old = containers[container.name]?.failure
            let message = "Failed to pull image \"\(container.image)\": \(error)"
            if old == nil {
                events.emit(.warning, "Failed", message, about: pod.object, container: container)
                events.emit(.warning, "Failed", "Error: ErrImagePull", about: pod.object, container: container)
            } else {
                events.emit(
                    .normal,
                    "BackOff",
                    "Back-off pulling image \"\(container.image)\"",
                    about: pod.object,
                    container: container
                )
            }
            let wait = old.map { min($0.wait * 2, 300) } ?? 10
            let text = old == nil ? "\(error)" : "Back-off pulling image \"\(container.image)\": ErrImagePull: \(error)"
            containers[container.name, default: LiveContainer()].failure = (
                old == nil ? "ErrImagePull" : "ImagePullBackOff", text, now + wait, wait
            )
            return nil
        }
    }

    /// Says on the object itself that an image was replaced; once per pod and agent.
    private func annotateMapping() async {
        guard !hasAnnotatedMapping else { return }
        hasAnnotatedMapping = true
        let images = pod.allContainers.map(\.image).filter { environment.images.table.entry(for: $0) == nil }
        let text = Set(images).sorted().joined(separator: ",")
        guard pod.object.annotations[mappedImagesAnnotation] != text else { return }
        do {
            let patch: JSON = ["metadata": ["annotations": [mappedImagesAnnotation: .string(text)]]]
            let new = try await environment.api.patch(.pods, pod.object.key, subresource: "status", .merge(patch))
            update(new)
        } catch {
            environment.logger.debug(
                "image mapping not annotated",
                metadata: ["uid": "\(pod.uid)", "error": "\(error)"]
            )
        }
    }

    private func failed(_ container: ContainerModel, reason: String, _ message: String) {
        let wait: Double = 5
        containers[container.name, default: LiveContainer()].failure = (reason, message, now + wait, wait)
        environment.events.emit(.warning, "Failed", "Error: \(message)", about: pod.object, container: container)
    }
}

/// On pods of which an image was replaced by the host's root: the images, separated by commas.
let mappedImagesAnnotation = "outrigger.ml/mapped-images"
