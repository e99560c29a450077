internal import Crypto
internal import Foundation
internal import Synchronization

/// Seals texts that must not be readable in the database (AES-256-GCM).
///
/// The key is in a file of its own, so that a copy of the database alone gives nothing away.
final class SecretBox: Sendable {
    /// A sealed text that this key and purpose do not open.
    struct Unreadable: Error, CustomStringConvertible {
        var file: String
        var description: String { "the stored secret does not open with the key in \(file)" }
    }

    private let path: String
    private let key = Mutex<SymmetricKey?>(nil)

    /// `path` is made with a new key when the first text is sealed.
    init(path: String) { self.path = path }

    /// `purpose` is bound into the result: it opens only with the same one.
    func seal(_ text: String, purpose: String) throws -> String {
        let box = try AES.GCM.seal(Data(text.utf8), using: try load(), authenticating: Data(purpose.utf8))
        guard let combined = box.combined else { throw Unreadable(file: path) }
        return combined.base64EncodedString()
    }

    /// - Throws: `Unreadable`, or an error of the file system.
    func open(_ sealed: String, purpose: String) throws -> String {
        guard let data = Data(base64Encoded: sealed), FileManager.default.fileExists(atPath: path) else {
            throw Unreadable(file: path)
        }
        let key = try load()
        do {
            let box = try AES.GCM.SealedBox(combined: data)
            return String(
                decoding: try AES.GCM.open(box, using: key, authenticating: Data(purpose.utf8)),
                as: UTF8.self
            )
        } catch {
            throw Unreadable(file: path)
        }
    }

    private func load() throws -> SymmetricKey {
        try key.withLock { known in
            if let known { return known }
            let key = FileManager.default.fileExists(atPath: path) ? try read() : try make()
            known = key
            return key
        }
    }

    private func read() throws -> SymmetricKey {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        guard let data = Data(base64Encoded: text.trimmingCharacters(in: .whitespacesAndNewlines)), data.count == 32
        else { throw Unreadable(file: path) }
        return SymmetricKey(data: data)
    }

    private func make() throws -> SymmetricKey {
        let key = SymmetricKey(size: .bits256)
        let text = key.withUnsafeBytes { Data($0) }.base64EncodedString() + "\n"
        let files = FileManager.default
        try files.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
        // A file that is only half there after a crash would lose every secret sealed with it; so it is written aside,
        // brought to the disk, and then given its name.
        let aside = path + ".new"
        if files.fileExists(atPath: aside) { try files.removeItem(atPath: aside) }
        guard files.createFile(atPath: aside, contents: nil, attributes: [.posixPermissions: 0o600]) else {
            throw CocoaError(.fileWriteNoPermission, userInfo: [NSFilePathErrorKey: aside])
        }
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: aside))
        defer { try? handle.close() }
        try handle.write(contentsOf: Data(text.utf8))
        try handle.synchronize()
        try files.moveItem(atPath: aside, toPath: path)
        return key
    }
}
