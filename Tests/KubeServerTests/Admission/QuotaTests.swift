import KubeCore
import Testing

@testable import KubeServer

@Suite(.timeLimit(.minutes(1))) struct QuotaTests {
    private static let quotas = ResourceType(group: "", version: "v1", plural: "resourcequotas", kind: "ResourceQuota")
    private static let ranges = ResourceType(group: "", version: "v1", plural: "limitranges", kind: "LimitRange")

    private func fixture(_ hard: [String: JSON], _ more: [String: JSON] = [:]) async throws -> Registry {
        let api = try await RegistryFixture().registry
        var spec: [String: JSON] = ["hard": .object(hard)]
        spec.merge(more) { _, new in new }
        try await api.create(
            Self.quotas,
            KubeObject(Self.quotas, namespace: "default", name: "q", body: ["spec": .object(spec)])
        )
        return api
    }

    private func pod(_ name: String, _ resources: JSON = [:]) -> KubeObject {
        let container: JSON = ["name": "main", "image": "busybox:1", "resources": resources]
        return KubeObject(.pods, namespace: "default", name: name, body: ["spec": ["containers": [container]]])
    }

    @Test func `Objects beyond the quota are refused, and the status says what is used`() async throws {
        let api = try await fixture(["configmaps": 1, "requests.cpu": "1", "pods": 2])
        try await api.create(.configMaps, map("one"))
        let second = await failure { try await api.create(.configMaps, map("two")) }
        #expect(second?.code == 403)
        #expect(
            second?.message
                == "configmaps \"two\" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=1, "
                + "limited: configmaps=1"
        )
        let silent = await failure { try await api.create(.pods, pod("a")) }
        #expect(silent?.message == "pods \"a\" is forbidden: failed quota: q: must specify requests.cpu for: main")
        try await api.create(.pods, pod("a", ["requests": ["cpu": "800m"]]))
        let big = await failure { try await api.create(.pods, pod("b", ["requests": ["cpu": "300m"]])) }
        #expect(
            big?.message
                == "pods \"b\" is forbidden: exceeded quota: q, requested: requests.cpu=300m, used: requests.cpu=800m, "
                + "limited: requests.cpu=1"
        )
        await api.updateQuotaStatus()
        let status = try await api.get(Self.quotas, namespace: "default", name: "q")["status"]
        #expect(status?["used"] == ["configmaps": "1", "requests.cpu": "800m", "pods": "1"])
        try await api.delete(.configMaps, namespace: "default", name: "one", options: DeleteOptions())
        try await api.create(.configMaps, map("two"))
    }

    @Test func `Many at once never get more than there is`() async throws {
        let api = try await fixture(["count/configmaps": 5])
        let made = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<40 {
                group.addTask { await failure { try await api.create(.configMaps, map("m\(index)")) } == nil }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(made == 5)
        #expect(try await api.list(.configMaps, namespace: "default").items.count == 5)
    }

    @Test func `Scopes limit which pods count`() async throws {
        let api = try await fixture(["pods": 0], ["scopes": ["BestEffort"]])
        try await api.create(.pods, pod("burst", ["requests": ["cpu": "1"]]))
        #expect(await failure { try await api.create(.pods, pod("best")) }?.code == 403)
    }

    @Test func `Custom objects and GPUs count`() async throws {
        let api = try await fixture(["requests.nvidia.com/gpu": 1, "count/deployments.apps": 1])
        let gpu: JSON = ["limits": ["nvidia.com/gpu": 1]]
        try await api.create(.pods, pod("a", gpu))
        let refused = await failure { try await api.create(.pods, pod("b", gpu)) }
        #expect(refused?.message.contains("requested: requests.nvidia.com/gpu=1") == true)
        try await api.create(.deployments, deployment("one"))
        #expect(await failure { try await api.create(.deployments, deployment("two")) }?.code == 403)
    }

    @Test func `A LimitRange fills in and refuses`() async throws {
        let api = try await RegistryFixture().registry
        let limits: JSON = [
            [
                "type": "Container", "default": ["cpu": "500m"], "defaultRequest": ["cpu": "100m"],
                "max": ["cpu": "1"], "min": ["cpu": "50m"], "maxLimitRequestRatio": ["cpu": "8"],
            ]
        ]
        try await api.create(
            Self.ranges,
            KubeObject(Self.ranges, namespace: "default", name: "r", body: ["spec": ["limits": limits]])
        )
        let filled = try await api.create(.pods, pod("a"))
        let resources = filled["spec", "containers"]?[0]?["resources"]
        #expect(resources == ["requests": ["cpu": "100m"], "limits": ["cpu": "500m"]])
        #expect(
            filled.annotations["kubernetes.io/limit-ranger"]
                == "LimitRanger plugin set: cpu request for container main; cpu limit for container main"
        )
        let big = await failure { try await api.create(.pods, pod("b", ["limits": ["cpu": "2"]])) }
        #expect(
            big?.message
                == "pods \"b\" is forbidden: [maximum cpu usage per Container is 1, but limit is 2]"
                .replacing("[", with: "").replacing("]", with: "")
        )
        let ratio = await failure {
            try await api.create(.pods, pod("c", ["requests": ["cpu": "50m"], "limits": ["cpu": "1"]]))
        }
        #expect(
            ratio?.message.hasSuffix(
                "cpu max limit to request ratio per Container is 8, but provided ratio is 20.000000"
            ) == true
        )
    }
}
