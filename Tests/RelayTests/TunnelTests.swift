import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import Relay

@Suite(.timeLimit(.minutes(1))) struct TunnelTests {
    @Test func `A request goes in and its answer comes out, with id and status`() async throws {
        try await Bench.run { bench, group in
            #expect(!bench.hub.isConnected("rg/c"))
            await #expect(throws: RelayError.self) { try await bench.send("/v1/echo") }
            let changes = Mutex<[Bool]>([])
            let relay = bench.relay(onChange: { isConnected in changes.withLock { $0.append(isConnected) } })
            group.addTask { try await relay.run() }
            try await eventuallyTrue("connected") { bench.hub.isConnected("rg/c") && relay.isConnected }
            #expect(!bench.hub.isConnected("rg/other"))
            let answer = try await bench.send(
                "/v1/echo?a=b",
                method: "PUT",
                headers: [("Outrigger-Command-Id", "7"), ("Connection", "close")],
                body: .bytes(Array("hello".utf8))
            )
            #expect(answer.status == 200 && answer.header("x-id") == "7")
            #expect(try await answer.collect(upTo: 100) == Array("hello".utf8))
            #expect(bench.upstream.seen.withLock { $0.requests } == ["PUT /v1/echo?a=b"])
            #expect(changes.withLock { $0 } == [true])
            #expect(try await bench.send("/v1/none").status == 404)
            #expect(try await bench.send("/other").header(RelayProtocol.faultHeader) == "true")
            let failed = try await bench.send("/v1/fail")
            #expect(failed.status == 502)
            #expect(String(decoding: try await failed.collect(upTo: 4096), as: UTF8.self).contains("no gateway"))
        }
    }

    @Test func `Large bodies go both ways`() async throws {
        try await Bench.run { bench, group in
            let relay = bench.relay()
            group.addTask { try await relay.run() }
            try await eventuallyTrue("connected") { bench.hub.isConnected("rg/c") }
            var bytes = (0..<251).map { UInt8($0) }
            while bytes.count < 5 << 20 { bytes += bytes }
            let answer = try await bench.send("/v1/echo", method: "POST", body: .bytes(bytes))
            #expect(try await answer.collect(upTo: 20 << 20) == bytes)
            // As a stream of unknown length.
            let left = Mutex(100)
            let stream = RelayBytes {
                left.withLock { left in
                    guard left > 0 else { return nil }
                    left -= 1
                    return [UInt8](repeating: 1, count: 100_000)
                }
            }
            let counted = try await bench.send("/v1/count", method: "POST", body: .stream(stream))
            #expect(String(decoding: try await counted.collect(upTo: 100), as: UTF8.self) == "10000000")
        }
    }

    @Test func `A reader that waits stops the sender, and others go on`() async throws {
        try await Bench.run { bench, group in
            let relay = bench.relay()
            group.addTask { try await relay.run() }
            try await eventuallyTrue("connected") { bench.hub.isConnected("rg/c") }
            let endless = try await bench.send("/v1/endless")
            var pieces = endless.body.makeAsyncIterator()
            #expect(try await pieces.next() != nil)
            // Windows and buffers are full once the number stands still while other streams work.
            var last = -1
            try await eventuallyTrue("standing still") {
                for _ in 0..<20 {
                    let echo = try await bench.send(
                        "/v1/echo",
                        method: "POST",
                        body: .bytes([UInt8](repeating: 2, count: 100_000))
                    )
                    #expect(try await echo.collect(upTo: 1 << 20).count == 100_000)
                }
                let produced = bench.upstream.seen.withLock { $0.produced }
                defer { last = produced }
                return produced == last
            }
            #expect(last < 4 << 20)
            // Going on reading brings more.
            var received = 0
            while received < 8 << 20 { received += try #require(try await pieces.next()).count }
            #expect(bench.upstream.seen.withLock { $0.produced } > last)
        }
    }

    @Test func `A gateway that does not read stops the sender`() async throws {
        try await Bench.run { bench, group in
            let relay = bench.relay()
            group.addTask { try await relay.run() }
            try await eventuallyTrue("connected") { bench.hub.isConnected("rg/c") }
            let sent = Mutex(0)
            let stream = RelayBytes {
                sent.withLock { $0 += 64 << 10 }
                return [UInt8](repeating: 3, count: 64 << 10)
            }
            group.addTask { _ = try? await bench.send("/v1/slow", method: "POST", body: .stream(stream)) }
            var last = -1
            try await eventuallyTrue("standing still") {
                for _ in 0..<20 {
                    _ = try await bench.send("/v1/echo", method: "POST", body: .bytes([1])).collect(upTo: 10)
                }
                let now = sent.withLock { $0 }
                defer { last = now }
                return now > 0 && now == last
            }
            #expect(last < 4 << 20)
        }
    }

    @Test func `Many streams share one connection`() async throws {
        try await Bench.run { bench, group in
            let relay = bench.relay()
            group.addTask { try await relay.run() }
            try await eventuallyTrue("connected") { bench.hub.isConnected("rg/c") }
            try await withThrowingTaskGroup(of: Void.self) { requests in
                for number in 0..<80 {
                    requests.addTask {
                        let bytes = [UInt8](repeating: UInt8(number), count: 20_000 + number)
                        let answer = try await bench.send("/v1/echo", method: "POST", body: .bytes(bytes))
                        #expect(try await answer.collect(upTo: 1 << 20) == bytes)
                    }
                }
                try await requests.waitForAll()
            }
        }
    }

    @Test func `An answer that comes before the body was read arrives whole`() async throws {
        try await Bench.run { bench, group in
            let relay = bench.relay()
            group.addTask { try await relay.run() }
            try await eventuallyTrue("connected") { bench.hub.isConnected("rg/c") }
            for _ in 0..<50 {
                let body = [UInt8](repeating: 5, count: 60_000)
                let answer = try await bench.send("/v1/refuse", method: "PUT", body: .bytes(body))
                #expect(answer.status == 409)
                #expect(String(decoding: try await answer.collect(upTo: 100), as: UTF8.self) == "not now")
            }
        }
    }

    @Test func `More streams than allowed are refused, and places come back`() async throws {
        try await Bench.run(maximumStreams: 2) { bench, group in
            let relay = bench.relay()
            group.addTask { try await relay.run() }
            try await eventuallyTrue("connected") { relay.isConnected }
            try await eventuallyTrue("free") { bench.hub.isConnected("rg/c") }
            var held: [RelayResponse] = []
            while held.count < 2 {
                // The greeting may still hold a place for a moment.
                let answer = try await eventually("a place") { try await bench.send("/v1/endless") }
                held.append(answer)
            }
            let error = await #expect(throws: RelayError.self) { try await bench.send("/v1/echo") }
            #expect(error?.code == .overloaded)
            held.removeAll()
            try await eventuallyTrue("places") {
                (try? await bench.send("/v1/echo", method: "POST", body: .bytes([1]))) != nil
            }
        }
    }

    @Test func `Losing interest ends the request in the cluster`() async throws {
        try await Bench.run { bench, group in
            let relay = bench.relay()
            group.addTask { try await relay.run() }
            try await eventuallyTrue("connected") { bench.hub.isConnected("rg/c") }
            let waiting = Task { try await bench.send("/v1/hang") }
            try await eventuallyTrue("arrived") { bench.upstream.seen.withLock { $0.requests.count } == 1 }
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            try await eventuallyTrue("cancelled there") { bench.upstream.seen.withLock { $0.cancelled } == 1 }
            #expect(bench.hub.isConnected("rg/c"))
        }
    }

    @Test func `A deadline ends a request`() async throws {
        try await Bench.run { bench, group in
            let relay = bench.relay()
            group.addTask { try await relay.run() }
            try await eventuallyTrue("connected") { bench.hub.isConnected("rg/c") }
            for limits in [
                RelayLimits(head: .milliseconds(50), total: nil),
                RelayLimits(head: .seconds(30), total: .milliseconds(50)),
            ] {
                let error = await #expect(throws: RelayError.self) { try await bench.send("/v1/hang", limits: limits) }
                #expect(error?.code == .timeout)
            }
            try await eventuallyTrue("cancelled there") { bench.upstream.seen.withLock { $0.cancelled } == 2 }
        }
    }
}
