import ControlPlaneAPI
import ControlPlaneClient
import Foundation
import KubeCore
import NIOCore
import NIOPosix
import Relay
import Synchronization
import TestSupport
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(3))) struct RelayTunnelTests {
    private static func property(
        _ client: ControlPlaneClient,
        _ instance: TestInstance,
        _ job: String,
        _ name: String
    ) async throws -> String {
        try await client.get(instance.ids.job(job))["properties"]?[name]?.stringValue ?? ""
    }

    @Test func `Jobs of a connected cluster go through its tunnel, and wait while there is none`() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        let gateway = FakeGateway(instance)
        try await instance.run(gateway: gateway) { plane, client in
            let link = try await instance.prepareEdge(plane, client)
            let token = try await link.relayCredential().token
            try await instance.withRelay({ token }) { relay, _, _ in
                try await eventually { relay.isConnected }
                try await instance.attachFar(client)
            }
            try await instance.submit(far: "j1", client)
            try await eventually {
                try await Self.property(client, instance, "j1", "statusMessage").hasPrefix("Waiting for cluster 'edge'")
            }
            #expect(gateway.object("amljobs/j1") == nil)
            try await instance.withRelay({ token }) { relay, _, upstream in
                try await eventually { relay.isConnected && gateway.object("amljobs/j1") != nil }
                gateway.setStatus("amljobs/j1", ["phase": "Completed"])
                try await eventually { try await Self.property(client, instance, "j1", "status") == "Completed" }
                #expect(upstream.requests.withLock { $0 }.contains("GET /v1/watch"))
                // Deleting the cluster ends the tunnel, and the token opens no other.
                _ = try await client.delete(instance.ids.compute("far"))
                _ = try await client.delete(instance.connectedID("edge") + "?force=true")
                try await eventually { !relay.isConnected }
            }
        }
    }

    @Test func `Jobs get through a connection that is cut again and again`() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        let gateway = FakeGateway(instance)
        try await instance.run(gateway: gateway) { plane, client in
            let link = try await instance.prepareEdge(plane, client)
            let token = try await link.relayCredential().token
            try await instance.withRelay({ token }) { relay, proxy, _ in
                try await eventually { relay.isConnected }
                try await instance.attachFar(client)
                proxy.setCutEvery(40_000)
                proxy.cut()
                for number in 0..<12 { try await instance.submit(far: "j\(number)", client) }
                // Every cut makes the next pause longer, by chance up to ten seconds.
                try await eventually(within: .seconds(80)) {
                    (0..<12).allSatisfy { gateway.object("amljobs/j\($0)") != nil }
                }
                #expect(proxy.cuts >= 1)
                // A watch begins with everything there is, so a connection must hold that long.
                proxy.setCutEvery(200_000)
                proxy.cut()
                for number in 0..<12 { gateway.setStatus("amljobs/j\(number)", ["phase": "Completed"]) }
                try await eventually(within: .seconds(80)) {
                    for number in 0..<12
                    where try await Self.property(client, instance, "j\(number)", "status") != "Completed" {
                        return false
                    }
                    return true
                }
            }
        }
    }

    @Test func `The embedded cluster is reached through its tunnel once there is one`() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        let gateway = FakeGateway(instance)
        try await instance.run(gateway: gateway) { plane, client in
            try await instance.prepare(plane, client)
            try await instance.submit(client, "j1")
            try await eventually { gateway.object("amljobs/j1") != nil }
            let link = plane.link(clusterType: "connectedClusters", resourceGroup: "local", clusterName: "local")
            let token = try await link.relayCredential().token
            try await instance.withRelay({ token }) { relay, _, upstream in
                try await eventually { relay.isConnected }
                try await instance.submit(client, "j2")
                try await eventually { gateway.object("amljobs/j2") != nil }
                #expect(upstream.requests.withLock { $0 }.contains { $0.hasSuffix("/amljobs/j2") })
            }
            // And directly again when it is gone.
            try await instance.submit(client, "j3")
            try await eventually { gateway.object("amljobs/j3") != nil }
        }
    }

    @Test func `A control plane that stops is not held up by tunnels, and gets them back`() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        let token = Mutex("")
        let upstream = try FakeGatewayUpstream(instance)
        let relay = instance.relay(port: instance.port, upstream) { token.withLock { $0 } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await relay.run() }
            try await instance.run(gateway: FakeGateway(instance)) { plane, client in
                let link = try await instance.prepareEdge(plane, client)
                let fresh = try await link.relayCredential().token
                token.withLock { $0 = fresh }
                try await eventually { upstream.requests.withLock { $0 }.contains("GET /v1/watch") }
            }
            try await eventually { !relay.isConnected }
            try await instance.run(gateway: FakeGateway(instance)) { _, client in
                try await eventually { relay.isConnected }
                try await instance.attachFar(client)
            }
            group.cancelAll()
        }
        try await upstream.shutdown()
    }

    @Test func `A connection in the middle of its handshake does not hold up the end`() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        let idle = Mutex<(any Channel)?>(nil)
        try await instance.run { _, _ in
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: "127.0.0.1", port: instance.port).get()
            idle.withLock { $0 = channel }
        }
        try? await idle.withLock { $0 }?.close()
    }

    @Test func `A token that is none opens no tunnel, and a relay's token opens no route`() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { plane, client in
            let link = try await instance.prepareEdge(plane, client)
            let tried = Mutex(0)
            try await instance.withRelay({
                tried.withLock { $0 += 1 }
                return "a.b.c"
            }) { relay, _, _ in
                try await eventually { tried.withLock { $0 } >= 2 }
                #expect(!relay.isConnected)
            }
            let token = try await link.relayCredential().token
            let raw = Raw(client: client, token: token)
            #expect(try await raw.status("GET", instance.ids.job("j1")) == 401)
        }
    }
}
