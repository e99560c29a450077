internal import Synchronization

/// A route table made ready for look-ups by bytes.
final class CompiledTable: Sendable {
    let endpoints: [String: EndpointRoute]
    private let byHash: [UInt64: [EndpointRoute]]

    static let empty = CompiledTable(endpoints: [])

    init(endpoints: [EndpointRoute]) {
        self.endpoints = Dictionary(endpoints.map { ($0.name, $0) }) { first, _ in first }
        byHash = Dictionary(grouping: endpoints) { route in
            route.nameBytes.withUnsafeBufferPointer { name in
                name.baseAddress.map { CompiledTable.hash($0, name.count) } ?? 0
            }
        }
    }

    /// The endpoint whose name these bytes are.
    func find(_ bytes: UnsafePointer<UInt8>, _ name: ByteRange) -> EndpointRoute? {
        let start = bytes + Int(name.start)
        guard let candidates = byHash[CompiledTable.hash(start, name.count)] else { return nil }
        return candidates.first { equals($0.nameBytes, start, name.count) }
    }

    /// FNV-1a.
    ///
    /// Names come from the cluster's own objects, so nobody outside can pile up collisions.
    private static func hash(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in 0..<count { hash = (hash ^ UInt64(bytes[index])) &* 0x100_0000_01B3 }
        return hash
    }
}

/// An endpoint of a compiled table.
final class EndpointRoute: Sendable {
    let name: String
    let nameBytes: [UInt8]
    let auth: RouteTable.Authentication
    let deployments: [DeploymentRoute]
    private let schedule: WeightedSchedule
    private let sequence: Atomic<UInt64>

    init(_ endpoint: RouteTable.Endpoint, deployments: [DeploymentRoute], sequence: UInt64) {
        name = endpoint.name
        nameBytes = Array(endpoint.name.utf8)
        auth = endpoint.auth
        self.deployments = deployments
        schedule = WeightedSchedule(weights: endpoint.deployments.map(\.weight))
        self.sequence = Atomic(sequence)
    }

    /// The deployment for the next request that names none; nil when none has traffic.
    func next() -> DeploymentRoute? {
        let number = sequence.wrappingAdd(1, ordering: .relaxed).oldValue
        return schedule.choice(number).map { deployments[$0] }
    }

    var position: UInt64 { sequence.load(ordering: .relaxed) }

    func deployment(_ bytes: UnsafePointer<UInt8>, _ name: ByteRange) -> DeploymentRoute? {
        deployments.first { equals($0.nameBytes, bytes + Int(name.start), name.count) }
    }
}

/// A deployment of a compiled table.
final class DeploymentRoute: Sendable {
    let name: String
    let nameBytes: [UInt8]
    let settings: RouteTable.Settings
    let scoringPath: [UInt8]
    /// `azureml-model-deployment: NAME` and CRLF.
    let headerLine: [UInt8]
    let requestTimeout: UInt64
    let queueWait: UInt64
    let runtime: DeploymentRuntime

    init(_ deployment: RouteTable.Deployment, runtime: DeploymentRuntime) {
        name = deployment.name
        nameBytes = Array(deployment.name.utf8)
        settings = deployment.settings
        scoringPath = Array(deployment.settings.scoringPath.utf8)
        headerLine = Array("azureml-model-deployment: \(deployment.name)\r\n".utf8)
        requestTimeout = UInt64(max(1, deployment.settings.requestTimeoutMilliseconds)) * 1_000_000
        queueWait = UInt64(max(0, deployment.settings.maxQueueWaitMilliseconds)) * 1_000_000
        self.runtime = runtime
    }
}

private func equals(_ known: [UInt8], _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    guard known.count == count else { return false }
    for index in 0..<count where known[index] != bytes[index] { return false }
    return true
}
