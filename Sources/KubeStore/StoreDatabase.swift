internal import Foundation
internal import GRDB
internal import KubeCore

/// The SQLite file: a log of changes, and for every present object the change that made it.
///
/// Bodies are stored once, in the log; compaction drops the changes that later ones have replaced. Used by the writer only.
struct StoreDatabase: Sendable {
    /// A change on its way to the log.
    struct Entry: Sendable {
        var resource: String
        var kind: StoreChange.Kind
        var object: StoredObject
        /// 0 for an addition.
        var previous: Int64
    }

    struct Contents: Sendable {
        var objects: [String: [StoredObject]] = [:]
        var changes: [(resource: String, change: StoreChange, milliseconds: Int64)] = []
        var lastRevision: Int64 = 1
        /// Watches can start at this revision or later.
        var floor: Int64 = 1
    }

    private let queue: DatabaseQueue

    /// Opens or makes the file, readable for its owner only; nil keeps everything in memory.
    init(path: String?) throws {
        var configuration = GRDB.Configuration()
        configuration.busyMode = .timeout(5)
        configuration.label = "kube-store"
        configuration.prepareDatabase { database in
            // The order matters: auto_vacuum is fixed when the first page is written, which journal_mode does.
            try database.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
            if path != nil {
                // One process owns the file; a second one is refused instead of writing beside the first.
                try database.execute(sql: "PRAGMA locking_mode = EXCLUSIVE")
                try database.execute(sql: "PRAGMA journal_mode = WAL")
                try database.execute(sql: "PRAGMA synchronous = FULL")
                try database.execute(sql: "PRAGMA journal_size_limit = 16777216")
            }
            try database.execute(sql: "PRAGMA cache_size = -8192")
        }
        if let path {
            if !FileManager.default.fileExists(atPath: path) {
                guard
                    FileManager.default.createFile(
                        atPath: path,
                        contents: nil,
                        attributes: [.posixPermissions: NSNumber(value: 0o600)]
                    )
                else { throw StoreError.unavailable("cannot create \(path)") }
            }
            queue = try DatabaseQueue(path: path, configuration: configuration)
        } else {
            queue = try DatabaseQueue(configuration: configuration)
        }
        try queue.write { database in
            try database.execute(
                sql: """
                    CREATE TABLE IF NOT EXISTS change (
                        revision INTEGER PRIMARY KEY, milliseconds INTEGER NOT NULL, kind INTEGER NOT NULL,
                        resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
                        previous INTEGER NOT NULL, created INTEGER NOT NULL, slot INTEGER NOT NULL, body BLOB NOT NULL);
                    CREATE TABLE IF NOT EXISTS object (
                        resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL,
                        PRIMARY KEY (resource, namespace, name)) WITHOUT ROWID;
                    CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
                    INSERT OR IGNORE INTO meta VALUES ('format', 1), ('floor', 1), ('revision', 1);
                    """
            )
            let format = try Int64.fetchOne(database, sql: "SELECT value FROM meta WHERE name = 'format'") ?? 0
            guard format == 1 else {
                throw StoreError.unavailable("the file has format \(format), this program reads format 1")
            }
        }
    }

    /// Everything the in-memory side needs: present objects and the last `historyLimit` changes.
    func load(historyLimit: Int) throws -> Contents {
        try queue.read { database in
            var contents = Contents()
            contents.floor = try StoreDatabase.meta(database, "floor")
            let highest = try Int64.fetchOne(database, sql: "SELECT max(revision) FROM change") ?? 0
            contents.lastRevision = max(highest, try StoreDatabase.meta(database, "revision"), contents.floor)
            if let start = try Int64.fetchOne(
                database,
                sql: "SELECT revision FROM change ORDER BY revision DESC LIMIT 1 OFFSET ?",
                arguments: [historyLimit]
            ) {
                contents.floor = max(contents.floor, start)
            }
            let columns =
                "c.revision, c.kind, c.resource, c.namespace, c.name, c.previous, c.created, c.slot, c.body, c.milliseconds"
            var known: [Int64: StoredObject] = [:]
            let present = try Row.fetchCursor(
                database,
                sql: "SELECT \(columns) FROM object o JOIN change c ON c.revision = o.revision"
            )
            while let row = try present.next() {
                let object = StoreDatabase.object(row)
                known[object.revision] = object
                contents.objects[row[2], default: []].append(object)
            }
            let replaced = try Row.fetchCursor(
                database,
                sql: """
                    SELECT \(columns) FROM change p JOIN change c ON c.revision = p.previous WHERE p.revision > ?
                    """,
                arguments: [contents.floor]
            )
            while let row = try replaced.next() {
                let revision: Int64 = row[0]
                if known[revision] == nil { known[revision] = StoreDatabase.object(row) }
            }
            let recent = try Row.fetchCursor(
                database,
                sql: "SELECT \(columns) FROM change c WHERE c.revision > ? ORDER BY c.revision",
                arguments: [contents.floor]
            )
            while let row = try recent.next() {
                let revision: Int64 = row[0]
                let object = known[revision] ?? StoreDatabase.object(row)
                let previous: Int64 = row[5]
                let change = StoreChange(
                    kind: StoreChange.Kind(rawValue: row[1]) ?? .modified,
                    object: object,
                    previous: known[previous]
                )
                contents.changes.append((row[2], change, row[9]))
            }
            return contents
        }
    }

    /// Writes one batch in one transaction; returns when it is on disk.
    func append(_ rows: [Entry], milliseconds: Int64) throws {
        try queue.inTransaction(.immediate) { database in
            let insert = try database.cachedStatement(
                sql: "INSERT INTO change VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            )
            let put = try database.cachedStatement(sql: "INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?)")
            let delete = try database.cachedStatement(
                sql: "DELETE FROM object WHERE resource = ? AND namespace = ? AND name = ?"
            )
            for row in rows {
                let object = row.object
                let body = Data(object.bytes)
                let values: [(any DatabaseValueConvertible)?] = [
                    object.revision, milliseconds, row.kind.rawValue, row.resource, object.namespace, object.name,
                    row.previous, object.created, object.encoded.versionSlot.lowerBound, body,
                ]
                try insert.execute(arguments: StatementArguments(values))
                if row.kind == .deleted {
                    try delete.execute(arguments: [row.resource, object.namespace, object.name])
                } else {
                    try put.execute(arguments: [row.resource, object.namespace, object.name, object.revision])
                }
            }
            return .commit
        }
    }

    /// Drops up to `limit` changes that became history before `time`, and all beyond `historyLimit` that did before
    /// `hardTime`.
    ///
    /// True when more is left to drop.
    func compact(before time: Int64, hardTime: Int64, historyLimit: Int, limit: Int) throws -> Bool {
        try queue.write { database in
            let floor = try StoreDatabase.meta(database, "floor")
            let newest = try Int64.fetchOne(database, sql: "SELECT max(revision) FROM change") ?? 0
            // Revisions grow with time, so the rows after the floor are the history in order.
            let candidates = try Row.fetchAll(
                database,
                sql: "SELECT revision, milliseconds FROM change WHERE revision > ? ORDER BY revision LIMIT ?",
                arguments: [floor, limit]
            )
            var target = floor
            for row in candidates {
                let revision: Int64 = row[0]
                let milliseconds: Int64 = row[1]
                let isOld = milliseconds < time
                let isTooMuch = milliseconds < hardTime && newest - revision > Int64(historyLimit)
                guard isOld || isTooMuch else { break }
                target = revision
            }
            guard target > floor else { return false }
            try database.execute(
                sql: """
                    DELETE FROM change WHERE revision IN (
                        SELECT previous FROM change WHERE revision > ? AND revision <= ? AND previous > 0)
                    """,
                arguments: [floor, target]
            )
            try database.execute(
                sql: "DELETE FROM change WHERE revision > ? AND revision <= ? AND kind = 2",
                arguments: [floor, target]
            )
            try database.execute(
                sql: "INSERT OR REPLACE INTO meta VALUES ('floor', ?), ('revision', ?)",
                arguments: [target, max(newest, target)]
            )
            return candidates.count == limit && target == candidates[candidates.count - 1][0]
        }
    }

    /// Gives up to `pages` free pages back to the file system.
    func shrink(pages: Int) throws {
        try queue.writeWithoutTransaction { database in
            // The pragma frees one page for each step, so the cursor has to run to its end.
            let cursor = try Row.fetchCursor(database, sql: "PRAGMA incremental_vacuum(\(pages))")
            while try cursor.next() != nil {}
        }
    }

    /// Moves the log into the file and closes it.
    func close() throws {
        try queue.writeWithoutTransaction { database in
            _ = try Row.fetchAll(database, sql: "PRAGMA wal_checkpoint(TRUNCATE)")
        }
        try queue.close()
    }

    private static func meta(_ database: Database, _ name: String) throws -> Int64 {
        try Int64.fetchOne(database, sql: "SELECT value FROM meta WHERE name = ?", arguments: [name]) ?? 0
    }

    private static func object(_ row: Row) -> StoredObject {
        let revision: Int64 = row[0]
        let slot: Int = row[7]
        let body: Data = row[8]
        return StoredObject(
            namespace: row[3],
            name: row[4],
            revision: revision,
            created: row[6],
            encoded: EncodedObject(bytes: Array(body), versionSlot: slot..<slot + String(revision).utf8.count)
        )
    }
}
