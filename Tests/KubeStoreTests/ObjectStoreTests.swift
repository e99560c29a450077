import Dispatch
import Foundation
import KubeCore
import Testing

@testable import KubeStore

@Suite(.timeLimit(.minutes(1)))
struct ObjectStoreTests {
    @Test("Revisions grow by one over all resources, and the bytes carry them")
    func revisions() async throws {
        let store = try ObjectStore(path: nil)
        let first = try await store.put(configMap("one"))
        let second = try await store.put(configMap("two", namespace: "b"))
        #expect(second.revision == first.revision + 1)
        #expect(store.revision == second.revision)
        let parsed = try JSON(parsing: second.bytes)
        #expect(parsed[path: "metadata", "resourceVersion"] == .string(String(second.revision)))
        #expect(KubeObject(parsed) == second.object)
        await store.close()
    }

    @Test("A write whose precondition does not hold changes nothing")
    func compareAndSwap() async throws {
        let store = try ObjectStore(path: nil)
        let first = try await store.put(configMap("one"))
        let second = try await store.put(configMap("one", value: "2"), over: first)
        await #expect(throws: StoreError.self) { try await store.put(configMap("one")) }
        await #expect(throws: StoreError.self) { try await store.put(configMap("one", value: "3"), over: first) }
        await #expect(throws: StoreError.self) { try await store.remove(first) }
        #expect(store.find("configmaps", namespace: "a", name: "one")?.revision == second.revision)
        #expect(store.revision == second.revision)
        await store.close()
    }

    @Test("Of many writers with the same precondition exactly one wins")
    func oneWinner() async throws {
        let store = try ObjectStore(path: nil)
        let base = try await store.put(configMap("one"))
        let wins = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<50 {
                group.addTask {
                    do {
                        try await store.put(configMap("one", value: String(number)), over: base)
                        return true
                    } catch {
                        return false
                    }
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(wins == 1)
        #expect(store.revision == base.revision + 1)
        await store.close()
    }

    @Test("Lists are in key order, by namespace, and as they were at an older revision")
    func lists() async throws {
        let store = try ObjectStore(path: nil)
        let b = try await store.put(configMap("b"))
        try await store.put(configMap("a"))
        try await store.put(configMap("c", namespace: "a-b"))
        let before = store.revision
        try await store.remove(b)
        let changed = try await store.put(configMap("d"))
        try await store.put(configMap("d", value: "2"), over: changed)
        #expect(store.list("configmaps").objects.map(\.key) == ["a-b/c", "a/a", "a/d"])
        #expect(store.list("configmaps", namespace: "a").objects.map(\.name) == ["a", "d"])
        #expect(try store.list("configmaps", at: before).map(\.key) == ["a-b/c", "a/a", "a/b"])
        #expect(try store.list("configmaps", namespace: "a", at: changed.revision).last?.revision == changed.revision)
        await store.close()
    }

    @Test("What was acknowledged is there after a crash, and revisions and watches go on")
    func crash() async throws {
        let files = try TemporaryStore()
        defer { files.remove() }
        let store = try ObjectStore(path: files.path)
        let first = try await store.put(configMap("one"))
        let second = try await store.put(configMap("two"))
        let gone = try await store.remove(try await store.put(configMap("three")))
        try await store.put(configMap("one", value: "2"), over: first)
        let crashed = try files.crashCopy()
        defer { crashed.remove() }
        await store.close()

        let again = try ObjectStore(path: crashed.path)
        #expect(again.revision == store.revision)
        #expect(again.list("configmaps").objects.map(\.bytes) == store.list("configmaps").objects.map(\.bytes))
        let cursor = again.cursor("configmaps", after: second.revision)
        guard case .changes(let changes, let revision) = try await cursor.next() else {
            Issue.record("expected changes")
            return
        }
        #expect(changes.map(\.kind) == [.added, .deleted, .modified])
        #expect(changes[1].revision == gone.revision)
        #expect(changes[2].previous?.revision == first.revision)
        #expect(revision == store.revision)
        let next = try await again.put(configMap("four"))
        #expect(next.revision == store.revision + 1)
        await again.close()
    }

    @Test("A closed store opens again with the same content; the file is for its owner only")
    func reopen() async throws {
        let files = try TemporaryStore()
        defer { files.remove() }
        let store = try ObjectStore(path: files.path)
        for number in 0..<20 { try await store.put(configMap("n\(number)")) }
        await store.close()
        await #expect(throws: StoreError.self) { try await store.put(configMap("late")) }
        let mode = try FileManager.default.attributesOfItem(atPath: files.path)[.posixPermissions] as? NSNumber
        #expect(mode?.intValue == 0o600)
        let again = try ObjectStore(path: files.path)
        #expect(again.list("configmaps").objects.count == 20)
        #expect(again.revision == store.revision)
        await again.close()
    }

    @Test("Concurrent writers share commits and all get their answers")
    func groupCommit() async throws {
        let files = try TemporaryStore()
        defer { files.remove() }
        let store = try ObjectStore(path: files.path)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<16 {
                group.addTask {
                    for number in 0..<25 { try await store.put(configMap("w\(writer)-\(number)")) }
                }
            }
            try await group.waitForAll()
        }
        #expect(store.list("configmaps").objects.count == 400)
        #expect(store.revision == 401)
        await store.close()
        let again = try ObjectStore(path: files.path)
        #expect(again.list("configmaps").objects.count == 400)
        await again.close()
    }

    @Test("A cursor waits for changes, and only for those of its namespace")
    func cursor() async throws {
        let store = try ObjectStore(path: nil)
        let cursor = store.cursor("configmaps", namespace: "a", after: store.revision)
        async let waiting = cursor.next(deadline: nil)
        try await store.put(configMap("other", namespace: "b"))
        let wanted = try await store.put(configMap("one"))
        guard case .changes(let changes, _) = try await waiting else {
            Issue.record("expected changes")
            return
        }
        #expect(changes.map(\.revision) == [wanted.revision])
        let deadline = DispatchTime.now().uptimeNanoseconds + 1_000_000
        guard case .idle(let revision) = try await cursor.next(deadline: deadline) else {
            Issue.record("expected to be idle")
            return
        }
        #expect(revision == store.revision)
        await store.close()
    }

    @Test("Cancelling the task, or closing the store, ends a waiting cursor")
    func cancellation() async throws {
        let store = try ObjectStore(path: nil)
        let cursor = store.cursor("configmaps", after: store.revision)
        let task = Task { try await cursor.next() }
        task.cancel()
        guard case .closed = try await task.value else {
            Issue.record("expected closed")
            return
        }
        async let waiting = store.cursor("configmaps", after: store.revision).next()
        await store.close()
        guard case .closed = try await waiting else {
            Issue.record("expected closed")
            return
        }
    }

    @Test("Compaction keeps present objects, drops what was replaced, and refuses older revisions after a restart")
    func compaction() async throws {
        let files = try TemporaryStore()
        defer { files.remove() }
        var configuration = ObjectStore.Configuration()
        configuration.historySeconds = -1
        let store = try ObjectStore(path: files.path, configuration: configuration)
        var last = try await store.put(configMap("one"))
        let kept = try await store.put(configMap("kept"))
        for number in 0..<1200 { last = try await store.put(configMap("one", value: String(number)), over: last) }
        try await store.remove(try await store.put(configMap("gone")))
        await store.compact()
        await store.close()
        let again = try ObjectStore(path: files.path)
        #expect(again.list("configmaps").objects.map(\.revision) == [kept.revision, last.revision])
        #expect(again.revision == store.revision)
        let cursor = again.cursor("configmaps", after: kept.revision)
        await #expect(throws: StoreError.self) { try await cursor.next() }
        await again.close()
    }

    @Test("Waiting for a revision ends when it is reached")
    func waitForRevision() async throws {
        let store = try ObjectStore(path: nil)
        let wanted = store.revision + 2
        async let isReached = store.waitFor(wanted, seconds: 30)
        try await store.put(configMap("one"))
        try await store.put(configMap("two"))
        #expect(await isReached)
        await store.close()
    }
}

struct ChangeRingTests {
    private func change(_ revision: Int64) -> StoreChange {
        let object = StoredObject(
            namespace: "a",
            name: "n\(revision)",
            revision: revision,
            created: revision,
            encoded: EncodedObject(configMap("n\(revision)"))
        )
        return StoreChange(kind: .added, object: object, previous: nil)
    }

    @Test("Changes go by age once there are enough, at the latest after the maximum")
    func trimming() {
        var limits = ChangeRing.Limits()
        limits.minimumAge = 10
        limits.maximumAge = 100
        limits.count = 2
        var ring = ChangeRing(floor: 1)
        for revision in 2...6 { ring.append(change(Int64(revision)), time: UInt64(revision)) }
        ring.trim(limits, now: 11)
        #expect(ring.count == 5)
        ring.trim(limits, now: 50)
        #expect(ring.count == 2)
        #expect(ring.floor == 4)
        ring.trim(limits, now: 200)
        #expect(ring.count == 0)
        #expect(ring.floor == 6)
    }

    @Test("The count has a hard bound whatever the age")
    func hardBound() {
        var limits = ChangeRing.Limits()
        limits.hardCount = 100
        var ring = ChangeRing(floor: 1)
        for revision in 2...1001 {
            ring.append(change(Int64(revision)), time: 1)
            ring.trim(limits, now: 1)
        }
        #expect(ring.count == 100)
        #expect(ring.floor == 901)
        #expect(ring.changes(after: 950, limit: 3).map(\.revision) == [951, 952, 953])
    }
}
