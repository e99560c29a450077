import KubeCore
import KubeRuntime
import MLTypes
import Telemetry
import TestSupport
import Testing

@testable import Gateway

@Suite(.timeLimit(.minutes(1))) struct CommandTests {
    struct Case: CustomTestStringConvertible {
        var command: Int?
        var live: Int?
        var buried: Int?
        var wantPut: CommandDecision
        var wantDelete: CommandDecision
        var testDescription: String {
            "command \(command ?? 0), live \(live ?? -1), buried \(buried ?? -1)"
        }
    }

    @Test(arguments: [
        Case(command: nil, live: 9, buried: nil, wantPut: .carryOut, wantDelete: .carryOut),
        Case(command: 5, live: nil, buried: nil, wantPut: .carryOut, wantDelete: .carryOut),
        Case(command: 5, live: 0, buried: nil, wantPut: .carryOut, wantDelete: .carryOut),
        Case(command: 5, live: 4, buried: nil, wantPut: .carryOut, wantDelete: .carryOut),
        Case(command: 5, live: 5, buried: nil, wantPut: .isInForce, wantDelete: .isInForce),
        Case(command: 5, live: 6, buried: nil, wantPut: .isInForce, wantDelete: .isInForce),
        Case(command: 5, live: nil, buried: 6, wantPut: .isTooLate(removedBy: 6), wantDelete: .carryOut),
        Case(command: 5, live: nil, buried: 5, wantPut: .isTooLate(removedBy: 5), wantDelete: .carryOut),
        Case(command: 5, live: nil, buried: 4, wantPut: .carryOut, wantDelete: .carryOut),
    ])
    func `Only the newest command is carried out`(_ one: Case) {
        #expect(CommandDecision.put(one.command, live: one.live, buried: one.buried) == one.wantPut)
        #expect(CommandDecision.delete(one.command, live: one.live) == one.wantDelete)
    }

    @Test func `The list of removed objects keeps the newest and stays bounded`() {
        var entries: [CommandLedger.Entry] = []
        for number in 1...(CommandLedger.capacity + 10) {
            entries = CommandLedger.adding("amljobs/ns/\(number)", number, to: entries) ?? entries
        }
        #expect(entries.count == CommandLedger.capacity && entries.first?.command == 11)
        #expect(CommandLedger.adding("amljobs/ns/20", 20, to: entries) == nil)
        #expect(CommandLedger.adding("amljobs/ns/20", 5000, to: entries)?.last?.command == 5000)
        #expect(CommandLedger.parse(CommandLedger.text(entries)) == entries)
        #expect(CommandLedger.parse("x y\n7 a/b/c\n\n9") == [.init(object: "a/b/c", command: 7)])
    }

    @Test func `A command is neither repeated nor overtaken by an earlier one`() async throws {
        try await withGatewayBench { bench in
            let client = bench.client
            let path = "/v1/namespaces/default/amljobs/j1"
            func command() async throws -> String? {
                try await bench.api.find(MLResources.amlJobs, namespace: "default", name: "j1")?["spec", "command"]?
                    .stringValue
            }
            #expect(try await client.send("PUT", path, body: job("first"), command: 10).status == 200)
            let before = try await bench.api.get(MLResources.amlJobs, namespace: "default", name: "j1")
            let repeated = try await client.send("PUT", path, body: job("again"), command: 10)
            #expect(repeated.status == 200 && repeated.json[path: "spec", "command"]?.stringValue == "first")
            #expect(try await client.send("PUT", path, body: job("late"), command: 9).status == 200)
            #expect(
                try await bench.api.get(MLResources.amlJobs, namespace: "default", name: "j1").resourceVersion
                    == before.resourceVersion
            )
            #expect(try await client.send("DELETE", path, command: 8).status == 200)
            #expect(try await command() == "first")
            #expect(try await client.send("PUT", path, body: job("second"), command: 11).status == 200)
            #expect(try await command() == "second")
            #expect(try await client.send("DELETE", path, command: 12).status == 200)
            #expect(try await command() == nil)
            // Repeated, and an old wish that comes after the removal.
            #expect(try await client.send("DELETE", path, command: 12).status == 404)
            #expect(try await client.send("PUT", path, body: job("ghost"), command: 11).status == 409)
            #expect(try await command() == nil)
            #expect(try await client.send("PUT", path, body: job("third"), command: 13).status == 200)
            #expect(try await command() == "third")
            #expect(
                try await client.send("PUT", path, body: job("x"), headers: [("Outrigger-Command-Id", "no")]).status
                    == 400
            )
        }
    }

    @Test func `A gateway that starts anew remembers`() async throws {
        try await withGatewayBench { bench in
            let path = "/v1/namespaces/default/amljobs/j1"
            #expect(try await bench.client.send("PUT", path, body: job("first"), command: 10).status == 200)
            #expect(try await bench.client.send("DELETE", path, command: 12).status == 200)
            // A removal may come first, and what it removes after it.
            let other = "/v1/namespaces/default/amljobs/j2"
            #expect(try await bench.client.send("DELETE", other, command: 21).status == 404)
            let health = Health()
            let second = makeGateway(bench.api, bench.pair, health)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await second.run() }
                let port = try await eventually("listening") { second.boundPort }
                let client = try GatewayTestClient(port: port, authority: bench.pair.certificate)
                #expect(try await client.send("PUT", path, body: job("ghost"), command: 11).status == 409)
                #expect(try await client.send("PUT", other, body: job("ghost", "j2"), command: 20).status == 409)
                #expect(try await client.send("PUT", other, body: job("new", "j2"), command: 22).status == 200)
                try await client.shutDown()
                group.cancelAll()
                while let ended = await group.nextResult() { _ = ended }
            }
        }
    }

    @Test func `Two removals at once are both remembered`() async throws {
        try await withGatewayBench { bench in
            let api = bench.api
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 1...8 {
                    // As if from gateways of their own: they share nothing but the ConfigMap.
                    let ledger = CommandLedger(api: api, namespace: "azureml")
                    group.addTask { try await ledger.bury("amljobs/default/j\(number)", command: number) }
                }
                try await group.waitForAll()
            }
            let ledger = CommandLedger(api: api, namespace: "azureml")
            for number in 1...8 { #expect(try await ledger.buried("amljobs/default/j\(number)") == number) }
        }
    }

    @Test func `Secrets follow the same rule`() async throws {
        try await withGatewayBench { bench in
            let path = "/v1/namespaces/default/secrets/s"
            func secret(_ value: String) -> JSON {
                let labels: JSON = ["ml.azure.com/managed-by": "outrigger"]
                return [
                    "apiVersion": "v1", "kind": "Secret", "metadata": ["name": "s", "labels": labels],
                    "stringData": ["a": .string(value)],
                ]
            }
            #expect(try await bench.client.send("PUT", path, body: secret("one"), command: 5).status == 200)
            #expect(try await bench.client.send("PUT", path, body: secret("old"), command: 4).status == 200)
            let live = try await bench.api.get(.secrets, namespace: "default", name: "s")
            #expect(live["data", "a"]?.stringValue == "b25l")
            #expect(try await bench.client.send("DELETE", path, command: 6).status == 200)
            #expect(try await bench.client.send("PUT", path, body: secret("old"), command: 5).status == 409)
        }
    }

    @Test func `The header for the service proxy opens it too, and namespaces can be asked for`() async throws {
        try await withGatewayBench { bench in
            let right = [("Outrigger-Authorization", "Bearer the-token")]
            let wrong = [("Outrigger-Authorization", "Bearer other")]
            #expect(try await bench.client.send("GET", "/v1/cluster", token: nil, headers: right).status == 200)
            #expect(try await bench.client.send("GET", "/v1/cluster", token: nil, headers: wrong).status == 401)
            let there = try await bench.client.send("GET", "/v1/namespaces/default")
            #expect(there.status == 200 && there.json["kind"]?.stringValue == "Namespace")
            let missing = try await bench.client.send("GET", "/v1/namespaces/none")
            #expect(missing.status == 404 && missing.json[path: "details", "kind"]?.stringValue == "namespaces")
        }
    }

    private func job(_ command: String, _ name: String = "j1") -> JSON {
        [
            "apiVersion": "amlarc.azureml.com/v1alpha1", "kind": "AmlJob",
            "metadata": ["name": .string(name), "namespace": "default"],
            "spec": ["jobId": .string(name), "command": .string(command), "environment": [:], "compute": "c"],
        ]
    }
}
