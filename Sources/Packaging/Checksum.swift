internal import Crypto
internal import Foundation

/// SHA-256 sums in their text forms.
enum Checksum {
    /// 64 lower-case hexadecimal digits.
    static func hexadecimal(_ bytes: some DataProtocol) -> String { text(SHA256.hash(data: bytes)) }

    /// `sha256:` and the digits, as OCI writes it.
    static func digest(_ bytes: some DataProtocol) -> String { "sha256:" + hexadecimal(bytes) }

    /// The sum of a file, read in pieces.
    static func file(_ path: String) throws -> String {
        let file = try InputFile(path)
        defer { file.close() }
        var hash = SHA256()
        while let piece = try file.read(upTo: 1 << 20) { hash.update(data: piece) }
        return text(hash.finalize())
    }

    /// The sum of a part of a file.
    static func range(_ file: InputFile, offset: UInt64, count: Int) throws -> String {
        try file.seek(to: offset)
        var hash = SHA256()
        var left = count
        while left > 0 {
            let piece = try file.read(exactly: min(left, 1 << 20))
            hash.update(data: piece)
            left -= piece.count
        }
        return text(hash.finalize())
    }

    static func isValid(_ sum: String) -> Bool {
        sum.utf8.count == 64
            && sum.utf8.allSatisfy { byte in
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
            }
    }

    static func text(_ hash: SHA256.Digest) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(64)
        for byte in hash { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }
}
