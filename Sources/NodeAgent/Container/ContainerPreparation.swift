internal import Glibc
internal import KubeCore

/// Gathers what a container's bundle needs and writes it: everything between the decision to start and the monitor.
struct ContainerPreparation: Sendable {
    let configuration: NodeAgentConfiguration
    let paths: NodePaths
    let runtime: ContainerRuntime
    let objects: any PodObjects
    let allocatable: [String: Quantity]

    struct Request: Sendable {
        var pod: PodModel
        var container: ContainerModel
        var image: ResolvedImage
        var attempt: Int
        var backoffSeconds: Double
        var podIP: String?
        var volumePaths: [String: String]
        var gpuIndexes: [Int]
        var now: Double
    }

    /// A bundle that only needs to be written and started.
    struct Prepared: Sendable {
        var record: ContainerRecord
        var paths: ContainerPaths
        var spec: JSON
        var image: ResolvedImage
        /// Where something is mounted, and whether it is no folder.
        var mountPoints: [(path: String, isFile: Bool)]
        var skippedVariables: [(source: String, names: [String])]
    }

    func fields(_ pod: PodModel, podIP: String?) -> DownwardFields {
        DownwardFields(
            pod: pod,
            nodeName: configuration.nodeName,
            hostIP: configuration.hostIP,
            podIP: pod.hostNetwork ? configuration.hostIP : podIP,
            allocatable: allocatable
        )
    }

    /// Reads and checks; nothing is written.
    ///
    /// - Throws: `.configuration` for `CreateContainerConfigError`, `.create` for `CreateContainerError`.
    func prepare(_ request: Request) async throws -> Prepared {
        let (pod, container, image) = (request.pod, request.container, request.image)
        try refuseUnsupported(container, pod)
        let builder = EnvironmentBuilder(
            pod: pod,
            container: container,
            fields: fields(pod, podIP: request.podIP),
            objects: objects,
            kubernetesService: (configuration.kubernetesServiceHost, configuration.kubernetesServicePort)
        )
        var built = try await builder.build(image: image)
        if !request.gpuIndexes.isEmpty {
            built.variables["NVIDIA_VISIBLE_DEVICES"] = request.gpuIndexes.map(String.init).joined(separator: ",")
        }
        let variables = built.variables
        let arguments = Self.arguments(container, image: image).map { Expansion.expand($0) { variables[$0] } }
        guard !arguments.isEmpty else {
            throw NodeAgentError(
                .create,
                "no command specified",
                remedy: "set command for image \"\(container.image)\""
            )
        }
        let user = try ContainerUser.resolve(pod: pod, container: container, image: image)
        let own = paths.pod(pod.uid).container(container.name, attempt: request.attempt)
        let id = ContainerRuntime.identifier(podUID: pod.uid, name: container.name, attempt: request.attempt)
        let cgroup = runtime.cgroup(podUID: pod.uid) + "/" + id
        let logs = paths.logs(namespace: pod.namespace, name: pod.name, uid: pod.uid) + "/" + container.name
        let record = ContainerRecord(
            id: id,
            podUID: pod.uid,
            name: container.name,
            attempt: request.attempt,
            image: container.image,
            imageID: image.imageID,
            createdAt: request.now,
            backoffSeconds: request.backoffSeconds,
            logPath: logs + "/\(request.attempt).log",
            cgroupPath: cgroup,
            hasTerminal: container.wantsTerminal,
            hasStdin: container.wantsStdin,
            isPostStartDone: container.postStart == nil
        )
        let volumeMounts = try VolumeMounts.make(container, pod: pod, hostPaths: request.volumePaths) { text in
            Expansion.expand(text) { variables[$0] }
        }
        let mounts = baseMounts(pod, container, image: image, own: own) + VolumeMounts.sorted(volumeMounts)
        let podPaths = paths.pod(pod.uid)
        let isPrivileged = container.securityContext["privileged"]?.boolValue ?? false
        let wanted = RuntimeSpec.oomScore(
            qos: pod.qosClass,
            memoryRequest: container.request("memory")?.value ?? 0,
            memoryCapacity: Machine.memory
        )
        let workingDir = Expansion.expand(container.workingDir) { variables[$0] }
        let input = RuntimeSpecInput(
            pod: pod,
            container: container,
            arguments: arguments,
            environment: variables.lines,
            workingDir: workingDir.isEmpty ? image.workingDir : workingDir,
            user: user,
            mounts: mounts,
            maskedPaths: image.isHost ? HostImage.hiddenFiles : [],
            networkNamespace: pod.hostNetwork ? nil : podPaths.networkNamespace,
            ipcNamespace: podPaths.ipcNamespace,
            utsNamespace: pod.hostNetwork ? nil : podPaths.utsNamespace,
            processNamespace: nil,
            sharedMemory: pod.hostIPC ? "/dev/shm" : podPaths.sharedMemory,
            cgroupPath: cgroup,
            oomScoreAdjustment: max(wanted, Machine.lowestOOMScore),
            devices: isPrivileged ? HostDevices.all() : HostDevices.gpus(request.gpuIndexes)
        )
        return Prepared(
            record: record,
            paths: own,
            spec: RuntimeSpec.make(input),
            image: image,
            mountPoints: mounts.map { ($0.destination, $0.type == "bind" && !Files.isDirectory($0.source)) },
            skippedVariables: built.skipped
        )
    }

    /// Writes the bundle: root file system, configuration, and last the record that makes it known.
    ///
    /// - Throws: `.create`; what was made is taken away again.
    func write(_ prepared: Prepared, container: ContainerModel) throws {
        let own = prepared.paths
        do {
            try Mounts.unmountAll(below: own.root)
            try Files.remove(own.root)
            try runtime.mountRoot(own, image: prepared.image)
            if prepared.image.isHost {
                try makeFreshFolders(own, destinations: prepared.mountPoints)
            }
            try Files.write(own.terminationLog, "", mode: 0o666)
            if let slash = prepared.record.logPath.lastIndex(of: "/") {
                try Files.makeDirectory(String(prepared.record.logPath[..<slash]))
            }
            try Files.write(own.config, prepared.spec.bytes, mode: 0o600)
            try prepared.record.save(own.record)
        } catch let error as NodeAgentError {
            try? Mounts.unmountAll(below: own.root)
            throw NodeAgentError(.create, error.message, remedy: error.remedy)
        }
    }

    /// The folders of a host image that start empty, with the points at which other things are mounted below them:
    /// runc could not make these when the folder is read-only in the container.
    private func makeFreshFolders(_ own: ContainerPaths, destinations: [(path: String, isFile: Bool)]) throws {
        for folder in HostImage.freshFolders {
            let path = Self.freshPath(folder.path, own)
            try Files.makeDirectory(path)
            try Files.setMode(path, mode_t(folder.mode, radix: 8) ?? 0o755)
            for point in destinations where point.path.hasPrefix(folder.path + "/") {
                let target = path + point.path.dropFirst(folder.path.count)
                guard point.isFile, let slash = target.lastIndex(of: "/") else {
                    try Files.makeDirectory(target)
                    continue
                }
                try Files.makeDirectory(String(target[..<slash]))
                try Files.write(target, "")
            }
        }
    }

    private static func freshPath(_ path: String, _ own: ContainerPaths) -> String {
        own.root + "/fresh" + path.replacing("/", with: "-")
    }

    /// Command and arguments: `command` replaces the image's entrypoint and its command, `args` only the latter.
    static func arguments(_ container: ContainerModel, image: ResolvedImage) -> [String] {
        if !container.command.isEmpty { return container.command + container.args }
        return image.entrypoint + (container.args.isEmpty ? image.command : container.args)
    }

    private func refuseUnsupported(_ container: ContainerModel, _ pod: PodModel) throws {
        for kind in ProbeKind.allCases {
            if case .grpc? = container.probe(kind)?.action {
                throw NodeAgentError(
                    .configuration,
                    "\(kind.rawValue) of container \"\(container.name)\" uses gRPC, which this node does not support",
                    remedy: "use httpGet, tcpSocket or exec"
                )
            }
        }
        if pod.sharesProcessNamespace, !pod.hostPID {
            throw NodeAgentError(
                .configuration,
                "shareProcessNamespace is not supported by this node",
                remedy: "remove it from the pod"
            )
        }
        for context in [container.securityContext, pod.securityContext]
        where context[path: "seccompProfile", "type"]?.stringValue == "Localhost" {
            throw NodeAgentError(
                .configuration,
                "seccompProfile of type Localhost is not supported by this node",
                remedy: "use RuntimeDefault or Unconfined"
            )
        }
        if pod.spec["hostUsers"]?.boolValue == false {
            throw NodeAgentError(
                .configuration,
                "hostUsers: false is not supported by this node",
                remedy: "remove it from the pod"
            )
        }
    }

    private func baseMounts(
        _ pod: PodModel,
        _ container: ContainerModel,
        image: ResolvedImage,
        own: ContainerPaths
    ) -> [ContainerMount] {
        let isReadOnly = container.securityContext["readOnlyRootFilesystem"]?.boolValue ?? false
        let podPaths = paths.pod(pod.uid)
        var mounts: [ContainerMount] = []
        if image.isHost {
            for folder in HostImage.freshFolders {
                mounts.append(.bind(Self.freshPath(folder.path, own), at: folder.path, readOnly: isReadOnly))
            }
            mounts.append(.memory(at: "/run", mode: "755", readOnly: isReadOnly))
            for path in HostImage.hidden(dataDirectory: paths.data) {
                mounts.append(.memory(at: path, mode: "755", readOnly: true))
            }
            for path in image.expose where Files.exists(path) { mounts.append(.bind(path, at: path, readOnly: true)) }
        }
        if image.carriesOutrigger {
            for (source, name) in [
                (configuration.outrigger(version: image.tag), "outrigger"),
                (configuration.monitor, "outrigger-monitor"),
            ]
            where Files.exists(source) {
                mounts.append(.bind(source, at: "/usr/local/bin/" + name, readOnly: true))
            }
        }
        let taken = Set(container.volumeMounts.compactMap { $0["mountPath"]?.stringValue })
        if !taken.contains("/etc/hosts") {
            mounts.append(.bind(podPaths.hosts, at: "/etc/hosts", readOnly: isReadOnly))
        }
        mounts.append(.bind(podPaths.resolver, at: "/etc/resolv.conf", readOnly: isReadOnly))
        mounts.append(.bind(podPaths.hostname, at: "/etc/hostname", readOnly: isReadOnly))
        mounts.append(.bind(own.terminationLog, at: container.terminationMessagePath))
        return mounts
    }
}
