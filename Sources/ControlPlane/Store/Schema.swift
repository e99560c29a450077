internal import GRDB

/// The tables of the database.
enum Schema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { db in
            for statement in documents + blobs + mlflow { try db.execute(sql: statement) }
        }
        migrator.registerMigration("commands") { db in
            try db.execute(sql: "ALTER TABLE outbox ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0")
        }
        return migrator
    }

    private static let documents = [
        """
        CREATE TABLE document (
            key TEXT PRIMARY KEY, id TEXT NOT NULL, kind TEXT NOT NULL, parent TEXT NOT NULL, name TEXT NOT NULL,
            body BLOB NOT NULL, hidden BLOB NOT NULL, version INTEGER NOT NULL, createdAt REAL NOT NULL,
            updatedAt REAL NOT NULL)
        """,
        "CREATE INDEX documentByParent ON document (kind, parent, createdAt)",
        "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
        // Work for a cluster that has not been done yet. `version` rises when the work changes while it is being done.
        """
        CREATE TABLE outbox (
            key TEXT PRIMARY KEY, cluster TEXT NOT NULL, resource TEXT NOT NULL, namespace TEXT NOT NULL,
            name TEXT NOT NULL, action TEXT NOT NULL, version INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
            error TEXT)
        """,
        "CREATE INDEX outboxByCluster ON outbox (cluster)",
        // What the token of a run or deployment may do with blobs.
        """
        CREATE TABLE blobGrant (
            subject TEXT NOT NULL, container TEXT NOT NULL, prefix TEXT NOT NULL, canWrite INTEGER NOT NULL,
            PRIMARY KEY (subject, container, prefix)) WITHOUT ROWID
        """,
    ]

    private static let blobs = [
        """
        CREATE TABLE blob (
            container TEXT NOT NULL, name TEXT NOT NULL, file TEXT NOT NULL, size INTEGER NOT NULL, kind TEXT NOT NULL,
            contentType TEXT NOT NULL, metadata BLOB NOT NULL, etag TEXT NOT NULL, createdAt REAL NOT NULL,
            updatedAt REAL NOT NULL, PRIMARY KEY (container, name)) WITHOUT ROWID
        """,
        """
        CREATE TABLE block (
            container TEXT NOT NULL, name TEXT NOT NULL, blockId TEXT NOT NULL, file TEXT NOT NULL,
            size INTEGER NOT NULL, createdAt REAL NOT NULL, PRIMARY KEY (container, name, blockId)) WITHOUT ROWID
        """,
    ]

    private static let mlflow = [
        """
        CREATE TABLE experiment (
            id INTEGER PRIMARY KEY AUTOINCREMENT, workspace TEXT NOT NULL, name TEXT NOT NULL, lifecycle TEXT NOT NULL,
            createdAt INTEGER NOT NULL, updatedAt INTEGER NOT NULL, UNIQUE (workspace, name))
        """,
        "CREATE TABLE experimentTag (experiment INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (experiment, key)) WITHOUT ROWID",
        """
        CREATE TABLE run (
            id TEXT PRIMARY KEY, workspace TEXT NOT NULL, experiment INTEGER NOT NULL REFERENCES experiment (id),
            name TEXT NOT NULL, status TEXT NOT NULL, startTime INTEGER, endTime INTEGER, lifecycle TEXT NOT NULL,
            userId TEXT NOT NULL, owner TEXT NOT NULL, extra BLOB NOT NULL, createdAt REAL NOT NULL)
        """,
        "CREATE INDEX runByExperiment ON run (experiment, createdAt)",
        """
        CREATE TABLE metric (
            run TEXT NOT NULL, key TEXT NOT NULL, value REAL, text TEXT NOT NULL, timestamp INTEGER NOT NULL,
            step INTEGER NOT NULL, modelId TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (run, key, timestamp, step, text)) WITHOUT ROWID
        """,
        """
        CREATE TABLE latestMetric (
            run TEXT NOT NULL, key TEXT NOT NULL, value REAL, text TEXT NOT NULL, timestamp INTEGER NOT NULL,
            step INTEGER NOT NULL, PRIMARY KEY (run, key)) WITHOUT ROWID
        """,
        "CREATE TABLE param (run TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run, key)) WITHOUT ROWID",
        "CREATE TABLE runTag (run TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run, key)) WITHOUT ROWID",
    ]
}
