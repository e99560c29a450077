internal import KubeCore
internal import Testing

/// The instance that all suites below `EndToEnd` share, with the extension installed and a compute attached.
struct SharedInstance: SuiteTrait, TestScoping {
    @TaskLocal static var current: Cluster?

    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        try await Instance.with { instance in
            try await instance.up()
            try await SharedInstance.$current.withValue(Cluster(instance)) { try await function() }
        }
    }
}

/// What tests need is made by the first test that asks for it.
final class Cluster: Sendable {
    let instance: Instance
    let digits: Digits
    private let extensionState = Once<JSON>()

    init(_ instance: Instance) {
        self.instance = instance
        digits = Digits(instance)
    }

    static var shared: Cluster {
        get throws { try #require(SharedInstance.current, "the suite has no instance") }
    }

    /// The shared instance with the extension and a compute called `local`.
    static func ready() async throws -> Cluster {
        let cluster = try shared
        _ = try await cluster.install()
        return cluster
    }

    /// The extension as `k8s-extension create` showed it.
    func install() async throws -> JSON {
        try await extensionState.value { [instance] in
            let shown = try await instance.json(
                "k8s-extension",
                "create",
                "--name",
                "amlext",
                "--extension-type",
                "Microsoft.AzureML.Kubernetes",
                "--config",
                "enableTraining=True",
                "enableInference=True",
                "inferenceRouterServiceType=LoadBalancer",
                "allowInsecureConnections=True",
                "inferenceLoadBalancerHA=False",
                "--cluster-type",
                "connectedClusters",
                "--cluster-name",
                "local",
                "--resource-group",
                "local",
                "--scope",
                "cluster",
                limit: .seconds(120)
            )
            _ = try await instance.json(
                "ml",
                "compute",
                "attach",
                "--type",
                "Kubernetes",
                "--name",
                "local",
                "--resource-id",
                "local"
            )
            return shown
        }
    }
}

/// A value that is made once; a failure is remembered, too.
actor Once<Value: Sendable> {
    private var task: Task<Value, any Error>?

    func value(_ make: @escaping @Sendable () async throws -> Value) async throws -> Value {
        if let task { return try await task.value }
        // Not a child of the test that happens to be first: the value outlives it.
        let task = Task { try await make() }
        self.task = task
        return try await task.value
    }
}
