internal import ControlPlaneAPI
internal import GRDB
internal import KubeCore

/// The database inside one transaction.
///
/// Not to be kept beyond it.
final class Transaction {
    let db: Database
    /// Topics to announce when the transaction has been committed.
    var touched: Set<String> = []

    init(_ db: Database) { self.db = db }

    func find(_ id: String) throws -> Document? {
        try Row.fetchOne(db, sql: "SELECT * FROM document WHERE key = ?", arguments: [id.lowercased()])
            .map(Transaction.document)
    }

    /// - Throws: 404 naming the kind and the name.
    func require(_ id: String, _ kind: String, remedy: String = "") throws -> Document {
        guard let document = try find(id) else {
            throw ARMError.resourceNotFound(kind, ARMName.last(id), remedy: remedy)
        }
        return document
    }

    /// Inserts or replaces; `version` and `updatedAt` of the argument are set to what was stored.
    func put(_ document: inout Document) throws {
        document.version += 1
        document.updatedAt = nowSeconds()
        try db.execute(
            sql: """
                INSERT INTO document (key, id, kind, parent, name, body, hidden, version, createdAt, updatedAt)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (key) DO UPDATE SET body = excluded.body, hidden = excluded.hidden,
                    version = excluded.version, updatedAt = excluded.updatedAt
                """,
            arguments: [
                document.key, document.id, document.kind.rawValue, document.parent, document.name, document.body.text,
                document.hidden.text, document.version, document.createdAt, document.updatedAt,
            ]
        )
        touched.insert(document.kind.rawValue)
    }

    @discardableResult
    func remove(_ id: String) throws -> Bool {
        guard let document = try find(id) else { return false }
        try db.execute(sql: "DELETE FROM document WHERE key = ?", arguments: [document.key])
        touched.insert(document.kind.rawValue)
        return true
    }

    /// Newest first when `newestFirst`, else oldest first.
    func list(
        _ kind: DocumentKind,
        parent: String,
        newestFirst: Bool = false,
        limit: Int = -1,
        offset: Int = 0
    ) throws -> [Document] {
        let order = newestFirst ? "DESC" : "ASC"
        return try Row.fetchAll(
            db,
            sql: """
                SELECT * FROM document WHERE kind = ? AND parent = ?
                ORDER BY createdAt \(order), rowid \(order) LIMIT ? OFFSET ?
                """,
            arguments: [kind.rawValue, parent.lowercased(), limit, offset]
        ).map(Transaction.document)
    }

    /// All documents of a kind, whatever holds them.
    func listAll(_ kind: DocumentKind) throws -> [Document] {
        try Row.fetchAll(
            db,
            sql: "SELECT * FROM document WHERE kind = ? ORDER BY createdAt, rowid",
            arguments: [kind.rawValue]
        ).map(Transaction.document)
    }

    func count(_ kind: DocumentKind, parent: String) throws -> Int {
        try Int.fetchOne(
            db,
            sql: "SELECT count(*) FROM document WHERE kind = ? AND parent = ?",
            arguments: [kind.rawValue, parent.lowercased()]
        ) ?? 0
    }

    func setting(_ name: String) throws -> String? {
        try String.fetchOne(db, sql: "SELECT value FROM setting WHERE name = ?", arguments: [name])
    }

    func set(_ name: String, _ value: String) throws {
        try db.execute(
            sql:
                "INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            arguments: [name, value]
        )
    }

    private static func document(_ row: Row) -> Document {
        let kind: String = row["kind"]
        var document = Document(
            kind: DocumentKind(rawValue: kind) ?? .operation,
            id: row["id"],
            parent: row["parent"],
            name: row["name"],
            body: parsed(row["body"]),
            hidden: parsed(row["hidden"])
        )
        document.version = row["version"]
        document.createdAt = row["createdAt"]
        document.updatedAt = row["updatedAt"]
        return document
    }

    /// JSON that this program wrote itself; anything else reads as an empty object.
    static func parsed(_ text: String) -> JSON {
        do { return try JSON(parsing: text) } catch { return .object([:]) }
    }
}

/// Names out of ARM ids.
enum ARMName {
    /// The last segment; for versions `name:version`.
    static func last(_ id: String) -> String {
        let segments = id.split(separator: "/").map(String.init)
        guard let last = segments.last else { return id }
        if segments.count >= 3, segments[segments.count - 2].lowercased() == "versions" {
            return segments[segments.count - 3] + ":" + last
        }
        return last
    }
}
