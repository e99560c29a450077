import KubeCore
import Testing

@testable import KubeRuntime

@Suite("Work queue decisions")
struct WorkQueueStateTests {
    private let key = ObjectKey(namespace: "a", name: "b")

    @Test("Equal keys are handed out once")
    func deduplicates() {
        var queue = WorkQueueState()
        #expect(queue.add(key) == .queued)
        #expect(queue.add(key) == .alreadyQueued)
        #expect(queue.next() == key)
        #expect(queue.next() == nil)
    }

    @Test("A key that arrives while it runs waits and runs again")
    func defersWhileRunning() {
        var queue = WorkQueueState()
        _ = queue.add(key)
        _ = queue.next()
        #expect(queue.add(key) == .deferredUntilDone)
        #expect(queue.add(key) == .alreadyQueued)
        #expect(queue.next() == nil)
        let isQueued = queue.done(key)
        #expect(isQueued)
        #expect(queue.next() == key)
        let isQueuedAgain = queue.done(key)
        #expect(!isQueuedAgain)
    }

    @Test("Order is first in, first out over many keys")
    func order() {
        var queue = WorkQueueState()
        let keys = (0..<3000).map { ObjectKey(name: "k\($0)") }
        for key in keys { _ = queue.add(key) }
        var seen: [ObjectKey] = []
        while let key = queue.next() {
            seen.append(key)
            _ = queue.done(key)
        }
        #expect(seen == keys)
        #expect(queue.depth == 0)
    }

    @Test("Failures count in a row until forgotten")
    func failures() {
        var queue = WorkQueueState()
        #expect(queue.fail(key) == 1)
        #expect(queue.fail(key) == 2)
        queue.forget(key)
        #expect(queue.fail(key) == 1)
    }
}

@Suite("Work queue")
struct WorkQueueTests {
    private let key = ObjectKey(name: "k")

    @Test("A waiting worker gets the key at once, a delayed key comes later", .timeLimit(.minutes(1)))
    func handover() async {
        let queue = WorkQueue()
        async let next = queue.next()
        queue.add(key)
        #expect(await next == key)
        queue.done(key)

        let timer = Task { await queue.runTimer() }
        queue.add(key, after: .milliseconds(5))
        #expect(await queue.next() == key)
        timer.cancel()
        await timer.value
    }

    @Test("Cancelling a waiting worker ends its wait", .timeLimit(.minutes(1)))
    func cancellation() async {
        let queue = WorkQueue()
        let worker = Task { await queue.next() }
        worker.cancel()
        #expect(await worker.value == nil)
    }

    @Test("Shutting down releases every worker", .timeLimit(.minutes(1)))
    func shutDown() async {
        let queue = WorkQueue()
        let workers = (0..<3).map { _ in Task { await queue.next() } }
        queue.shutDown()
        for worker in workers { #expect(await worker.value == nil) }
        #expect(await queue.next() == nil)
    }
}
