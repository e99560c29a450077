internal import KubeCore

/// A node and what is placed on it.
struct NodeState: Sendable {
    let name: String
    private(set) var labels: [String: String] = [:]
    private(set) var taints: [Taint] = []
    private(set) var isUnschedulable = false
    private(set) var allocatable = Resources()
    private(set) var used = Resources()
    /// Requests with a minimum for pods that ask for nothing, so that these spread too.
    private(set) var scoredCPU = 0
    private(set) var scoredMemory = 0
    private(set) var hostPorts: [HostPort: Int] = [:]
    /// Pods by owner.
    private(set) var owners: [String: Int] = [:]

    init(name: String) { self.name = name }

    /// Takes what a node object says; returns true when that can change where pods fit.
    mutating func update(_ node: KubeObject) -> Bool {
        let newLabels = node.labels
        let newTaints = (node["spec", "taints"]?.arrayValue ?? []).map { Taint($0) }
        let newUnschedulable = node["spec", "unschedulable"]?.boolValue ?? false
        var newAllocatable = Resources(node["status", "allocatable"] ?? node["status", "capacity"])
        if newAllocatable.pods == 0 { newAllocatable.pods = 110 }
        let isChanged =
            newLabels != labels || newTaints != taints || newUnschedulable != isUnschedulable
            || newAllocatable != allocatable
        labels = newLabels
        taints = newTaints
        isUnschedulable = newUnschedulable
        allocatable = newAllocatable
        return isChanged
    }

    mutating func add(_ pod: PodRequirements) { account(pod, sign: 1) }
    mutating func remove(_ pod: PodRequirements) { account(pod, sign: -1) }

    private mutating func account(_ pod: PodRequirements, sign: Int) {
        if sign > 0 { used += pod.requests } else { used -= pod.requests }
        let asked = NodeState.scored(pod.requests)
        scoredCPU += sign * asked.cpu
        scoredMemory += sign * asked.memory
        for port in pod.hostPorts {
            let count = (hostPorts[port] ?? 0) + sign
            hostPorts[port] = count > 0 ? count : nil
        }
        if let owner = pod.ownerUID {
            let count = (owners[owner] ?? 0) + sign
            owners[owner] = count > 0 ? count : nil
        }
    }

    /// 100 millicores and 200 MiB stand in for what is not asked for, as upstream.
    static func scored(_ requests: Resources) -> (cpu: Int, memory: Int) {
        (requests.cpu == 0 ? 100 : requests.cpu, requests.memory == 0 ? 200 << 20 : requests.memory)
    }

    var free: Resources { allocatable - used }

    func hasRoom(for requests: Resources) -> Bool {
        if used.pods + requests.pods > allocatable.pods { return false }
        if requests.cpu > 0, used.cpu + requests.cpu > allocatable.cpu { return false }
        if requests.memory > 0, used.memory + requests.memory > allocatable.memory { return false }
        if requests.ephemeralStorage > 0,
            used.ephemeralStorage + requests.ephemeralStorage > allocatable.ephemeralStorage
        {
            return false
        }
        for (name, amount) in requests.extended
        where amount > 0 && (used.extended[name] ?? 0) + amount > allocatable.extended[name] ?? 0 {
            return false
        }
        return true
    }

    func hasPorts(for pod: PodRequirements) -> Bool {
        if pod.hostPorts.isEmpty || hostPorts.isEmpty { return true }
        return pod.hostPorts.allSatisfy { wanted in !hostPorts.keys.contains { $0.collides(with: wanted) } }
    }
}
