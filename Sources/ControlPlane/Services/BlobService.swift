internal import ControlPlaneAPI
internal import Foundation
internal import GRDB
internal import Hummingbird
internal import KubeCore
internal import Logging
internal import NIOCore

/// Blobs: bytes in files, everything else in the database.
struct BlobService: Sendable {
    let store: ControlPlaneStore
    let files: BlobFiles

    /// Whether a new blob may take the place of one of the same name.
    enum Condition: Sendable { case always, onlyIfAbsent }

    func find(_ address: BlobAddress) async throws -> BlobRecord? {
        try await store.read { t in try t.blob(address.container, address.name) }
    }

    func require(_ address: BlobAddress) async throws -> BlobRecord {
        guard let blob = try await find(address) else {
            throw ARMError(
                404,
                "BlobNotFound",
                "Blob '\(address.name)' does not exist in container '\(address.container)'."
            )
        }
        return blob
    }

    @discardableResult
    func put(
        _ address: BlobAddress,
        body: RequestBody,
        contentType: String = "application/octet-stream",
        metadata: [String: String] = [:],
        condition: Condition = .always
    ) async throws -> BlobRecord {
        try checkName(address)
        if condition == .onlyIfAbsent, try await find(address) != nil { throw BlobService.exists(address) }
        let written = try await files.write(body)
        return try await commit(
            address,
            file: written.name,
            size: written.size,
            kind: .block,
            contentType: contentType,
            metadata: metadata,
            condition: condition
        )
    }

    @discardableResult
    func put(_ address: BlobAddress, bytes: ByteBuffer, kind: BlobRecord.Kind = .block) async throws -> BlobRecord {
        try checkName(address)
        let written = try await files.write(bytes)
        return try await commit(
            address,
            file: written.name,
            size: written.size,
            kind: kind,
            contentType: "application/octet-stream",
            metadata: [:],
            condition: .always
        )
    }

    func commit(
        _ address: BlobAddress,
        file: String,
        size: Int,
        kind: BlobRecord.Kind,
        contentType: String,
        metadata: [String: String],
        condition: Condition
    ) async throws -> BlobRecord {
        let now = nowSeconds()
        let record = BlobRecord(
            container: address.container,
            name: address.name,
            file: file,
            size: size,
            kind: kind,
            contentType: contentType,
            metadata: metadata,
            etag: "0x" + RandomText.hex(8),
            createdAt: now,
            updatedAt: now
        )
        do {
            try checkName(address)
            let old = try await store.write { t -> String? in
                if condition == .onlyIfAbsent, try t.blob(address.container, address.name) != nil {
                    throw BlobService.exists(address)
                }
                let old = try t.removeBlob(address.container, address.name)
                try t.put(record)
                return old
            }
            if let old { files.remove(old) }
        } catch {
            files.remove(file)
            throw error
        }
        return record
    }

    /// Adds bytes to an append blob; returns it with its new size.
    ///
    /// The file is written inside the transaction: the database's single writer keeps appends of one blob in order.
    func append(_ address: BlobAddress, _ bytes: ByteBuffer, expectedOffset: Int?) async throws -> BlobRecord {
        let files = files
        return try await store.write { t in
            guard var blob = try t.blob(address.container, address.name) else {
                throw ARMError(
                    404,
                    "BlobNotFound",
                    "Append blob '\(address.name)' does not exist; create it with PUT first."
                )
            }
            guard blob.kind == .append else {
                throw ARMError(
                    409,
                    "InvalidBlobType",
                    "Blob '\(address.name)' is a block blob; it takes no appended blocks."
                )
            }
            if let expectedOffset, expectedOffset != blob.size {
                throw ARMError(
                    412,
                    "AppendPositionConditionNotMet",
                    "Blob '\(address.name)' is \(blob.size) bytes long, not \(expectedOffset)."
                )
            }
            try files.append(bytes, to: blob.file, at: blob.size)
            blob.size += bytes.readableBytes
            blob.updatedAt = nowSeconds()
            blob.etag = "0x" + RandomText.hex(8)
            try t.put(blob)
            return blob
        }
    }

    func setMetadata(_ address: BlobAddress, _ metadata: [String: String]) async throws -> BlobRecord {
        try await store.write { t in
            guard var blob = try t.blob(address.container, address.name) else {
                throw ARMError(404, "BlobNotFound", "Blob '\(address.name)' does not exist.")
            }
            blob.metadata = metadata
            blob.updatedAt = nowSeconds()
            try t.put(blob)
            return blob
        }
    }

    func delete(_ address: BlobAddress) async throws -> Bool {
        let file = try await store.write { t in try t.removeBlob(address.container, address.name) }
        if let file { files.remove(file) }
        return file != nil
    }

    /// Removes everything below a folder.
    func deleteAll(below folder: BlobAddress) async throws {
        while true {
            let removed = try await store.write { t -> [String] in
                try t.blobs(folder.container, prefix: folder.name, limit: 500).compactMap {
                    try t.removeBlob($0.container, $0.name)
                }
            }
            for file in removed { files.remove(file) }
            if removed.isEmpty { return }
        }
    }

    /// All bytes of a small blob.
    func bytes(_ address: BlobAddress, limit: Int = 16 << 20) async throws -> ByteBuffer {
        let blob = try await require(address)
        guard blob.size <= limit else {
            throw ARMError(413, "BlobTooLarge", "Blob '\(address.name)' is longer than \(limit) bytes.")
        }
        return try await files.chunk(blob.file, offset: 0, count: blob.size)
    }

    /// Removes what a crash left behind.
    func sweep(logger: Logger) async throws {
        // Blocks that nobody committed within a week are given up.
        let old = nowSeconds() - 7 * 86400
        let used = try await store.write { t in
            try t.db.execute(sql: "DELETE FROM block WHERE createdAt < ?", arguments: [old])
            return try t.blobFiles()
        }
        let removed = try files.sweep(keeping: used)
        if removed > 0 { logger.info("removed unused blob files", metadata: ["files": "\(removed)"]) }
    }

    private func checkName(_ address: BlobAddress) throws {
        guard !address.name.isEmpty, address.name.utf8.count <= 1024 else {
            throw ARMError(
                400,
                "InvalidResourceName",
                "A blob name has 1 to 1024 bytes; this one has \(address.name.utf8.count)."
            )
        }
        // Whoever downloads a folder makes paths of the names.
        let segments = address.name.utf8.split(separator: UInt8(ascii: "/"))
        guard !segments.contains(where: { $0.elementsEqual("..".utf8) || $0.elementsEqual(".".utf8) || $0.contains(0) })
        else {
            throw ARMError(
                400,
                "InvalidResourceName",
                "Blob name '\(address.name)' has a segment '.' or '..' or a zero byte; name blobs without them."
            )
        }
    }

    static func exists(_ address: BlobAddress) -> ARMError {
        ARMError(409, "BlobAlreadyExists", "Blob '\(address.name)' already exists in container '\(address.container)'.")
    }
}
