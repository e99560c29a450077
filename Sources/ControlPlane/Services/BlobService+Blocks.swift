internal import ControlPlaneAPI
internal import Foundation
internal import GRDB
internal import Hummingbird

extension BlobService {
    /// Stores one block of a blob that is not committed yet.
    func putBlock(_ address: BlobAddress, id: String, body: RequestBody) async throws {
        let written = try await files.write(body)
        let old = try await store.write { t -> String? in
            let key: StatementArguments = [address.container, address.name, id]
            let old = try String.fetchOne(
                t.db,
                sql: "SELECT file FROM block WHERE container = ? AND name = ? AND blockId = ?",
                arguments: key
            )
            try t.db.execute(
                sql:
                    "INSERT OR REPLACE INTO block (container, name, blockId, file, size, createdAt) VALUES (?, ?, ?, ?, ?, ?)",
                arguments: [address.container, address.name, id, written.name, written.size, nowSeconds()]
            )
            return old
        }
        if let old { files.remove(old) }
    }

    /// Makes the blob out of its blocks, in the order of the list.
    func commitBlocks(
        _ address: BlobAddress,
        ids: [String],
        contentType: String,
        metadata: [String: String],
        condition: Condition
    ) async throws -> BlobRecord {
        let blocks = try await store.read { t in
            try Row.fetchAll(
                t.db,
                sql: "SELECT blockId, file, size FROM block WHERE container = ? AND name = ?",
                arguments: [address.container, address.name]
            ).map { row -> (id: String, file: String, size: Int) in (row["blockId"], row["file"], row["size"]) }
        }
        let byID = Dictionary(blocks.map { ($0.id, $0) }) { _, last in last }
        let wanted = try ids.map { id -> (name: String, size: Int) in
            guard let block = byID[id] else {
                throw ARMError(400, "InvalidBlockList", "Block '\(id)' of blob '\(address.name)' was never uploaded.")
            }
            return (block.file, block.size)
        }
        let joined = try await files.join(wanted)
        let record = try await commit(
            address,
            file: joined.name,
            size: joined.size,
            kind: .block,
            contentType: contentType,
            metadata: metadata,
            condition: condition
        )
        try await store.write { t in
            try t.db.execute(
                sql: "DELETE FROM block WHERE container = ? AND name = ?",
                arguments: [address.container, address.name]
            )
        }
        for block in blocks { files.remove(block.file) }
        return record
    }

    /// Ids in a `<BlockList>` document.
    static func blockIDs(_ xml: String) -> [String] {
        var ids: [String] = []
        for tag in xml.split(separator: "<").dropFirst() {
            let parts = tag.split(separator: ">", maxSplits: 1)
            guard parts.count == 2, ["Latest", "Uncommitted", "Committed"].contains(parts[0]) else { continue }
            ids.append(parts[1].trimmingCharacters(in: .whitespacesAndNewlines))
        }
        return ids
    }
}
