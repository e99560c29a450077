internal import KubeCore

/// What the node agent reads of a pod: typed access to the parts of the spec that decide what runs.
///
/// A value; made anew from each version of the object. Reading is tolerant, because the API server has validated the
/// object.
struct PodModel: Sendable, Hashable {
    let object: KubeObject
    let containers: [ContainerModel]
    let initContainers: [ContainerModel]
    let volumes: [JSON]

    init(_ object: KubeObject) {
        self.object = object
        containers = (object["spec", "containers"]?.arrayValue ?? []).map { ContainerModel($0, isInit: false) }
        initContainers = (object["spec", "initContainers"]?.arrayValue ?? []).map { ContainerModel($0, isInit: true) }
        volumes = object["spec", "volumes"]?.arrayValue ?? []
    }

    var uid: String { object.uid }
    var name: String { object.name }
    var namespace: String { object.namespace ?? "default" }
    var spec: JSON { object.json["spec"] ?? .object([:]) }
    var status: JSON { object.json["status"] ?? .object([:]) }

    var allContainers: [ContainerModel] { initContainers + containers }
    /// Init containers with `restartPolicy: Always`.
    var sidecars: [ContainerModel] { initContainers.filter(\.isSidecar) }
    func container(_ name: String) -> ContainerModel? { allContainers.first { $0.name == name } }

    var restartPolicy: RestartPolicy {
        RestartPolicy(rawValue: spec["restartPolicy"]?.stringValue ?? "") ?? .always
    }
    var hostNetwork: Bool { spec["hostNetwork"]?.boolValue ?? false }
    var hostPID: Bool { spec["hostPID"]?.boolValue ?? false }
    var hostIPC: Bool { spec["hostIPC"]?.boolValue ?? false }
    var sharesProcessNamespace: Bool { spec["shareProcessNamespace"]?.boolValue ?? false }
    var serviceAccountName: String {
        let name = spec["serviceAccountName"]?.stringValue ?? ""
        return name.isEmpty ? "default" : name
    }
    /// Seconds; the grace of a pod that is being deleted is `metadata.deletionGracePeriodSeconds`.
    var terminationGracePeriodSeconds: Int {
        if object.isTerminating, let seconds = object["metadata", "deletionGracePeriodSeconds"]?.intValue {
            return seconds
        }
        return spec["terminationGracePeriodSeconds"]?.intValue ?? 30
    }
    var activeDeadlineSeconds: Int? { spec["activeDeadlineSeconds"]?.intValue }
    var securityContext: JSON { spec["securityContext"] ?? .object([:]) }

    /// The host name inside the pod, cut to 63 characters as the kernel and DNS want it.
    var hostname: String {
        if let custom = spec["hostnameOverride"]?.stringValue, !custom.isEmpty { return custom }
        let custom = spec["hostname"]?.stringValue ?? ""
        let full = custom.isEmpty ? name : custom
        guard full.utf8.count > 63 else { return full }
        var cut = String(full.prefix(63))
        while let last = cut.last, last == "-" || last == "." { cut.removeLast() }
        return cut
    }

    /// `Guaranteed`, `Burstable` or `BestEffort`.
    var qosClass: QoSClass {
        if let text = status["qosClass"]?.stringValue, let known = QoSClass(rawValue: text) { return known }
        return QoSClass(of: allContainers)
    }

    /// Entries of `ports` with a `hostPort`.
    var hostPorts: [PodHostPort] {
        (containers + sidecars).flatMap(\.ports).compactMap { port in
            guard let hostPort = port["hostPort"]?.intValue, hostPort > 0, let own = port["containerPort"]?.intValue
            else {
                return nil
            }
            let hostIP = port["hostIP"]?.stringValue ?? ""
            return PodHostPort(
                transport: PodHostPort.TransportProtocol(rawValue: port["protocol"]?.stringValue ?? "TCP") ?? .tcp,
                hostIP: hostIP.isEmpty || hostIP == "0.0.0.0" ? nil : hostIP,
                hostPort: hostPort,
                containerPort: own
            )
        }
    }
}

enum RestartPolicy: String, Sendable, Hashable {
    case always = "Always"
    case onFailure = "OnFailure"
    case never = "Never"

    /// Whether a container that ended with `exitCode` is started again.
    func restarts(afterExitCode exitCode: Int) -> Bool {
        switch self {
        case .always: true
        case .onFailure: exitCode != 0
        case .never: false
        }
    }
}

enum QoSClass: String, Sendable, Hashable {
    case guaranteed = "Guaranteed"
    case burstable = "Burstable"
    case bestEffort = "BestEffort"

    init(of containers: [ContainerModel]) {
        var sawAny = false
        var isGuaranteed = true
        for container in containers {
            for resource in ["cpu", "memory"] {
                let request = container.request(resource)
                let limit = container.limit(resource)
                if request?.isZero == false || limit?.isZero == false { sawAny = true }
                if limit == nil || limit?.isZero == true || request != limit { isGuaranteed = false }
            }
        }
        self = !sawAny ? .bestEffort : isGuaranteed ? .guaranteed : .burstable
    }
}
