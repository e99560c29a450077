import Testing

@testable import Relay

@Suite struct DecisionTests {
    @Test func `Pauses double to ten seconds and begin anew after success`() {
        var delay = ReconnectDelay()
        let longest = (0..<9).map { _ in delay.next(chance: 1) }
        #expect(longest.prefix(3) == [.milliseconds(250), .milliseconds(500), .seconds(1)])
        #expect(longest.dropFirst(6).allSatisfy { $0 == .seconds(10) })
        #expect(delay.next(chance: 0) == .seconds(5))
        delay.reset()
        #expect(delay.next(chance: 0) == .milliseconds(125))
    }

    @Test func `A connection is given up after silence only`() {
        var liveness = Liveness(limit: .seconds(7), now: .seconds(100))
        #expect(liveness.beat(now: .seconds(106)) == .ping)
        liveness.heard(now: .seconds(106))
        #expect(liveness.beat(now: .seconds(112)) == .ping)
        liveness.heard(now: .seconds(90))
        #expect(liveness.beat(now: .seconds(113)) == .close)
    }

    @Test func `The least busy lively connection is taken`() {
        let choice = ConnectionChoice(maximumStreams: 3, doubtful: .seconds(4))
        func candidate(
            _ id: Int,
            streams: Int = 0,
            silence: Int = 0,
            isDraining: Bool = false
        )
            -> ConnectionChoice.Candidate
        {
            .init(id: id, isDraining: isDraining, openStreams: streams, silence: .seconds(silence))
        }
        #expect(choice.pick([]) == .notConnected)
        #expect(choice.pick([candidate(1, isDraining: true)]) == .notConnected)
        #expect(choice.pick([candidate(1, streams: 2), candidate(2, streams: 1)]) == .use(2))
        #expect(choice.pick([candidate(1), candidate(2)]) == .use(2))
        #expect(choice.pick([candidate(1, streams: 2), candidate(2, silence: 5)]) == .use(1))
        #expect(choice.pick([candidate(1, streams: 3), candidate(2, silence: 5)]) == .use(2))
        #expect(choice.pick([candidate(1, streams: 3), candidate(2, isDraining: true)]) == .overloaded)
    }

    @Test func `A token is asked for at half of what is left, and not after its end`() {
        #expect(TokenRenewal.step(remaining: .seconds(3600)) == .ask(after: .seconds(1800)))
        #expect(TokenRenewal.step(remaining: .seconds(3)) == .ask(after: .seconds(2)))
        #expect(TokenRenewal.step(remaining: .seconds(1)) == .ask(after: .seconds(1)))
        #expect(TokenRenewal.step(remaining: .zero) == .close)
        #expect(TokenRenewal.step(remaining: .seconds(-1)) == .close)
    }
}
