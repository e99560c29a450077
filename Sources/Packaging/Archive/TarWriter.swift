internal import Foundation

/// Writes a tar archive (POSIX ustar, with pax records for what does not fit its fields).
///
/// The same members give the same bytes: no names of users, no time but that of the entry.
final class TarWriter {
    private let output: OutputFile

    init(_ path: String) throws { output = try OutputFile(path) }

    /// Bytes written so far.
    var size: UInt64 { output.size }

    func add(_ entry: TarEntry, content: some DataProtocol) throws {
        var entry = entry
        entry.size = UInt64(content.count)
        try header(entry)
        try output.write(Data(content))
        try pad(entry.size)
    }

    func add(_ entry: TarEntry) throws { try add(entry, content: Data()) }

    /// Adds a file from disk in pieces.
    func add(_ entry: TarEntry, file path: String) throws {
        let input = try InputFile(path)
        defer { input.close() }
        var entry = entry
        entry.size = input.size
        try header(entry)
        var left = entry.size
        while left > 0, let piece = try input.read(upTo: Int(min(left, 1 << 20))) {
            try output.write(piece)
            left -= UInt64(piece.count)
        }
        guard left == 0 else { throw PackagingError(.fileFailed, "\(path) became shorter while it was read") }
        try pad(entry.size)
    }

    /// Ends the archive; 64 hexadecimal digits of its SHA-256.
    func finish() throws -> String {
        try output.write(Data(count: 1024))
        return try output.finish()
    }

    private func header(_ entry: TarEntry) throws {
        var records: [(key: String, value: String)] = []
        let name = entry.kind == .directory ? entry.name + "/" : entry.name
        let split = Self.split(name)
        if split == nil { records.append(("path", name)) }
        var target = ""
        if case .symbolicLink(let path) = entry.kind { target = path }
        if target.utf8.count > 100 { records.append(("linkpath", target)) }
        if entry.size > Self.maximumOctal { records.append(("size", String(entry.size))) }
        if !records.isEmpty {
            let body = Data(records.map { Self.record($0.key, $0.value) }.joined().utf8)
            try output.write(
                Self.block(
                    name: ("PaxHeaders/" + (name.split(separator: "/").last ?? "entry")).prefix(bytes: 90),
                    prefix: "",
                    type: "x",
                    entry: TarEntry(name: "", size: UInt64(body.count), modified: entry.modified),
                    target: ""
                )
            )
            try output.write(body)
            try pad(UInt64(body.count))
        }
        let type: Character =
            switch entry.kind {
            case .file: "0"
            case .directory: "5"
            case .symbolicLink: "2"
            }
        try output.write(
            Self.block(
                name: split?.name ?? name.prefix(bytes: 100),
                prefix: split?.prefix ?? "",
                type: type,
                entry: entry,
                target: target.prefix(bytes: 100)
            )
        )
    }

    private func pad(_ size: UInt64) throws {
        let rest = Int(size % 512)
        if rest > 0 { try output.write(Data(count: 512 - rest)) }
    }

    /// What eleven octal digits hold.
    private static let maximumOctal: UInt64 = 0o777_7777_7777

    /// The name cut at a slash so that both parts fit; nil when there is no such slash.
    private static func split(_ name: String) -> (prefix: String, name: String)? {
        let bytes = Array(name.utf8)
        if bytes.count <= 100 { return ("", name) }
        for index in bytes.indices.reversed() where bytes[index] == UInt8(ascii: "/") {
            let rest = bytes.count - index - 1
            guard rest > 0, rest <= 100, index <= 155, index > 0 else { continue }
            return (
                String(decoding: bytes[..<index], as: UTF8.self), String(decoding: bytes[(index + 1)...], as: UTF8.self)
            )
        }
        return nil
    }

    /// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
    private static func record(_ key: String, _ value: String) -> String {
        let rest = " \(key)=\(value)\n"
        var length = rest.utf8.count + 1
        while String(length).utf8.count + rest.utf8.count != length {
            length = String(length).utf8.count + rest.utf8.count
        }
        return "\(length)\(rest)"
    }

    private static func block(name: String, prefix: String, type: Character, entry: TarEntry, target: String) -> Data {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { block[offset + index] = byte }
        }
        func octal(_ value: UInt64, digits: Int, at offset: Int) {
            let text = String(min(value, maximumOctal), radix: 8)
            put(String(repeating: "0", count: max(0, digits - text.utf8.count)) + text, at: offset)
        }
        put(name, at: 0)
        octal(UInt64(entry.mode), digits: 7, at: 100)
        octal(UInt64(entry.user), digits: 7, at: 108)
        octal(UInt64(entry.group), digits: 7, at: 116)
        octal(entry.kind == .file ? entry.size : 0, digits: 11, at: 124)
        octal(UInt64(max(0, entry.modified)), digits: 11, at: 136)
        put("        ", at: 148)
        put(String(type), at: 156)
        put(target, at: 157)
        put("ustar", at: 257)
        put("00", at: 263)
        put(prefix, at: 345)
        let sum = block.reduce(UInt64(0)) { $0 + UInt64($1) }
        octal(sum, digits: 6, at: 148)
        block[154] = 0
        block[155] = UInt8(ascii: " ")
        return Data(block)
    }
}

extension String {
    /// As many whole characters as fit `count` bytes.
    func prefix(bytes count: Int) -> String {
        var text = self
        while text.utf8.count > count { text.removeLast() }
        return text
    }
}
