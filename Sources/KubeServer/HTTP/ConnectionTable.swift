internal import NIOCore
internal import Synchronization

/// All open client connections, so that a shutdown can end them.
final class ConnectionTable: Sendable {
    private struct Entry {
        var channel: any Channel
        var handler: NIOLoopBound<ConnectionHandler>
    }

    private struct State {
        var entries: [ObjectIdentifier: Entry] = [:]
        var isClosing = false
    }

    private let state = Mutex(State())
    let maximum: Int

    init(maximum: Int) {
        self.maximum = maximum
    }

    var count: Int { state.withLock { $0.entries.count } }

    /// False when there are too many, or none is taken any more.
    func add(_ channel: any Channel, _ handler: ConnectionHandler) -> Bool {
        let entry = Entry(channel: channel, handler: NIOLoopBound(handler, eventLoop: channel.eventLoop))
        return state.withLock { state in
            guard !state.isClosing, state.entries.count < maximum else { return false }
            state.entries[ObjectIdentifier(channel)] = entry
            return true
        }
    }

    func remove(_ channel: any Channel) {
        state.withLock { $0.entries[ObjectIdentifier(channel)] = nil }
    }

    /// Lets each connection finish its present request, and closes those that have not by then.
    func drain(grace: Duration) async {
        let entries = state.withLock { state in
            state.isClosing = true
            return Array(state.entries.values)
        }
        for entry in entries {
            entry.channel.eventLoop.execute { entry.handler.value.quiesce(entry.channel) }
        }
        let deadline = ContinuousClock.now + grace
        while count > 0, ContinuousClock.now < deadline, !Task.isCancelled {
            do { try await Task.sleep(for: .milliseconds(20)) } catch { break }
        }
        for entry in state.withLock({ Array($0.entries.values) }) { entry.channel.close(promise: nil) }
    }
}
