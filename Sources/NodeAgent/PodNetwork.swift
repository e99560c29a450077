/// The part of a pod's sandbox that gives it an address: a bridge, an address range, host ports.
///
/// The node agent makes an empty, named network namespace (only `lo`, still down) and calls `attach`. It calls
/// `attach` again with the same arguments after its own restart for every pod that still runs, so the implementation
/// must be idempotent by `podUID`: a pod that already has its address gets the same answer and keeps its interface.
/// Pods with `hostNetwork` never get here. All methods may be called concurrently for different pods, never
/// concurrently for the same pod.
package protocol PodNetwork: Sendable {
    /// Gives the namespace bound at `netnsPath` an interface `eth0`, an address, a default route and a `lo` that is up.
    ///
    /// - Throws: when the pod cannot be given an address; the agent undoes nothing, reports `FailedCreatePodSandBox`
    /// and tries again.
    func attach(podUID: String, namespace: String, name: String, netnsPath: String) async throws -> PodAddress

    /// Takes back the pod's interface, address and host ports. No error when the pod has none.
    ///
    /// The namespace may already be gone.
    func detach(podUID: String) async throws

    /// Opens `hostPorts` on this machine towards `address`; called after `attach` for pods that declare some, also
    /// after a restart.
    func publish(podUID: String, address: PodAddress, hostPorts: [PodHostPort]) async throws

    /// Frees what belongs to any pod of this node but `podUIDs`; called once when the agent has re-adopted its pods.
    func retain(podUIDs: Set<String>) async throws
}

extension PodNetwork {
    package func publish(podUID: String, address: PodAddress, hostPorts: [PodHostPort]) async throws {
        guard let first = hostPorts.first else { return }
        throw NodeAgentError(
            .networkUnavailable,
            "this node's pod network cannot open host port \(first.hostPort)",
            remedy: "remove hostPort from the pod, or use a Service of type NodePort"
        )
    }

    package func retain(podUIDs: Set<String>) async throws {}
}

/// What `PodNetwork.attach` gave a pod.
package struct PodAddress: Sendable, Hashable, Codable {
    /// IPv4 address of `eth0`, as `status.podIP` shows it.
    package var ip: String
    /// Length of the subnet's prefix, for example 24.
    package var prefixLength: Int
    /// Default route; on a bridge the bridge's own address, and what pods see as the host's address.
    package var gateway: String
    /// Resolver written to `/etc/resolv.conf` for `dnsPolicy: ClusterFirst`.
    package var dnsServer: String
    /// `cluster.local`; the search list is `NAMESPACE.svc.DOMAIN svc.DOMAIN DOMAIN` and then `searchDomains`.
    package var clusterDomain: String
    /// Further search domains, usually those of the host; may be empty.
    package var searchDomains: [String]

    package init(
        ip: String,
        prefixLength: Int,
        gateway: String,
        dnsServer: String,
        clusterDomain: String = "cluster.local",
        searchDomains: [String] = []
    ) {
        self.ip = ip
        self.prefixLength = prefixLength
        self.gateway = gateway
        self.dnsServer = dnsServer
        self.clusterDomain = clusterDomain
        self.searchDomains = searchDomains
    }
}

/// One `containers[].ports[]` entry with a `hostPort`.
package struct PodHostPort: Sendable, Hashable, Codable {
    package enum TransportProtocol: String, Sendable, Codable {
        case tcp = "TCP"
        case udp = "UDP"
    }

    package var transport: TransportProtocol
    /// nil = every address of the host.
    package var hostIP: String?
    package var hostPort: Int
    package var containerPort: Int

    package init(transport: TransportProtocol, hostIP: String? = nil, hostPort: Int, containerPort: Int) {
        self.transport = transport
        self.hostIP = hostIP
        self.hostPort = hostPort
        self.containerPort = containerPort
    }
}
