import KubeCore
import Logging
import Synchronization
import TestSupport
import Testing

@testable import KubeRuntime

@Suite("Informers", .timeLimit(.minutes(1))) struct InformerTests {
    /// A server whose watches are broken off in turn by 410, by a strange cancellation, and by ending at once.
    private final class Breaking: ForwardingAPI {
        let base: any ResourceAPI
        let watches = Mutex(0)

        init(_ base: any ResourceAPI) { self.base = base }

        func watch(_ type: ResourceType, namespace: String?, options: WatchOptions) async throws -> WatchStream {
            let turn = watches.withLock { count in
                count += 1
                return count
            }
            switch turn {
            case 1: throw APIError.expired("too old")
            case 2: throw CancellationError()
            case 3: return WatchStream { nil }
            default: return try await base.watch(type, namespace: namespace, options: options)
            }
        }
    }

    @Test("An informer outlives broken watches and loses no change")
    func recovers() async throws {
        try await TestCluster.run { cluster in
            let api = Breaking(cluster.api)
            let informer = Informer(
                api: api,
                type: .configMaps,
                namespace: "default",
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            )
            let (names, signal) = AsyncStream.makeStream(of: String.self)
            informer.onEvent { signal.yield($0.object.name) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await informer.run() }
                try await informer.waitForSync()
                try await cluster.api.create(.configMaps, .configMap("late"))
                for await name in names where name == "late" { break }
                while api.watches.withLock({ $0 }) < 4 { await Task.yield() }
                try await cluster.api.create(.configMaps, .configMap("later"))
                for await name in names where name == "later" { break }
                group.cancelAll()
                try await group.waitForAll()
            }
        }
    }
}
