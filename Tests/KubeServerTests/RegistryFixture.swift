import KubeCore
import KubeStore
import Synchronization

@testable import KubeServer

/// A registry in memory with the usual namespaces and the default account of `default`.
struct RegistryFixture {
    let registry: Registry
    let store: ObjectStore
    let clock: TestTime

    /// Seconds since 1970 that tests move by hand.
    final class TestTime: Sendable {
        private let seconds = Mutex(1_700_000_000.0)
        var now: Double { seconds.withLock { $0 } }
        func advance(_ by: Double) { seconds.withLock { $0 += by } }
    }

    init(store: ObjectStore? = nil) async throws {
        let store = try store ?? ObjectStore(path: nil)
        let clock = TestTime()
        var configuration = RegistryConfiguration()
        configuration.clock = { clock.now }
        registry = try Registry(store: store, configuration: configuration)
        self.store = store
        self.clock = clock
        for name in ["default", "kube-system"] where try await registry.find(.namespaces, name: name) == nil {
            try await registry.create(.namespaces, KubeObject(.namespaces, name: name))
        }
        if try await registry.find(.priorityClasses, name: "system-node-critical") == nil {
            let value: [String: JSON] = ["value": 2_000_001_000]
            try await registry.create(
                .priorityClasses,
                KubeObject(.priorityClasses, name: "system-node-critical", body: value)
            )
        }
        if try await registry.find(.serviceAccounts, namespace: "default", name: "default") == nil {
            try await registry.create(
                .serviceAccounts,
                KubeObject(.serviceAccounts, namespace: "default", name: "default")
            )
        }
    }
}

func failure(_ body: () async throws -> Void) async -> APIError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? APIError
    }
}

func map(
    _ name: String,
    namespace: String = "default",
    labels: [String: String] = [:],
    value: String = "1"
) -> KubeObject {
    KubeObject(.configMaps, namespace: namespace, name: name, labels: labels, body: ["data": ["key": .string(value)]])
}

func pod(_ name: String, node: String? = nil, labels: [String: String] = [:], image: String = "busybox:1") -> KubeObject
{
    var spec: [String: JSON] = ["containers": [["name": "main", "image": .string(image)]]]
    if let node { spec["nodeName"] = .string(node) }
    return KubeObject(.pods, namespace: "default", name: name, labels: labels, body: ["spec": .object(spec)])
}

func deployment(_ name: String, selector: [String: String] = ["app": "a"]) -> KubeObject {
    let template: JSON = [
        "metadata": ["labels": ["app": "a"]], "spec": ["containers": [["name": "main", "image": "busybox"]]],
    ]
    return KubeObject(
        .deployments,
        namespace: "default",
        name: name,
        body: ["spec": ["selector": ["matchLabels": JSON(selector)], "template": template]]
    )
}

func service(_ name: String, type: String = "ClusterIP", _ more: [String: JSON] = [:]) -> KubeObject {
    var spec: [String: JSON] = ["type": .string(type), "ports": [["port": 80]]]
    spec.merge(more) { _, new in new }
    return KubeObject(.services, namespace: "default", name: name, body: ["spec": .object(spec)])
}

extension WatchStream {
    /// The next `count` events, as `TYPE name`.
    func names(_ count: Int) async throws -> [String] {
        var result: [String] = []
        for try await event in self {
            switch event {
            case .added(let object): result.append("ADDED " + object.name)
            case .modified(let object): result.append("MODIFIED " + object.name)
            case .deleted(let object): result.append("DELETED " + object.name)
            case .bookmark: result.append("BOOKMARK")
            }
            if result.count == count { break }
        }
        return result
    }
}
