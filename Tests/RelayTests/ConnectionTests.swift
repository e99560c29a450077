import NIOCore
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing

@testable import Relay

@Suite(.timeLimit(.minutes(1))) struct ConnectionTests {
    @Test func `A wrong token opens nothing`() async throws {
        try await Bench.run { bench, group in
            let relay = bench.relay(token: { "wrong" })
            group.addTask { try await relay.run() }
            try await eventuallyTrue("asked twice") { bench.tokens.asked.count >= 2 }
            #expect(bench.tokens.asked.allSatisfy { $0 == "wrong" })
            #expect(!bench.hub.isConnected("rg/c") && !relay.isConnected)
        }
    }

    @Test func `A relay without a token tries until it has one`() async throws {
        try await Bench.run { bench, group in
            struct NoFile: Error {}
            let hasFile = Mutex(false)
            let tried = Mutex(0)
            let relay = bench.relay(token: {
                tried.withLock { $0 += 1 }
                guard hasFile.withLock({ $0 }) else { throw NoFile() }
                return "good"
            })
            group.addTask { try await relay.run() }
            try await eventuallyTrue("tried") { tried.withLock { $0 } >= 1 }
            hasFile.withLock { $0 = true }
            try await eventuallyTrue("connected") { bench.hub.isConnected("rg/c") && relay.isConnected }
        }
    }

    @Test func `A server that is no control plane is named as such`() async throws {
        let pair = try TestPair.make()
        let hub = RelayHub(authorize: { _ in nil }, logger: Bench.quiet)
        let listener = try await TestListener(hub, pair, alpn: "h2")
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await listener.run() }
            let dialler = RelayDialler(
                configuration: RelayServerConfiguration(
                    host: "127.0.0.1",
                    port: listener.port,
                    authorityPEM: pair.certificate,
                    token: { "" },
                    version: ""
                )
            )
            // Without a common name TLS goes on, and the relay stops.
            let error = await #expect(throws: (any Error).self) { try await dialler.dial() }
            #expect((error as? RelayError)?.code == .invalidPeer)
            let other = try TestPair.make()
            let stranger = RelayDialler(
                configuration: RelayServerConfiguration(
                    host: "127.0.0.1",
                    port: listener.port,
                    authorityPEM: other.certificate,
                    token: { "" },
                    version: ""
                )
            )
            await #expect(throws: (any Error).self) { try await stranger.dial() }
            group.cancelAll()
        }
    }

    @Test func `A cut in the middle fails the request, and the relay returns`() async throws {
        try await Bench.run { bench, group in
            let proxy = try await TestProxy(to: bench.listener.port)
            let changes = Mutex<[Bool]>([])
            let relay = bench.relay(
                port: proxy.port,
                onChange: { isConnected in changes.withLock { $0.append(isConnected) } }
            )
            group.addTask { try await relay.run() }
            try await eventuallyTrue("connected") { bench.hub.isConnected("rg/c") }
            let waiting = Task { try await bench.send("/v1/hang") }
            let reading = try await bench.send("/v1/endless")
            try await eventuallyTrue("arrived") { bench.upstream.seen.withLock { $0.requests.count } == 2 }
            proxy.cut()
            let error = await #expect(throws: RelayError.self) { try await waiting.value }
            #expect(error?.code == .cut)
            await #expect(throws: RelayError.self) { for try await _ in reading.body {} }
            try await eventuallyTrue("back") { changes.withLock { $0 } == [true, false, true] }
            try await eventuallyTrue("usable") { bench.hub.isConnected("rg/c") }
            let again = try await bench.send("/v1/echo", method: "POST", body: .bytes([9]))
            #expect(try await again.collect(upTo: 10) == [9])
            await proxy.stop()
        }
    }

    @Test func `A silent drop is noticed by both sides`() async throws {
        try await Bench.run(keepalive: Bench.impatient) { bench, group in
            let proxy = try await TestProxy(to: bench.listener.port)
            let relay = bench.relay(port: proxy.port, keepalive: Bench.impatient)
            group.addTask { try await relay.run() }
            try await eventuallyTrue("connected") { bench.hub.isConnected("rg/c") }
            proxy.silence()
            let waiting = Task { try await bench.send("/v1/hang") }
            let start = ContinuousClock.now
            let error = await #expect(throws: RelayError.self) { try await waiting.value }
            #expect(error?.code == .cut)
            #expect(start.duration(to: .now) < .seconds(10))
            try await eventuallyTrue("noticed there") { !relay.isConnected && !bench.hub.isConnected("rg/c") }
            proxy.hear()
            try await eventuallyTrue("back") { relay.isConnected && bench.hub.isConnected("rg/c") }
            await proxy.stop()
        }
    }

    @Test func `An idle connection stays`() async throws {
        try await Bench.run(keepalive: Bench.impatient) { bench, group in
            let proxy = try await TestProxy(to: bench.listener.port)
            let relay = bench.relay(port: proxy.port, keepalive: Bench.impatient)
            group.addTask { try await relay.run() }
            try await eventuallyTrue("connected") { relay.isConnected }
            let start = ContinuousClock.now
            // Several times the limit of silence.
            try await eventuallyTrue("some time") { start.duration(to: .now) > Bench.impatient.limit * 3 }
            #expect(relay.isConnected && proxy.connections == 1)
            await proxy.stop()
        }
    }

    @Test func `Two relays share the work, and one is enough`() async throws {
        try await Bench.run { bench, group in
            let first = try await TestProxy(to: bench.listener.port)
            let second = try await TestProxy(to: bench.listener.port)
            let relays = [bench.relay(port: first.port), bench.relay(port: second.port)]
            for relay in relays { group.addTask { try await relay.run() } }
            try await eventuallyTrue("both") { relays.allSatisfy(\.isConnected) }
            // Held open, they fall on different connections: losing one connection loses one of them.
            let held = [try await bench.send("/v1/endless"), try await bench.send("/v1/endless")]
            await first.stop()
            var outcomes: [Bool] = []
            for response in held {
                var pieces = response.body.makeAsyncIterator()
                do {
                    var received = 0
                    while received < 2 << 20 { received += try await pieces.next()?.count ?? 0 }
                    outcomes.append(true)
                } catch {
                    outcomes.append(false)
                }
            }
            #expect(outcomes.filter { $0 }.count == 1)
            for _ in 0..<20 {
                let answer = try await bench.send("/v1/echo", method: "POST", body: .bytes([4]))
                #expect(try await answer.collect(upTo: 10) == [4])
            }
            await second.stop()
        }
    }

    @Test func `A renewed token keeps the connection, an ended one closes it`() async throws {
        try await Bench.run { bench, group in
            let proxy = try await TestProxy(to: bench.listener.port)
            bench.tokens.set("first", lifetime: .milliseconds(600))
            let relay = bench.relay(port: proxy.port)
            group.addTask { try await relay.run() }
            try await eventuallyTrue("connected") { relay.isConnected }
            bench.tokens.set("second", lifetime: .seconds(1))
            try await eventuallyTrue("asked again") { bench.tokens.asked.contains("second") }
            #expect(proxy.connections == 1 && bench.hub.isConnected("rg/c"))
            // No third one comes.
            bench.tokens.revoke("second")
            try await eventuallyTrue("closed") { !bench.hub.isConnected("rg/c") && !relay.isConnected }
            bench.tokens.set("third", lifetime: .seconds(3600))
            try await eventuallyTrue("back") { bench.hub.isConnected("rg/c") }
            await proxy.stop()
        }
    }

    @Test func `A token of another cluster ends the connection`() async throws {
        try await Bench.run { bench, group in
            bench.tokens.set("first", lifetime: .milliseconds(600))
            let relay = bench.relay()
            group.addTask { try await relay.run() }
            try await eventuallyTrue("connected") { relay.isConnected }
            bench.tokens.set("other", lifetime: .seconds(3600), cluster: "rg/other")
            try await eventuallyTrue("there instead") {
                bench.hub.isConnected("rg/other") && !bench.hub.isConnected("rg/c")
            }
            bench.hub.disconnect("rg/other")
            try await eventuallyTrue("and back") { bench.tokens.asked.filter { $0 == "other" }.count > 2 }
        }
    }

    @Test func `A relay that stops lets requests end and takes no more`() async throws {
        try await Bench.run { bench, group in
            let relay = bench.relay()
            let service = ServiceGroup(
                configuration: .init(services: [.init(service: relay)], logger: Bench.quiet)
            )
            group.addTask { try await service.run() }
            try await eventuallyTrue("connected") { bench.hub.isConnected("rg/c") }
            let reading = try await bench.send("/v1/endless")
            var pieces = reading.body.makeAsyncIterator()
            #expect(try await pieces.next() != nil)
            await service.triggerGracefulShutdown()
            try await eventuallyTrue("draining") { !bench.hub.isConnected("rg/c") }
            #expect(relay.isConnected)
            var received = 0
            while received < 1 << 20 { received += try #require(try await pieces.next()).count }
        }
    }

    @Test func `A relay without requests stops at once`() async throws {
        try await Bench.run { bench, group in
            let relay = bench.relay(drain: .seconds(50))
            let service = ServiceGroup(
                configuration: .init(services: [.init(service: relay)], logger: Bench.quiet)
            )
            let running = Task { try await service.run() }
            try await eventuallyTrue("connected") { relay.isConnected }
            await service.triggerGracefulShutdown()
            try await running.value
            #expect(!relay.isConnected)
        }
    }
}
