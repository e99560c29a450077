import KubeCore
import KubeStore
import Testing

@testable import KubeServer

@Suite(.timeLimit(.minutes(1)))
struct RegistryWatchTests {
    @Test("A watch without version begins with what is there")
    func initialState() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(.configMaps, map("a"))
        let stream = try await api.watch(.configMaps, namespace: "default", options: WatchOptions())
        try await api.create(.configMaps, map("b"))
        try await api.update(.configMaps, map("a", value: "2"))
        try await api.delete(.configMaps, namespace: "default", name: "b", options: DeleteOptions())
        #expect(try await stream.names(4) == ["ADDED a", "ADDED b", "MODIFIED a", "DELETED b"])
    }

    @Test("A watch from a version shows each later change once, with the version of the change")
    func fromVersion() async throws {
        let api = try await RegistryFixture().registry
        let a = try await api.create(.configMaps, map("a"))
        let stream = try await api.watch(
            .configMaps,
            namespace: "default",
            options: WatchOptions(resourceVersion: a.resourceVersion)
        )
        let deleted = try await api.delete(.configMaps, namespace: "default", name: "a", options: DeleteOptions())
        var iterator = stream.makeAsyncIterator()
        guard case .deleted(let last)? = try await iterator.next() else {
            Issue.record("expected a deletion")
            return
        }
        #expect(last.resourceVersion == deleted?.resourceVersion)
        #expect(last["data", "key"] == "1")
        #expect((Int(last.resourceVersion ?? "") ?? 0) > (Int(a.resourceVersion ?? "") ?? 0))
    }

    @Test("Objects that begin or cease to match are ADDED and DELETED")
    func transitions() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(.configMaps, map("a", labels: ["x": "1"]))
        let stream = try await api.watch(
            .configMaps,
            namespace: "default",
            options: WatchOptions(labelSelector: "x=1", resourceVersion: String(api.store.revision))
        )
        try await api.update(.configMaps, map("a", labels: ["x": "1"], value: "2"))
        let left = try await api.update(.configMaps, map("a", labels: ["x": "2"], value: "3"))
        try await api.update(.configMaps, map("a", labels: ["x": "1"], value: "4"))
        try await api.create(.configMaps, map("b"))
        try await api.delete(.configMaps, namespace: "default", name: "a", options: DeleteOptions())
        var iterator = stream.makeAsyncIterator()
        var seen: [String] = []
        for _ in 0..<4 {
            switch try await iterator.next() {
            case .added(let object)?: seen.append("ADDED " + (object["data", "key"]?.stringValue ?? ""))
            case .modified(let object)?: seen.append("MODIFIED " + (object["data", "key"]?.stringValue ?? ""))
            case .deleted(let object)?:
                seen.append("DELETED " + (object["data", "key"]?.stringValue ?? ""))
                if seen.count == 2 { #expect(object.resourceVersion == left.resourceVersion) }
            default: break
            }
        }
        #expect(seen == ["MODIFIED 2", "DELETED 2", "ADDED 4", "DELETED 4"])
    }

    @Test("WatchList sends the objects, then the closing bookmark, then changes")
    func watchList() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(.configMaps, map("a"))
        let stream = try await api.watch(
            .configMaps,
            namespace: "default",
            options: WatchOptions(sendInitialEvents: true, resourceVersionMatch: "NotOlderThan")
        )
        var iterator = stream.makeAsyncIterator()
        guard case .added? = try await iterator.next(), case .bookmark(let bookmark)? = try await iterator.next() else {
            Issue.record("expected an object and a bookmark")
            return
        }
        #expect(bookmark.annotations == ["k8s.io/initial-events-end": "true"])
        #expect(bookmark.resourceVersion == String(api.store.revision))
        #expect(bookmark.kind == "ConfigMap")
        let b = try await api.create(.configMaps, map("b"))
        #expect(try await iterator.next() == .added(b))
        let refused = await failure {
            _ = try await api.watch(.configMaps, namespace: nil, options: WatchOptions(sendInitialEvents: true))
        }
        #expect(refused?.code == 422)
    }

    @Test("timeoutSeconds ends the watch, after a bookmark")
    func timeout() async throws {
        let api = try await RegistryFixture().registry
        let stream = try await api.watch(
            .configMaps,
            namespace: "default",
            options: WatchOptions(resourceVersion: String(api.store.revision), timeoutSeconds: 1)
        )
        #expect(try await stream.names(10) == ["BOOKMARK"])
    }

    @Test("A version that is gone is 410 when the watch is read")
    func expired() async throws {
        let api = try await RegistryFixture().registry
        let stream = try await api.watch(.pods, namespace: nil, options: WatchOptions(resourceVersion: "1"))
        try await api.create(.pods, pod("a"))
        #expect(try await stream.names(1) == ["ADDED a"])
        let tooOld = try ObjectStore(path: nil)
        #expect(tooOld.revision == 1)
        let fixture = try await RegistryFixture(store: tooOld)
        let gone = WatchPump(
            resource: try fixture.registry.resource(.pods),
            selection: try Selection(try fixture.registry.resource(.pods), labelSelector: nil, fieldSelector: nil),
            initial: nil,
            isWatchList: false,
            revision: 0,
            cursor: tooOld.cursor("pods", after: 0),
            options: WatchOptions()
        )
        let error = await failure { _ = try await gone.next() }
        #expect(error?.code == 410)
        #expect(error?.message == "too old resource version: 0 (1)")
    }

    @Test("Watch bytes are lines of the protocol")
    func watchBytes() async throws {
        let api = try await RegistryFixture().registry
        let made = try await api.create(.configMaps, map("a"))
        let stream = try await api.watchBytes(.configMaps, namespace: "default", options: WatchOptions())
        var iterator = stream.makeAsyncIterator()
        let lines = try await iterator.next() ?? []
        #expect(lines.last == UInt8(ascii: "\n"))
        let event = try JSON(parsing: lines)
        #expect(event["type"] == "ADDED")
        #expect(event["object"] == made.json)
    }

    @Test("Cancelling the reader ends the watch")
    func cancellation() async throws {
        let api = try await RegistryFixture().registry
        let stream = try await api.watch(
            .configMaps,
            namespace: nil,
            options: WatchOptions(resourceVersion: String(api.store.revision))
        )
        let task = Task { try await stream.names(1) }
        task.cancel()
        #expect(try await task.value.isEmpty)
    }
}
