internal import ControlPlaneAPI
internal import GRDB
internal import KubeCore

/// One run as run history and MLflow see it; a job's run has the job's name.
struct RunRecord: Sendable {
    var id: String
    /// Lower-case id of the workspace.
    var workspace: String
    var experiment: Int
    var name: String
    /// MLflow's word.
    var status: String
    /// Milliseconds since 1970.
    var startTime: Int?
    var endTime: Int?
    /// `active` or `deleted`.
    var lifecycle: String
    var userId: String
    /// Name of the job whose token may write here; empty for runs of users.
    var owner: String
    /// Inputs, outputs and run-history fields that have no column.
    var extra: JSON
    var createdAt: Double
}

/// One logged value.
///
/// `text` keeps the exact number, also NaN and infinities.
struct MetricRecord: Sendable, Hashable {
    var key: String
    var text: String
    var timestamp: Int
    var step: Int

    var value: Double? { Double(text) }
}

/// One experiment.
struct ExperimentRecord: Sendable {
    var id: Int
    var name: String
    var lifecycle: String
    var createdAt: Int
    var updatedAt: Int
}

extension Transaction {
    func experiment(_ workspace: String, id: Int) throws -> ExperimentRecord? {
        try Row.fetchOne(
            db,
            sql: "SELECT * FROM experiment WHERE workspace = ? AND id = ?",
            arguments: [workspace, id]
        )
        .map(Transaction.experiment)
    }

    func experiment(_ workspace: String, name: String) throws -> ExperimentRecord? {
        try Row.fetchOne(
            db,
            sql: "SELECT * FROM experiment WHERE workspace = ? AND name = ?",
            arguments: [workspace, name]
        ).map(Transaction.experiment)
    }

    func experiments(_ workspace: String) throws -> [ExperimentRecord] {
        try Row.fetchAll(
            db,
            sql: "SELECT * FROM experiment WHERE workspace = ? ORDER BY id DESC",
            arguments: [workspace]
        )
        .map(Transaction.experiment)
    }

    func createExperiment(_ workspace: String, name: String) throws -> ExperimentRecord {
        let now = Int(nowSeconds() * 1000)
        try db.execute(
            sql:
                "INSERT INTO experiment (workspace, name, lifecycle, createdAt, updatedAt) VALUES (?, ?, 'active', ?, ?)",
            arguments: [workspace, name, now, now]
        )
        return ExperimentRecord(
            id: Int(db.lastInsertedRowID),
            name: name,
            lifecycle: "active",
            createdAt: now,
            updatedAt: now
        )
    }

    /// The experiment of this name, made when it is missing.
    func ensureExperiment(_ workspace: String, name: String) throws -> ExperimentRecord {
        try experiment(workspace, name: name) ?? createExperiment(workspace, name: name)
    }

    func update(_ experiment: ExperimentRecord) throws {
        try db.execute(
            sql: "UPDATE experiment SET name = ?, lifecycle = ?, updatedAt = ? WHERE id = ?",
            arguments: [experiment.name, experiment.lifecycle, Int(nowSeconds() * 1000), experiment.id]
        )
    }

    func run(_ id: String) throws -> RunRecord? {
        try Row.fetchOne(db, sql: "SELECT * FROM run WHERE id = ?", arguments: [id]).map(Transaction.run)
    }

    func runs(experiment: Int) throws -> [RunRecord] {
        try Row.fetchAll(
            db,
            sql: "SELECT * FROM run WHERE experiment = ? ORDER BY createdAt DESC, id",
            arguments: [experiment]
        )
        .map(Transaction.run)
    }

    func insert(_ run: RunRecord) throws {
        try db.execute(
            sql: """
                INSERT INTO run (id, workspace, experiment, name, status, startTime, endTime, lifecycle, userId, owner,
                    extra, createdAt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                run.id, run.workspace, run.experiment, run.name, run.status, run.startTime, run.endTime, run.lifecycle,
                run.userId, run.owner, run.extra.text, run.createdAt,
            ]
        )
    }

    func update(_ run: RunRecord) throws {
        try db.execute(
            sql: """
                UPDATE run SET name = ?, status = ?, startTime = ?, endTime = ?, lifecycle = ?, extra = ?, experiment = ?
                WHERE id = ?
                """,
            arguments: [
                run.name, run.status, run.startTime, run.endTime, run.lifecycle, run.extra.text, run.experiment, run.id,
            ]
        )
    }

    /// Removes a run with everything logged to it.
    func removeRun(_ id: String) throws {
        for table in ["metric", "latestMetric", "param", "runTag"] {
            try db.execute(sql: "DELETE FROM \(table) WHERE run = ?", arguments: [id])
        }
        try db.execute(sql: "DELETE FROM run WHERE id = ?", arguments: [id])
    }

    func log(_ run: String, _ metric: MetricRecord) throws {
        try db.execute(
            sql: "INSERT OR IGNORE INTO metric (run, key, value, text, timestamp, step) VALUES (?, ?, ?, ?, ?, ?)",
            arguments: [run, metric.key, finite(metric), metric.text, metric.timestamp, metric.step]
        )
        // The latest value is the one of the highest step, then time, then size.
        try db.execute(
            sql: """
                INSERT INTO latestMetric (run, key, value, text, timestamp, step) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (run, key) DO UPDATE SET value = excluded.value, text = excluded.text,
                    timestamp = excluded.timestamp, step = excluded.step
                WHERE (excluded.step, excluded.timestamp) >= (step, timestamp)
                """,
            arguments: [run, metric.key, finite(metric), metric.text, metric.timestamp, metric.step]
        )
    }

    private func finite(_ metric: MetricRecord) -> Double? { metric.value.flatMap { $0.isFinite ? $0 : nil } }

    func history(_ run: String, key: String, limit: Int, offset: Int) throws -> [MetricRecord] {
        try Row.fetchAll(
            db,
            sql: "SELECT * FROM metric WHERE run = ? AND key = ? ORDER BY step, timestamp, text LIMIT ? OFFSET ?",
            arguments: [run, key, limit, offset]
        ).map(Transaction.metric)
    }

    func latestMetrics(_ run: String) throws -> [MetricRecord] {
        try Row.fetchAll(db, sql: "SELECT * FROM latestMetric WHERE run = ? ORDER BY key", arguments: [run])
            .map(Transaction.metric)
    }

    func params(_ run: String) throws -> [(key: String, value: String)] { try pairs("param", run) }

    func tags(_ run: String) throws -> [(key: String, value: String)] { try pairs("runTag", run) }

    private func pairs(_ table: String, _ run: String) throws -> [(key: String, value: String)] {
        try Row.fetchAll(db, sql: "SELECT key, value FROM \(table) WHERE run = ? ORDER BY key", arguments: [run])
            .map { row in (row["key"], row["value"]) }
    }

    /// A parameter is written once; the same value again is no error.
    func logParam(_ run: String, key: String, value: String) throws {
        let old = try String.fetchOne(
            db,
            sql: "SELECT value FROM param WHERE run = ? AND key = ?",
            arguments: [run, key]
        )
        if let old, old != value {
            throw ARMError.invalid(
                key,
                "Changing param values is not allowed. Param with key='\(key)' was already logged with value='\(old)' for run ID='\(run)'. Attempted logging new value '\(value)'."
            )
        }
        if old == nil {
            try db.execute(sql: "INSERT INTO param (run, key, value) VALUES (?, ?, ?)", arguments: [run, key, value])
        }
    }

    func setTag(_ run: String, key: String, value: String) throws {
        try db.execute(
            sql:
                "INSERT INTO runTag (run, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            arguments: [run, key, value]
        )
    }

    func removeTag(_ run: String, key: String) throws {
        try db.execute(sql: "DELETE FROM runTag WHERE run = ? AND key = ?", arguments: [run, key])
    }

    func experimentTags(_ experiment: Int) throws -> [(key: String, value: String)] {
        try Row.fetchAll(
            db,
            sql: "SELECT key, value FROM experimentTag WHERE experiment = ? ORDER BY key",
            arguments: [experiment]
        ).map { row in (row["key"], row["value"]) }
    }

    func setExperimentTag(_ experiment: Int, key: String, value: String?) throws {
        try db.execute(sql: "DELETE FROM experimentTag WHERE experiment = ? AND key = ?", arguments: [experiment, key])
        if let value {
            try db.execute(
                sql: "INSERT INTO experimentTag (experiment, key, value) VALUES (?, ?, ?)",
                arguments: [experiment, key, value]
            )
        }
    }

    private static func experiment(_ row: Row) -> ExperimentRecord {
        ExperimentRecord(
            id: row["id"],
            name: row["name"],
            lifecycle: row["lifecycle"],
            createdAt: row["createdAt"],
            updatedAt: row["updatedAt"]
        )
    }

    private static func metric(_ row: Row) -> MetricRecord {
        MetricRecord(key: row["key"], text: row["text"], timestamp: row["timestamp"], step: row["step"])
    }

    private static func run(_ row: Row) -> RunRecord {
        RunRecord(
            id: row["id"],
            workspace: row["workspace"],
            experiment: row["experiment"],
            name: row["name"],
            status: row["status"],
            startTime: row["startTime"],
            endTime: row["endTime"],
            lifecycle: row["lifecycle"],
            userId: row["userId"],
            owner: row["owner"],
            extra: parsed(row["extra"]),
            createdAt: row["createdAt"]
        )
    }
}
