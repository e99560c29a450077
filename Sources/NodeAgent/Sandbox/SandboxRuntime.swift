internal import KubeCore

/// Makes and unmakes pods' sandboxes: namespaces, address, shared memory, files below /etc.
struct SandboxRuntime: Sendable {
    let configuration: NodeAgentConfiguration
    let paths: NodePaths
    let network: any PodNetwork

    /// Makes what is missing; safe to repeat.
    ///
    /// Returns the pod's address, nil with `hostNetwork`.
    func create(_ pod: PodModel) async throws -> PodAddress? {
        let own = paths.pod(pod.uid)
        for folder in [own.root, own.containers, own.volumes, own.sharedMemory] {
            try Files.makeDirectory(folder, mode: 0o711)
        }
        try await makeNamespaces(pod, own)
        if !pod.hostIPC, !Mounts.table().contains(where: { $0.target == own.sharedMemory }) {
            try Mounts.memory(on: own.sharedMemory, sizeBytes: 64 << 20, mode: "1777")
        }
        var address: PodAddress?
        if !pod.hostNetwork {
            let given = try await network.attach(
                podUID: pod.uid,
                namespace: pod.namespace,
                name: pod.name,
                netnsPath: own.networkNamespace
            )
            try await network.publish(podUID: pod.uid, address: given, hostPorts: pod.hostPorts)
            address = given
        }
        try writeFiles(pod, own, address: address)
        return address
    }

    /// Tells the network again what it may have forgotten, for a pod that still runs.
    func restore(_ pod: PodModel, address: PodAddress?) async throws -> PodAddress? {
        guard !pod.hostNetwork else { return nil }
        let own = paths.pod(pod.uid)
        let given = try await network.attach(
            podUID: pod.uid,
            namespace: pod.namespace,
            name: pod.name,
            netnsPath: own.networkNamespace
        )
        try await network.publish(podUID: pod.uid, address: given, hostPorts: pod.hostPorts)
        return given
    }

    private func makeNamespaces(_ pod: PodModel, _ own: PodPaths) async throws {
        try Files.makeDirectory(paths.namespaces, mode: 0o711)
        let wanted = [
            pod.hostNetwork ? nil : own.networkNamespace, pod.hostIPC ? nil : own.ipcNamespace,
            pod.hostNetwork ? nil : own.utsNamespace,
        ]
        let mounted = Set(Mounts.table().map(\.target))
        let missing = wanted.map { path -> String in path.map { mounted.contains($0) ? "-" : $0 } ?? "-" }
        guard missing.contains(where: { $0 != "-" }) else { return }
        let output = try await Command.run(configuration.monitor, ["sandbox", pod.hostname] + missing)
        guard output.exitCode == 0 else {
            throw NodeAgentError(.system, "namespaces of the pod: \(output.standardError.trimmed)")
        }
    }

    private func writeFiles(_ pod: PodModel, _ own: PodPaths, address: PodAddress?) throws {
        let hosts = EtcFiles.hosts(
            pod: pod,
            address: address,
            hostFile: Files.text("/etc/hosts") ?? "",
            clusterDomain: configuration.clusterDomain
        )
        try Files.write(own.hosts, hosts)
        // systemd-resolved shows its upstream servers here; its own stub address is not reachable from a pod.
        let upstream = "/run/systemd/resolve/resolv.conf"
        let source = Files.exists(upstream) ? upstream : "/etc/resolv.conf"
        let resolver = EtcFiles.resolver(
            pod: pod,
            address: address,
            clusterDNS: configuration.clusterDNS,
            clusterDomain: configuration.clusterDomain,
            hostFile: Files.text(source) ?? ""
        )
        try Files.write(own.resolver, resolver)
        try Files.write(own.hostname, pod.hostname + "\n")
    }

    /// Takes the sandbox away; the pod's folder stays.
    ///
    /// No error for what is already gone.
    func remove(podUID: String) async throws {
        let own = paths.pod(podUID)
        try await network.detach(podUID: podUID)
        for path in [own.networkNamespace, own.ipcNamespace, own.utsNamespace] where Files.exists(path) {
            try Mounts.unmount(path)
            try Files.remove(path)
        }
        try Mounts.unmountAll(below: own.root)
    }
}
