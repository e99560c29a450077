import KubeCore
import Logging
import Synchronization
import TestSupport
import Testing

@testable import KubeRuntime

@Suite("Leader election", .timeLimit(.minutes(1))) struct LeaderElectorTests {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func elector(
        _ api: any ResourceAPI,
        _ identity: String,
        body: @escaping @Sendable () async throws -> Void
    ) -> LeaderElector {
        LeaderElector(
            api: api,
            namespace: "default",
            name: "l",
            identity: identity,
            logger: Self.quiet,
            leaseDuration: .seconds(2),
            renewDeadline: .seconds(1),
            retryPeriod: .milliseconds(50),
            body: body
        )
    }

    private func holder(_ api: any ResourceAPI) async throws -> String? {
        try await api.find(.leases, namespace: "default", name: "l")?["spec", "holderIdentity"]?.stringValue
    }

    @Test("When another takes the lease, the body is stopped and the run fails")
    func loses() async throws {
        try await TestCluster.run { cluster in
            let api = cluster.api
            let isStopped = Mutex(false)
            let run = elector(api, "a") {
                do {
                    while try await api.find(.leases, namespace: "default", name: "l") == nil {}
                    var lease = try await api.get(.leases, namespace: "default", name: "l")
                    lease["spec", "holderIdentity"] = "b"
                    lease["metadata", "resourceVersion"] = nil
                    try await api.update(.leases, lease)
                    try await Task.sleep(for: .seconds(600))
                } catch is CancellationError {
                    isStopped.withLock { $0 = true }
                }
            }
            await #expect(throws: LeadershipLost.self) { try await run.run() }
            #expect(isStopped.withLock { $0 })
            let holder1 = try await holder(api)
            #expect(holder1 == "b")
        }
    }

    @Test("A body that ends gives the lease back; one that fails too")
    func releases() async throws {
        struct Fault: Error {}
        try await TestCluster.run { cluster in
            let api = cluster.api
            try await elector(api, "a") {}.run()
            let holder2 = try await holder(api)
            #expect(holder2 == "")
            await #expect(throws: Fault.self) { try await elector(api, "b") { throw Fault() }.run() }
            let holder3 = try await holder(api)
            #expect(holder3 == "")
        }
    }

    @Test("The lease of one that went silent is taken over, and given back on cancellation")
    func takesOver() async throws {
        try await TestCluster.run { cluster in
            let api = cluster.api
            let lease = KubeObject(
                .leases,
                namespace: "default",
                name: "l",
                body: ["spec": ["holderIdentity": "gone", "leaseDurationSeconds": 2]]
            )
            try await api.create(.leases, lease)
            let (started, signal) = AsyncStream.makeStream(of: Void.self)
            let run = elector(api, "a") {
                signal.yield()
                try await Task.sleep(for: .seconds(600))
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await run.run() }
                for await _ in started { break }
                let holder4 = try await holder(api)
                #expect(holder4 == "a")
                group.cancelAll()
                try await group.waitForAll()
            }
            let holder5 = try await holder(api)
            #expect(holder5 == "")
        }
    }
}
