internal import GRDB

/// Work for a cluster that is still to be done.
struct OutboxItem: Sendable {
    enum Action: String, Sendable { case apply, delete }

    /// Key of the document it is about; for deletions the document may be gone.
    var key: String
    var cluster: String
    /// Plural of the custom resource.
    var resource: String
    var namespace: String
    var name: String
    var action: Action
    var version: Int
    /// Number of the command, higher for every later one of the whole control plane; 0 for work from before there were any.
    var sequence: Int
    var attempts: Int
    var error: String?

    /// What the gateway is told; nil for old work without a number.
    var command: Int? { sequence > 0 ? sequence : nil }
}

extension Transaction {
    static let outboxTopic = "outbox"

    /// Notes that an object of a cluster must be brought in line with its document; work of the same key falls together.
    func enqueue(
        _ key: String,
        cluster: String,
        resource: String,
        namespace: String,
        name: String,
        action: OutboxItem.Action = .apply
    ) throws {
        try db.execute(
            sql: """
                INSERT INTO outbox (key, cluster, resource, namespace, name, action, version, sequence)
                VALUES (?, ?, ?, ?, ?, ?, 1, ?)
                ON CONFLICT (key) DO UPDATE SET action = excluded.action, version = version + 1,
                    sequence = excluded.sequence, attempts = 0, error = NULL
                """,
            arguments: [
                key.lowercased(), cluster, resource, namespace, name, action.rawValue, try nextCommand(),
            ]
        )
        touched.insert(Transaction.outboxTopic)
    }

    /// Never less than the time: gateways remember the highest number of each object, also when this database is lost and
    /// counting starts again.
    private func nextCommand() throws -> Int {
        let last = try setting("lastCommand").flatMap { Int($0) } ?? 0
        let next = max(last + 1, Int(nowSeconds() * 1000))
        try set("lastCommand", String(next))
        return next
    }

    func outbox(cluster: String) throws -> [OutboxItem] {
        try Row.fetchAll(db, sql: "SELECT * FROM outbox WHERE cluster = ? ORDER BY rowid", arguments: [cluster]).map {
            row in
            let action: String = row["action"]
            return OutboxItem(
                key: row["key"],
                cluster: row["cluster"],
                resource: row["resource"],
                namespace: row["namespace"],
                name: row["name"],
                action: OutboxItem.Action(rawValue: action) ?? .apply,
                version: row["version"],
                sequence: row["sequence"],
                attempts: row["attempts"],
                error: row["error"]
            )
        }
    }

    func isPending(_ key: String) throws -> Bool {
        try Int.fetchOne(db, sql: "SELECT 1 FROM outbox WHERE key = ?", arguments: [key.lowercased()]) != nil
    }

    /// Done, unless the work changed meanwhile.
    ///
    /// Versions begin again with each row, so the number of the command is what tells later work of the same key apart.
    func finish(_ item: OutboxItem) throws {
        try db.execute(
            sql: "DELETE FROM outbox WHERE key = ? AND version = ? AND sequence = ?",
            arguments: [item.key, item.version, item.sequence]
        )
    }

    func fail(_ item: OutboxItem, _ error: String) throws {
        try db.execute(
            sql: "UPDATE outbox SET attempts = attempts + 1, error = ? WHERE key = ? AND version = ? AND sequence = ?",
            arguments: [error, item.key, item.version, item.sequence]
        )
    }
}
