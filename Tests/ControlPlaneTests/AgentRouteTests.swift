import ControlPlaneAPI
import ControlPlaneClient
import Foundation
import KubeCore
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1))) struct AgentRouteTests {
    /// Signs in; throws the refusal.
    private static func signIn(
        _ client: ControlPlaneClient,
        _ cluster: String,
        _ assertion: String
    ) async throws -> String {
        let answer = try await client.post(cluster + "/agent/token", ["client_assertion": .string(assertion)])
        return answer.body["access_token"]?.stringValue ?? ""
    }

    struct Assertion: Sendable, CustomTestStringConvertible {
        var what: String
        var make: @Sendable (ClusterAgentKey, String, Int) throws -> String
        var wantText: String
        var testDescription: String { what }
    }

    @Test(
        "An assertion that is not exactly right gives no token",
        arguments: [
            Assertion(
                what: "ended",
                make: { key, id, now in try key.assertion(cluster: id, now: now - 400) },
                wantText: "Set the cluster's clock"
            ),
            Assertion(
                what: "from the future",
                make: { key, id, now in try key.assertion(cluster: id, now: now + 400) },
                wantText: "Set the cluster's clock"
            ),
            Assertion(
                what: "too long",
                make: { key, id, now in try key.assertion(cluster: id, now: now, lifetime: 3600) },
                wantText: "good for 3600 s"
            ),
            Assertion(
                what: "of all time",
                make: { key, id, _ in try key.assertion(cluster: id, now: -1, lifetime: Int.max) },
                wantText: "no time in seconds"
            ),
            Assertion(
                what: "at the end of all numbers",
                make: { key, id, _ in try key.assertion(cluster: id, now: Int.max - 100, lifetime: 100) },
                wantText: "no time in seconds"
            ),
            Assertion(
                what: "another audience",
                make: { key, id, now in try key.assertion(cluster: id, audience: "x", now: now) },
                wantText: "aud is 'x'"
            ),
            Assertion(
                what: "another cluster",
                make: { key, id, now in try key.assertion(cluster: id + "2", now: now) },
                wantText: "not the cluster's id"
            ),
            Assertion(
                what: "another key",
                make: { _, id, now in try ClusterAgentKey().assertion(cluster: id, now: now) },
                wantText: "signed with the private key"
            ),
            Assertion(
                what: "without an id",
                make: { key, id, now in try key.assertion(cluster: id, now: now, id: "") },
                wantText: "jti"
            ),
            Assertion(what: "no token at all", make: { _, _, _ in "a.b.c" }, wantText: "no ES256 token"),
            Assertion(
                what: "unsigned",
                make: { key, id, now in
                    let text = try key.assertion(cluster: id, now: now)
                    let claims = text.split(separator: ".")[1]
                    let header = Data(#"{"alg":"none"}"#.utf8).base64EncodedString().replacing("=", with: "")
                    return header + "." + claims + "."
                },
                wantText: "no ES256 token"
            ),
        ]
    )
    func assertions(_ assertion: Assertion) async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { _, client in
            let (id, key) = (instance.connectedID("edge"), ClusterAgentKey())
            _ = try await client.put(id, TestInstance.connected(key))
            let text = try assertion.make(key, id, Int(Date().timeIntervalSince1970))
            let error = await #expect(throws: ARMError.self) { try await Self.signIn(client, id, text) }
            #expect(error?.status == 401)
            #expect(error?.error.message.contains(assertion.wantText) == true)
        }
    }

    @Test("An assertion is good once, also across a restart, and a cluster has a bounded number of them")
    func replay() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        let (id, key) = (instance.connectedID("edge"), ClusterAgentKey())
        let now = Int(Date().timeIntervalSince1970)
        let text = try key.assertion(cluster: id, now: now)
        try await instance.run { _, client in
            _ = try await client.put(id, TestInstance.connected(key))
            #expect(try await !Self.signIn(client, id, text).isEmpty)
            let again = await #expect(throws: ARMError.self) { try await Self.signIn(client, id, text) }
            #expect(again?.error.message.contains("used before") == true)
        }
        try await instance.run { plane, client in
            let again = await #expect(throws: ARMError.self) { try await Self.signIn(client, id, text) }
            #expect(again?.status == 401)
            try await plane.core.store.write { t in
                var state = try ClusterHeartbeats.state(t, cluster: id)
                let many = (0..<AgentSignIn.remembered).map { ("\($0)", JSON(now + 300)) }
                state.hidden["assertions"] = .object(Dictionary(many) { first, _ in first })
                try t.put(&state)
            }
            let fresh = try key.assertion(cluster: id, now: now)
            let full = await #expect(throws: ARMError.self) { try await Self.signIn(client, id, fresh) }
            #expect(full?.status == 429)
            // What has ended is forgotten.
            instance.clock.advance(400)
            let later = try key.assertion(cluster: id, now: now + 400)
            #expect(try await !Self.signIn(client, id, later).isEmpty)
        }
    }

    @Test("An agent's token opens its own cluster's agent routes and nothing else; no other token opens those")
    func gate() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { plane, client in
            let (id, other, key) = (instance.connectedID("edge"), instance.connectedID("edge2"), ClusterAgentKey())
            _ = try await client.put(id, TestInstance.connected(key))
            _ = try await client.put(other, TestInstance.connected(key))
            let now = Int(Date().timeIntervalSince1970)
            let token = try await Self.signIn(client, id, try key.assertion(cluster: id, now: now))
            let agent = Raw(client: client, token: token)
            let beat = try JSON(encoding: TestInstance.heartbeat)
            #expect(try await agent.status("POST", id + "/agent/heartbeat", beat) == 204)
            #expect(try await agent.status("POST", id.uppercased() + "/agent/heartbeat", beat) == 204)
            #expect(try await agent.status("POST", id + "/agent/heartbeat", ["nodeCount": 1]) == 400)
            #expect(try await agent.status("POST", other + "/agent/heartbeat", beat) == 403)
            #expect(try await agent.status("POST", instance.clusterID + "/agent/heartbeat", beat) == 403)
            #expect(try await agent.status("GET", id + "/agent/bundles/volcano/v1") == 200)
            #expect(try await agent.status("GET", id + "/agent/bundles/volcano/v2") == 404)
            for path in [id, instance.ids.workspace, "/subscriptions", instance.ids.job("x")] {
                #expect(try await agent.status("GET", path) == 403)
            }
            #expect(try await agent.status("GET", "/store.blob.outrigger/azureml/x") == 403)
            #expect(try await agent.status("DELETE", id) == 403)

            let user = Raw(client: client, token: try await client.accessToken())
            for (method, path) in [("GET", "/work"), ("POST", "/reports"), ("POST", "/relayToken")] {
                #expect(try await user.status(method, id + "/agent" + path, [:]) == 403)
            }
            let relay = try await plane.core.tokens.relayToken(cluster: "fleet/connectedclusters/edge", lifetime: 60)
            #expect(try await Raw(client: client, token: relay).status("POST", id + "/agent/heartbeat", beat) == 401)
            let old = try await plane.core.tokens.agentToken(
                cluster: id,
                registration: plane.core.clusters.entry(resourceID: id)?.registration ?? "",
                lifetime: -1
            )
            #expect(try await Raw(client: client, token: old).status("POST", id + "/agent/heartbeat", beat) == 401)

            // Another key: what was given out before is worth nothing.
            _ = try await client.put(id, TestInstance.connected(ClusterAgentKey()))
            #expect(try await agent.status("POST", id + "/agent/heartbeat", beat) == 401)
            _ = try await client.delete(id)
            #expect(try await agent.status("POST", id + "/agent/heartbeat", beat) == 401)
        }
    }

    @Test("A relay's token opens its cluster's tunnel until the cluster is registered anew")
    func relayToken() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { plane, client in
            let id = instance.connectedID("edge")
            _ = try await client.put(id, TestInstance.connected(ClusterAgentKey()))
            let core = plane.core
            let credential = try await RelayCredentials.issue(core: core, cluster: id.lowercased())
            let grant = await RelayCredentials.grant(credential.token, tokens: core.tokens, clusters: core.clusters)
            #expect(grant?.cluster == "fleet/connectedclusters/edge")
            #expect((3500...3600).contains(grant?.seconds ?? 0))
            let user = try await client.accessToken()
            #expect(await RelayCredentials.grant(user, tokens: core.tokens, clusters: core.clusters) == nil)
            _ = try await client.put(id, TestInstance.connected(ClusterAgentKey()))
            #expect(
                await RelayCredentials.grant(credential.token, tokens: core.tokens, clusters: core.clusters) == nil
            )
            let own = try await RelayCredentials.issue(core: core, cluster: instance.clusterID)
            let local = await RelayCredentials.grant(own.token, tokens: core.tokens, clusters: core.clusters)
            #expect(local?.cluster == "local/local")
        }
    }
}
