import KubeCore
import Logging
import Synchronization
import Testing

@testable import KubeRuntime

@Suite("Controllers", .timeLimit(.minutes(1))) struct ControllerTests {
    @Test("A reconcile that a cancelled request ended runs again")
    func interrupted() async throws {
        let (passes, signal) = AsyncStream.makeStream(of: Int.self)
        let count = Mutex(0)
        let controller = Controller(name: "c", logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) { _ in
            let pass = count.withLock { count in
                count += 1
                return count
            }
            signal.yield(pass)
            if pass == 1 { throw CancellationError() }
            return .settled
        }
        controller.queue.add(ObjectKey(name: "k"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await controller.run() }
            for await pass in passes where pass == 2 { break }
            group.cancelAll()
            try await group.waitForAll()
        }
        #expect(count.withLock { $0 } == 2)
    }
}
