import KubeCore
import Testing

@testable import Scheduling

@Suite struct GangStateTests {
    private func state(_ changes: [GangState.Change]) -> GangState {
        var state = GangState(schedulerName: "volcano")
        for change in [.queue(testQueue("default"))] + changes { state.apply(change) }
        return state
    }

    private func member(
        _ name: String,
        _ group: String,
        cpu: String = "1",
        node: String? = nil,
        phase: String? = nil
    ) -> GangState.Change {
        .pod(testPod(name, cpu: cpu, node: node, group: group, task: "worker", phase: phase, scheduler: "volcano"))
    }

    private func sentence(_ state: GangState, _ group: String) -> String? {
        state.gangs[ObjectKey(namespace: "default", name: group)]?.waitingInfo.explanation?.sentence
    }

    @Test func `A gang is placed as a whole`() {
        var state = state([
            .node(testNode("a", cpu: "2")), .node(testNode("b", cpu: "2")), .group(testGroup("g", minMember: 3)),
            member("p0", "g"), member("p1", "g"), member("p2", "g"),
        ])
        let orders = state.cycle(now: 1, timestamp: "t")
        #expect(orders.bind.count == 3)
        #expect(orders.statuses.last?.status["phase"] == "Running")
        #expect(state.open.isEmpty)
    }

    @Test func `Nothing of a gang is placed when not all of it fits`() {
        var state = state([
            .node(testNode("a", cpu: "2")), .group(testGroup("g", minMember: 3)), member("p0", "g"), member("p1", "g"),
            member("p2", "g"), .group(testGroup("small", minMember: 2, created: "2024-05-02T10:00:00Z")),
            member("s0", "small"), member("s1", "small"),
        ])
        let orders = state.cycle(now: 1, timestamp: "t")
        #expect(orders.bind.map(\.pod.key.name) == ["s0", "s1"])
        #expect(state.cluster.placed.count == 2)
    }

    @Test func `The sentence names what is scarce, who has it and what to do`() {
        var state = state([
            .node(testNode("a", cpu: "4")),
            .pod(testPod("busy", cpu: "3", node: "a", labels: ["app": "web"], phase: "Running")),
            .group(testGroup("g", minMember: 2)), member("p0", "g"), member("p1", "g"),
        ])
        _ = state.cycle(now: 1, timestamp: "t")
        #expect(
            sentence(state, "g")
                == "1 pod more need 1 cpu, but only 1 of 4 is free on 1 nodes, the rest held by default/web (3): "
                + "wait for them, stop one, or add a node"
        )
        let orders = state.cycle(now: 2, timestamp: "t")
        let status = orders.statuses.last?.status
        let conditions = ConditionList(status?["conditions"])
        #expect(conditions.isTrue("Unschedulable"))
        #expect(orders.tell.first?.pods.count == 2)
    }

    @Test func `A request that no node can meet is told apart from a full cluster`() {
        var state = state([
            .node(testNode("a", cpu: "4")), .group(testGroup("g", minMember: 1)), member("p0", "g", cpu: "8"),
        ])
        _ = state.cycle(now: 1, timestamp: "t")
        #expect(
            sentence(state, "g")
                == "each pod asks for 8 cpu, but the largest node has 4: ask for less or add a larger node"
        )
    }

    @Test func `A gang whose pods do not all exist waits for them`() {
        var state = state([.node(testNode("a")), .group(testGroup("g", minMember: 2)), member("p0", "g")])
        let orders = state.cycle(now: 1, timestamp: "t")
        #expect(orders.bind.isEmpty)
        let info = state.gangs[ObjectKey(namespace: "default", name: "g")]?.waitingInfo
        #expect(info?.explanation?.reason == "NotEnoughTasks")
        state.apply(member("p1", "g"))
        let next = state.cycle(now: 1.1, timestamp: "t")
        #expect(next.bind.count == 2)
    }

    @Test func `Nothing is tried again, and nothing written, while nothing changed`() {
        var state = state([
            .node(testNode("a", cpu: "1")), .group(testGroup("g", minMember: 2)), member("p0", "g"), member("p1", "g"),
        ])
        _ = state.cycle(now: 1, timestamp: "t")
        _ = state.cycle(now: 2, timestamp: "t")
        for step in 3..<8 {
            let orders = state.cycle(now: Double(step), timestamp: "t")
            #expect(orders.bind.isEmpty && orders.statuses.isEmpty && orders.tell.isEmpty)
        }
    }

    @Test func `Room that comes free lets the gang in`() {
        let busy = testPod("busy", cpu: "1", node: "a", phase: "Running")
        var state = state([
            .node(testNode("a", cpu: "2")), .pod(busy), .group(testGroup("g", minMember: 2)), member("p0", "g"),
            member("p1", "g"),
        ])
        let before = state.cycle(now: 1, timestamp: "t")
        #expect(before.bind.isEmpty)
        state.apply(.podGone(busy.key))
        let after = state.cycle(now: 2, timestamp: "t")
        #expect(after.bind.count == 2)
    }

    @Test func `A failed binding is tried again without counting twice`() {
        var state = state([.node(testNode("a", cpu: "1")), .group(testGroup("g", minMember: 1)), member("p0", "g")])
        let first = state.cycle(now: 1, timestamp: "t")
        #expect(first.bind.count == 1)
        state.apply(.bindFailed(ObjectKey(namespace: "default", name: "p0")))
        let second = state.cycle(now: 2, timestamp: "t")
        #expect(second.bind.count == 1)
        #expect(state.cluster.node("a")?.used.cpu == 1000)
    }

    @Test func `A pending group is admitted when its queue has room`() {
        var state = state([
            .node(testNode("a", cpu: "4")), .queue(testQueue("q", capability: ["cpu": "2"])),
            .group(testGroup("big", minMember: 3, queue: "q", phase: "Pending", minResources: ["cpu": "3"])),
            .group(testGroup("fits", minMember: 2, queue: "q", phase: "Pending", minResources: ["cpu": "2"])),
            .group(testGroup("closed", minMember: 1, queue: "shut", phase: "Pending")),
            .queue(testQueue("shut", state: "Closed")),
        ])
        let orders = state.cycle(now: 1, timestamp: "t")
        let phases = Dictionary(
            uniqueKeysWithValues: orders.statuses.map { ($0.group.name, $0.status["phase"]?.stringValue) }
        )
        #expect(phases["fits"] == "Inqueue")
        #expect(sentence(state, "big")?.hasPrefix("it needs 3 cpu, but queue q may hold 2 and holds ") == true)
        #expect(sentence(state, "closed") == "queue shut is closed: open it or use another queue")
    }

    @Test func `Queues share by weight when both want more`() {
        var changes: [GangState.Change] = [
            .node(testNode("a", cpu: "4")), .queue(testQueue("heavy", weight: 3)),
            .queue(testQueue("light", weight: 1)),
        ]
        for index in 0..<4 {
            for queue in ["heavy", "light"] {
                changes.append(.group(testGroup("\(queue)\(index)", minMember: 1, queue: queue)))
                changes.append(member("\(queue)-p\(index)", "\(queue)\(index)"))
            }
        }
        var state = state(changes)
        let orders = state.cycle(now: 1, timestamp: "t")
        let heavy = orders.bind.count { $0.pod.key.name.hasPrefix("heavy") }
        #expect(orders.bind.count == 4)
        #expect(heavy == 3)
    }

    @Test func `A volcano pod of no group is placed by itself`() {
        var state = state([.node(testNode("a")), .pod(testPod("single", cpu: "1", scheduler: "volcano"))])
        let orders = state.cycle(now: 1, timestamp: "t")
        #expect(orders.bind.count == 1)
    }

    @Test func `A group ends with its pods, and starts over when they are gone`() {
        var state = state([
            .node(testNode("a")), .group(testGroup("g", minMember: 1, phase: "Running")),
            member("p0", "g", node: "a", phase: "Succeeded"),
        ])
        let done = state.cycle(now: 1, timestamp: "t")
        #expect(done.statuses.last?.status["phase"] == "Completed")
        state.apply(.podGone(ObjectKey(namespace: "default", name: "p0")))
        let again = state.cycle(now: 2, timestamp: "t")
        #expect(again.statuses.last?.status["phase"] == "Pending")
    }

    @Test func `Ten thousand pods in gangs of a hundred are decided in one cycle`() {
        var changes: [GangState.Change] = (0..<1000).map { .node(testNode("n\($0)", cpu: "32")) }
        for group in 0..<100 {
            changes.append(.group(testGroup("g\(group)", minMember: 100)))
            for index in 0..<100 { changes.append(member("g\(group)-p\(index)", "g\(group)", cpu: "2")) }
        }
        var state = state(changes)
        let orders = state.cycle(now: 1, timestamp: "t")
        #expect(orders.bind.count == 10_000)
        #expect(state.cluster.nodes.allSatisfy { $0.used.cpu <= $0.allocatable.cpu })
    }
}
