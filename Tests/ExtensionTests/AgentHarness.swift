import ControlPlaneAPI
import KubeCore
import KubeRuntime
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Extension

/// The control plane's side: work that changes, and what came back.
final class RecordingLink: ExtensionLink {
    private struct State {
        var work = AgentWork()
        var reports: [ExtensionReport] = []
        var answers: [AgentAnswer] = []
        var heartbeats: [ClusterHeartbeat] = []
        var bundles: [String: [JSON]] = [:]
        var token: AgentCredential? = AgentCredential(token: "relay-token-1", expiresIn: 3600)
        var refusal: (any Error)?
    }

    private let state = Mutex(State())
    private let streams = Mutex<[AsyncStream<AgentWork>.Continuation]>([])

    func work() async -> AsyncStream<AgentWork> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: AgentWork.self,
            bufferingPolicy: .bufferingNewest(1)
        )
        continuation.yield(state.withLock { $0.work })
        streams.withLock { $0.append(continuation) }
        return stream
    }

    func report(_ report: ExtensionReport) async throws {
        try state.withLock {
            if let refusal = $0.refusal { throw refusal }
            $0.reports.append(report)
        }
    }

    func answer(_ answer: AgentAnswer) async throws {
        try state.withLock {
            if let refusal = $0.refusal { throw refusal }
            $0.answers.append(answer)
        }
    }

    func heartbeat(_ heartbeat: ClusterHeartbeat) async throws {
        try state.withLock {
            if let refusal = $0.refusal { throw refusal }
            $0.heartbeats.append(heartbeat)
        }
    }

    func relayCredential() async throws -> AgentCredential {
        guard let token = state.withLock({ $0.token }) else { throw Unavailable() }
        return token
    }

    func bundle(_ component: String, version: String) async throws -> [JSON]? {
        state.withLock { $0.bundles[component] }
    }

    struct Unavailable: Error {}

    private func change(_ body: (inout AgentWork) -> Void) {
        let work = state.withLock {
            body(&$0.work)
            return $0.work
        }
        for stream in streams.withLock({ $0 }) { stream.yield(work) }
    }

    func want(_ set: [DesiredExtension]) { change { $0.extensions = set } }
    func ask(_ requests: [AgentRequest]) { change { $0.requests = requests } }
    func refuse(_ error: (any Error)?) { state.withLock { $0.refusal = error } }
    func give(_ bundles: [String: [KubeObject]]) {
        state.withLock { $0.bundles = bundles.mapValues { $0.map(\.json) } }
    }
    func give(_ token: AgentCredential?) { state.withLock { $0.token = token } }

    var reports: [ExtensionReport] { state.withLock { $0.reports } }
    var last: ExtensionReport? { state.withLock { $0.reports.last } }
    var answers: [AgentAnswer] { state.withLock { $0.answers } }
    var heartbeats: [ClusterHeartbeat] { state.withLock { $0.heartbeats } }

    /// Waits for the last report to be in this state, for this generation.
    @discardableResult
    func wait(
        _ state: String,
        generation: Int? = nil,
        timeout: Duration = .seconds(20)
    ) async throws -> ExtensionReport {
        do {
            return try await eventually("\(state) of \(generation ?? 0)", timeout: timeout, interval: .milliseconds(3))
            {
                last.flatMap { report in
                    let isGeneration = generation == nil || report.generation == generation
                    let isState = state == "Gone" ? report.isGone : report.provisioningState == state
                    return isGeneration && isState ? report : nil
                }
            }
        } catch let error as NotEventually {
            Issue.record("last report: \(String(describing: last))")
            throw error
        }
    }

    /// Asks and waits for the answer.
    func answer(
        _ kind: AgentRequest.Kind,
        _ desired: DesiredExtension,
        operation: String = "install"
    ) async throws -> AgentAnswer {
        let id = "\(kind)-\(answers.count)"
        ask([AgentRequest(id: id, kind: kind, operation: operation, desired: desired)])
        return try await eventually("answer \(id)") { answers.first { $0.id == id } }
    }
}

/// What users want, with changes to the usual settings.
func wanted(
    _ changes: [String: String] = [:],
    generation: Int = 1,
    isDeleting: Bool = false,
    type: String = "Microsoft.AzureML.Kubernetes",
    configure: (inout DesiredExtension) -> Void = { _ in }
) -> DesiredExtension {
    var settings = [
        "enableTraining": "True", "enableInference": "True", "inferenceRouterServiceType": "LoadBalancer",
        "allowInsecureConnections": "True", "inferenceRouterHA": "False",
    ]
    settings.merge(changes) { $1 }
    var desired = DesiredExtension(
        clusterType: "connectedClusters",
        resourceGroup: "local",
        clusterName: "local",
        name: "amlext",
        extensionType: type,
        settings: settings,
        generation: generation,
        isDeleting: isDeleting
    )
    configure(&desired)
    return desired
}

/// Does what the controllers of a cluster would: rolls out, gives addresses, collects garbage, empties namespaces.
func rollOut(_ api: any ResourceAPI, except: Set<String> = []) async throws {
    for type in ClusterWatch.workloadTypes {
        for workload in try await api.list(type, namespace: "azureml").items {
            try await settle(api, type, workload, isReady: !except.contains(workload.name))
        }
    }
    for service in try await api.list(.services, namespace: "azureml").items
    where service["spec", "type"]?.stringValue == "LoadBalancer" && !except.contains(service.name) {
        guard service["status", "loadBalancer", "ingress"] == nil else { continue }
        var service = service
        service["status"] = ["loadBalancer": ["ingress": [["ip": "192.0.2.1"]]]]
        try await ignoringRaces { try await api.updateStatus(.services, service) }
    }
    guard let namespace = try await api.find(.namespaces, name: "azureml"), namespace.isTerminating else { return }
    for type in [ResourceType.configMaps, .secrets, .services, .serviceAccounts] {
        try await api.deleteCollection(type, namespace: "azureml", selection: ListOptions(), options: DeleteOptions())
    }
    var emptied = namespace
    emptied["spec", "finalizers"] = []
    try await ignoringRaces {
        try await api.update(
            .namespaces,
            namespace: nil,
            name: "azureml",
            subresource: "finalize",
            object: emptied,
            options: WriteOptions()
        )
    }
}

private func settle(_ api: any ResourceAPI, _ type: ResourceType, _ workload: KubeObject, isReady: Bool) async throws {
    var workload = workload
    if workload.isTerminating {
        workload.finalizers = []
        try await ignoringRaces { try await api.update(type, workload) }
        return
    }
    guard isReady, workload.observedGeneration != workload.generation else { return }
    let replicas = workload["spec", "replicas"] ?? 1
    workload["status"] = [
        "observedGeneration": JSON(workload.generation), "replicas": replicas, "updatedReplicas": replicas,
        "readyReplicas": replicas, "availableReplicas": replicas, "desiredNumberScheduled": 1,
        "currentNumberScheduled": 1, "updatedNumberScheduled": 1, "numberReady": 1, "numberMisscheduled": 0,
    ]
    if type != .daemonSets {
        for key in [
            "desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberReady",
            "numberMisscheduled",
        ] { workload["status", key] = nil }
    }
    try await ignoringRaces { try await api.updateStatus(type, workload) }
}

private func ignoringRaces(_ body: () async throws -> KubeObject) async throws {
    do { _ = try await body() } catch let error as APIError where error.isConflict || error.isNotFound {}
}

/// Short, so that tests do not wait.
var quickTiming: AgentTiming {
    var timing = AgentTiming()
    timing.waiting = .milliseconds(50)
    timing.refused = .milliseconds(200)
    timing.forcedPatience = .milliseconds(300)
    return timing
}

let quiet: Logger = {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return logger
}()

/// A cluster with an agent, and something that stands for its controllers.
func withAgent(
    profile: ClusterProfile = testProfile,
    except: Set<String> = [],
    podLogs: PodLogReading? = nil,
    _ body: (any ResourceAPI, RecordingLink) async throws -> Void
) async throws {
    try await TestCluster.run { cluster in
        let api = cluster.api
        try await api.create(.nodes, .node("node-0"))
        let link = RecordingLink()
        try await withControllers(api, except: except) {
            try await running(api, link, profile: profile, podLogs: podLogs) { try await body(api, link) }
        }
    }
}

func withControllers(
    _ api: any ResourceAPI,
    except: Set<String> = [],
    _ body: () async throws -> Void
) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            while await sleepUnlessCancelled(.milliseconds(5)) {
                do { try await rollOut(api, except: except) } catch is CancellationError { return }
            }
        }
        let result = await Result<Void, any Error>.catching { try await body() }
        group.cancelAll()
        while let ended = await group.nextResult() { _ = ended }
        try result.get()
    }
}

/// Runs an agent while `body` runs.
func running(
    _ api: any ResourceAPI,
    _ link: RecordingLink,
    profile: ClusterProfile = testProfile,
    podLogs: PodLogReading? = nil,
    timing: AgentTiming = quickTiming,
    _ body: () async throws -> Void
) async throws {
    let agent = ExtensionAgent(
        link: link,
        api: api,
        profile: profile,
        podLogs: podLogs,
        timing: timing,
        logger: quiet
    )
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await agent.run() }
        let result = await Result<Void, any Error>.catching { try await body() }
        group.cancelAll()
        while let ended = await group.nextResult() { _ = ended }
        try result.get()
    }
}
