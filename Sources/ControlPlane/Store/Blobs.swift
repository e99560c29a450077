internal import GRDB
internal import KubeCore

/// One stored blob; its bytes are in a file of a random name.
struct BlobRecord: Sendable {
    enum Kind: String, Sendable {
        case block = "BlockBlob"
        case append = "AppendBlob"
    }

    var container: String
    var name: String
    /// Name of the file below `blobs/`.
    var file: String
    /// Bytes that count; an append blob's file may be longer after a crash.
    var size: Int
    var kind: Kind
    var contentType: String
    var metadata: [String: String]
    var etag: String
    var createdAt: Double
    var updatedAt: Double
}

extension Transaction {
    func blob(_ container: String, _ name: String) throws -> BlobRecord? {
        try Row.fetchOne(
            db,
            sql: "SELECT * FROM blob WHERE container = ? AND name = ?",
            arguments: [container, name]
        ).map(Transaction.blob)
    }

    func put(_ blob: BlobRecord) throws {
        try db.execute(
            sql: """
                INSERT OR REPLACE INTO blob
                    (container, name, file, size, kind, contentType, metadata, etag, createdAt, updatedAt)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                blob.container, blob.name, blob.file, blob.size, blob.kind.rawValue, blob.contentType,
                JSON(blob.metadata).text, blob.etag, blob.createdAt, blob.updatedAt,
            ]
        )
    }

    /// The file that the blob used, to be removed after the commit.
    func removeBlob(_ container: String, _ name: String) throws -> String? {
        guard let blob = try blob(container, name) else { return nil }
        try db.execute(sql: "DELETE FROM blob WHERE container = ? AND name = ?", arguments: [container, name])
        return blob.file
    }

    /// Blobs whose names start with `prefix` and come after `marker`, in the order of their bytes.
    func blobs(
        _ container: String,
        prefix: String,
        after marker: String? = nil,
        limit: Int = 5000
    ) throws -> [BlobRecord] {
        let end = prefix + "\u{10FFFF}"
        return try Row.fetchAll(
            db,
            sql: """
                SELECT * FROM blob WHERE container = ? AND name >= ? AND name < ? AND name > ? ORDER BY name LIMIT ?
                """,
            arguments: [container, prefix, end, marker ?? "", limit]
        ).map(Transaction.blob)
    }

    func hasBlobs(_ container: String, prefix: String) throws -> Bool {
        try !blobs(container, prefix: prefix, limit: 1).isEmpty
    }

    /// Names of all files in use.
    func blobFiles() throws -> Set<String> {
        Set(try String.fetchAll(db, sql: "SELECT file FROM blob UNION ALL SELECT file FROM block"))
    }

    func grant(_ subject: String, container: String, prefix: String, canWrite: Bool) throws {
        try db.execute(
            sql: """
                INSERT INTO blobGrant (subject, container, prefix, canWrite) VALUES (?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET canWrite = max(canWrite, excluded.canWrite)
                """,
            arguments: [subject, container, prefix, canWrite]
        )
    }

    func revoke(_ subject: String) throws {
        try db.execute(sql: "DELETE FROM blobGrant WHERE subject = ?", arguments: [subject])
    }

    /// Whether a workload may read or write a blob.
    ///
    /// A granted prefix without a final slash is one blob, or the folder of
    /// that name.
    func isGranted(_ subject: String, container: String, blob: String, write: Bool) throws -> Bool {
        let rows = try Row.fetchAll(
            db,
            sql: "SELECT prefix, canWrite FROM blobGrant WHERE subject = ? AND container = ?",
            arguments: [subject, container]
        )
        return rows.contains { row in
            let prefix: String = row["prefix"]
            let canWrite: Bool = row["canWrite"]
            let fits =
                prefix.isEmpty || blob == prefix || blob + "/" == prefix
                || blob.hasPrefix(prefix.hasSuffix("/") ? prefix : prefix + "/")
            return fits && (canWrite || !write)
        }
    }

    private static func blob(_ row: Row) -> BlobRecord {
        let kind: String = row["kind"]
        return BlobRecord(
            container: row["container"],
            name: row["name"],
            file: row["file"],
            size: row["size"],
            kind: BlobRecord.Kind(rawValue: kind) ?? .block,
            contentType: row["contentType"],
            metadata: parsed(row["metadata"]).stringMap ?? [:],
            etag: row["etag"],
            createdAt: row["createdAt"],
            updatedAt: row["updatedAt"]
        )
    }
}
