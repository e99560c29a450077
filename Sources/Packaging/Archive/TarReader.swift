internal import Foundation

/// Reads a tar archive: ustar, pax records and the long names of GNU.
///
/// Names are as the archive says them; whoever unpacks asks `TarEntry.isSafe`.
final class TarReader {
    private let input: InputFile
    private var next: UInt64 = 0
    /// Where the content of the last entry starts.
    private(set) var contentOffset: UInt64 = 0

    /// What is read into memory whole: names and pax records.
    private static let maximumRecord: UInt64 = 1 << 20

    init(_ path: String) throws { input = try InputFile(path) }

    func close() { input.close() }

    /// The next member; nil at the end.
    ///
    /// What is neither file, folder nor symbolic link is passed over.
    func nextEntry() throws -> TarEntry? {
        var records: [String: String] = [:]
        while true {
            guard next < input.size else { return nil }
            try input.seek(to: next)
            let block = [UInt8](try input.read(exactly: 512))
            if block.allSatisfy({ $0 == 0 }) { return nil }
            try check(block)
            contentOffset = next + 512
            let size = try records["size"].map(number) ?? field(block, 124, 12)
            guard size <= input.size - contentOffset else { throw broken("a member is longer than the archive") }
            next = contentOffset + (size + 511) / 512 * 512
            switch block[156] {
            case UInt8(ascii: "x"):
                records.merge(try paxRecords(try content(size))) { $1 }
            case UInt8(ascii: "g"):
                continue
            case UInt8(ascii: "L"):
                records["path"] = Self.text(try content(size)[...])
            case UInt8(ascii: "K"):
                records["linkpath"] = Self.text(try content(size)[...])
            default:
                let kind = block[156]
                defer { records = [:] }
                if let entry = try entry(block, kind, size, records) { return entry }
            }
        }
    }

    /// The content of the last entry.
    func content(of entry: TarEntry, limit: UInt64) throws -> Data {
        guard entry.size <= limit else {
            throw PackagingError(
                .tooLarge,
                "\(entry.name) in \(input.path) has \(entry.size) bytes, more than \(limit)"
            )
        }
        try input.seek(to: contentOffset)
        return try input.read(exactly: Int(entry.size))
    }

    /// Copies the content of the last entry into a new file; its SHA-256.
    func copyContent(of entry: TarEntry, to path: String, mode: Int = 0o644) throws -> String {
        try input.seek(to: contentOffset)
        let output = try OutputFile(path, mode: mode)
        var left = entry.size
        while left > 0 {
            let piece = try input.read(exactly: Int(min(left, 1 << 20)))
            try output.write(piece)
            left -= UInt64(piece.count)
        }
        return try output.finish()
    }

    private func entry(_ block: [UInt8], _ type: UInt8, _ size: UInt64, _ records: [String: String]) throws -> TarEntry?
    {
        var name = records["path"] ?? Self.name(block)
        while name.hasPrefix("./") { name.removeFirst(2) }
        while name.hasSuffix("/") { name.removeLast() }
        if name == "." || name.isEmpty { return nil }
        var entry = TarEntry(
            name: name,
            mode: Int(try field(block, 100, 8) & 0o7777),
            user: Int(try field(block, 108, 8)),
            group: Int(try field(block, 116, 8)),
            size: size,
            modified: Int64(clamping: try field(block, 136, 12))
        )
        switch type {
        case 0, UInt8(ascii: "0"): return entry
        case UInt8(ascii: "5"):
            entry.kind = .directory
            entry.size = 0
            return entry
        case UInt8(ascii: "2"):
            entry.kind = .symbolicLink(target: records["linkpath"] ?? Self.text(block[157..<257]))
            entry.size = 0
            return entry
        default: return nil
        }
    }

    private func content(_ size: UInt64) throws -> [UInt8] {
        guard size <= Self.maximumRecord else { throw broken("a header record has \(size) bytes") }
        return [UInt8](try input.read(exactly: Int(size)))
    }

    private func check(_ block: [UInt8]) throws {
        var sum: UInt64 = 0
        for (index, byte) in block.enumerated() { sum += (148..<156).contains(index) ? 32 : UInt64(byte) }
        guard try field(block, 148, 8) == sum else { throw broken("a header has a wrong sum") }
    }

    private func paxRecords(_ bytes: [UInt8]) throws -> [String: String] {
        var records: [String: String] = [:]
        var rest = bytes[...]
        while let space = rest.firstIndex(of: UInt8(ascii: " ")) {
            let digits = String(decoding: rest[rest.startIndex..<space], as: UTF8.self)
            guard let length = Int(digits), length > digits.utf8.count + 1, length <= rest.count else {
                throw broken("a pax record has the length '\(digits)'")
            }
            let end = rest.startIndex + length
            let record = rest[(space + 1)..<(end - 1)]
            guard let equals = record.firstIndex(of: UInt8(ascii: "=")) else { throw broken("a pax record has no '='") }
            let key = String(decoding: record[..<equals], as: UTF8.self)
            records[key] = String(decoding: record[(equals + 1)...], as: UTF8.self)
            rest = rest[end...]
        }
        return records
    }

    private static func name(_ block: [UInt8]) -> String {
        let name = text(block[0..<100])
        guard block[257..<262].elementsEqual("ustar".utf8), block[262] == 0 else { return name }
        let prefix = text(block[345..<500])
        return prefix.isEmpty ? name : prefix + "/" + name
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    private func number(_ text: String) throws -> UInt64 {
        guard let value = UInt64(text) else { throw broken("a pax size is '\(text)'") }
        return value
    }

    /// A number in octal digits, or in the binary form of GNU.
    private func field(_ block: [UInt8], _ offset: Int, _ count: Int) throws -> UInt64 {
        let bytes = block[offset..<(offset + count)]
        if let first = bytes.first, first & 0x80 != 0 {
            let value = bytes.dropFirst()
            guard value.dropLast(8).allSatisfy({ $0 == 0 }), first == 0x80 else {
                throw broken("a number is too large")
            }
            return value.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
        }
        let digits = Self.text(bytes).filter { $0 != " " }
        if digits.isEmpty { return 0 }
        guard let value = UInt64(digits, radix: 8) else { throw broken("a number is '\(digits)'") }
        return value
    }

    private func broken(_ reason: String) -> PackagingError {
        PackagingError(.badArchive, "\(input.path) is no tar archive that can be read: \(reason)")
    }
}
