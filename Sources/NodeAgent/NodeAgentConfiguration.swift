/// Everything a node agent is told from outside.
package struct NodeAgentConfiguration: Sendable {
    /// Data folder of the instance; absolute.
    package var dataDirectory: String
    /// Name of the instance, unique on this machine; part of the control group path.
    package var instanceName: String
    package var nodeName: String
    /// This machine's address as the node reports it and as pods see it.
    package var hostIP: String
    /// Address of the Kubernetes API as pods are told it (`KUBERNETES_SERVICE_HOST`, port) when the `kubernetes`
    /// Service is absent.
    package var kubernetesServiceHost: String
    package var kubernetesServicePort: Int
    /// Resolver for pods with `hostNetwork` and `dnsPolicy: ClusterFirstWithHostNet`; other pods take it from their
    /// `PodAddress`.
    package var clusterDNS: String
    package var clusterDomain: String
    /// Range of pod addresses of this node, `spec.podCIDR`; empty = not set.
    package var podCIDR: String
    package var runcPath: String
    /// Empty = `<data>/bin/outrigger-monitor`.
    package var monitorPath: String
    /// Empty = `<data>/bin/outrigger`.
    package var outriggerPath: String
    /// Any image that is not in the table maps to `host`, with an event; otherwise it is `ErrImagePull`.
    package var mapUnknownImages: Bool
    /// Share of the machine's processors and memory that this node reports, above 0 and at most 1.
    package var capacityFraction: Double
    package var maxPods: Int
    package var labels: [String: String]
    /// Version that the node reports as `kubeletVersion`.
    package var version: String
    package var leaseRenewInterval: Duration
    /// How often volumes that follow ConfigMaps, Secrets and tokens are refreshed.
    package var volumeRefreshInterval: Duration
    package var logMaxBytes: Int
    package var logMaxFiles: Int

    package init(dataDirectory: String, instanceName: String, nodeName: String, hostIP: String) {
        self.dataDirectory = dataDirectory
        self.instanceName = instanceName
        self.nodeName = nodeName
        self.hostIP = hostIP
        kubernetesServiceHost = hostIP
        kubernetesServicePort = 7444
        clusterDNS = hostIP
        clusterDomain = "cluster.local"
        podCIDR = ""
        runcPath = "/usr/sbin/runc"
        monitorPath = ""
        outriggerPath = ""
        mapUnknownImages = true
        capacityFraction = 1
        maxPods = 110
        labels = [:]
        version = "v1.36.0"
        leaseRenewInterval = .seconds(10)
        volumeRefreshInterval = .seconds(60)
        logMaxBytes = 10 << 20
        logMaxFiles = 5
    }

    var monitor: String { monitorPath.isEmpty ? dataDirectory + "/bin/outrigger-monitor" : monitorPath }
    var outrigger: String { outriggerPath.isEmpty ? dataDirectory + "/bin/outrigger" : outriggerPath }
    /// The program of one version when that was kept, else the present one.
    func outrigger(version: String?) -> String {
        guard outriggerPath.isEmpty, let version else { return outrigger }
        let kept = dataDirectory + "/bin/versions/" + version + "/outrigger"
        return Files.exists(kept) ? kept : outrigger
    }
    /// Control group below which every pod of this node lives.
    var cgroupParent: String { "/outrigger/" + instanceName + "/" + nodeName }
}

/// Where a node keeps what on disk.
///
/// Everything needed to find, adopt or remove its pods is below these paths.
struct NodePaths: Sendable, Hashable {
    let data: String
    let node: String

    init(dataDirectory: String, nodeName: String) {
        data = dataDirectory
        node = dataDirectory + "/nodes/" + nodeName
        self.nodeName = nodeName
    }

    private let nodeName: String

    var run: String { data + "/run" }
    var socket: String { run + "/node-" + nodeName + ".sock" }
    /// Bind-mounted namespaces, one file per pod and kind.
    var namespaces: String { run + "/netns" }
    var runcRoot: String { run + "/runc/" + nodeName }
    var pods: String { node + "/pods" }
    var bootID: String { node + "/boot-id" }
    var images: String { data + "/images.json" }
    var podLogs: String { data + "/logs/pods" }

    func pod(_ uid: String) -> PodPaths {
        PodPaths(
            uid: uid,
            root: pods + "/" + uid,
            networkNamespace: namespaces + "/" + uid,
            ipcNamespace: namespaces + "/" + uid + ".ipc",
            utsNamespace: namespaces + "/" + uid + ".uts"
        )
    }

    /// `<logs>/pods/NAMESPACE_NAME_UID`, the layout of log shippers.
    func logs(namespace: String, name: String, uid: String) -> String { "\(podLogs)/\(namespace)_\(name)_\(uid)" }
}

/// The folders and files of one pod.
struct PodPaths: Sendable, Hashable {
    let uid: String
    let root: String
    let networkNamespace: String
    let ipcNamespace: String
    let utsNamespace: String

    /// The pod as last seen and its sandbox: what is needed to tear it down when the API has forgotten it.
    var record: String { root + "/pod.json" }
    var hosts: String { root + "/etc-hosts" }
    var resolver: String { root + "/resolv.conf" }
    var hostname: String { root + "/hostname" }
    var sharedMemory: String { root + "/shm" }
    var volumes: String { root + "/volumes" }
    var containers: String { root + "/containers" }
    func volume(_ name: String) -> String { volumes + "/" + name }
    func container(_ name: String, attempt: Int) -> ContainerPaths {
        ContainerPaths(root: containers + "/" + name + "/" + String(attempt))
    }
}

/// The bundle of one run of a container.
struct ContainerPaths: Sendable, Hashable {
    let root: String

    var record: String { root + "/record.json" }
    var config: String { root + "/config.json" }
    var rootfs: String { root + "/rootfs" }
    var upper: String { root + "/upper" }
    var work: String { root + "/work" }
    var temporary: String { root + "/tmp" }
    var empty: String { root + "/empty" }
    var terminationLog: String { root + "/termination-log" }
    var monitorLock: String { root + "/monitor.lock" }
    var initProcess: String { root + "/init.pid" }
    var started: String { root + "/started" }
    var exit: String { root + "/exit.json" }
    var attachSocket: String { root + "/attach.sock" }
}
