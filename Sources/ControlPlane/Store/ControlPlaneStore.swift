internal import Foundation
internal import GRDB
internal import Synchronization

/// The control plane's database: every acknowledged write survives a crash and a power loss.
final class ControlPlaneStore: Sendable {
    private let pool: DatabasePool
    let changes = ChangeHub()

    init(path: String) throws {
        // SQLite gives its side files the rights of the database file, so it must exist with 0600 before the first open.
        if !FileManager.default.fileExists(atPath: path) {
            guard
                FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
            else { throw CocoaError(.fileWriteNoPermission, userInfo: [NSFilePathErrorKey: path]) }
        }
        var configuration = Configuration()
        configuration.busyMode = .timeout(10)
        configuration.maximumReaderCount = 4
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA synchronous = FULL")
            try db.execute(sql: "PRAGMA foreign_keys = ON")
        }
        pool = try DatabasePool(path: path, configuration: configuration)
        try Schema.migrator.migrate(pool)
    }

    /// Runs `body` in one transaction; a thrown error undoes all of it.
    func write<T: Sendable>(_ body: @escaping @Sendable (Transaction) throws -> T) async throws -> T {
        let (value, touched) = try await pool.write { db in
            let transaction = Transaction(db)
            let value = try body(transaction)
            return (value, transaction.touched)
        }
        changes.announce(touched)
        return value
    }

    /// Reads one consistent state.
    func read<T: Sendable>(_ body: @escaping @Sendable (Transaction) throws -> T) async throws -> T {
        try await pool.read { db in try body(Transaction(db)) }
    }

    func close() throws { try pool.close() }
}

/// Tells loops in this process that something they read has changed; they read again, so that a lost signal costs nothing
/// but time.
final class ChangeHub: Sendable {
    private struct State {
        var next = 0
        var listeners: [Int: (topics: Set<String>, continuation: AsyncStream<Void>.Continuation)] = [:]
    }
    private let state = Mutex(State())

    /// One element at once and one after each change of a topic; changes that come while the reader works fall together.
    func signals(_ topics: Set<String>) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            state.next += 1
            state.listeners[state.next] = (topics, continuation)
            return state.next
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { state in _ = state.listeners.removeValue(forKey: id) }
        }
        continuation.yield()
        return stream
    }

    func announce(_ topics: Set<String>) {
        guard !topics.isEmpty else { return }
        let listeners = state.withLock { state in
            state.listeners.values.filter { !$0.topics.isDisjoint(with: topics) }.map(\.continuation)
        }
        for listener in listeners { listener.yield() }
    }
}
