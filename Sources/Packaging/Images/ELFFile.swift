internal import Foundation

/// What a program or shared library says of itself: its machine, its loader and the libraries it needs.
///
/// Reads 64-bit little-endian ELF, which all machines are that this product runs on. Source: System V ABI, chapters 4 and 5.
struct ELFFile: Sendable, Hashable {
    /// `e_machine`.
    var machine: UInt16
    /// PT_INTERP; nil for libraries and for static programs.
    var interpreter: String?
    /// DT_NEEDED, in order.
    var needed: [String] = []
    var soname: String?
    /// DT_RPATH and DT_RUNPATH, split at colons, `$ORIGIN` not yet replaced.
    var rpath: [String] = []
    var runpath: [String] = []

    /// - Throws: `PackagingError` when the file is something else.
    init(_ path: String) throws {
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
        } catch {
            throw PackagingError(.badProgram, "\(path) cannot be read: \(error.localizedDescription)")
        }
        do {
            self = try Self(image: ELFImage(data: data))
        } catch let error as ELFImage.Broken {
            throw PackagingError(
                .badProgram,
                "\(path) is no program or library for 64-bit Linux: \(error.reason)",
                remedy: "name an ELF program, such as .build/release/outrigger"
            )
        }
    }

    private init(image: ELFImage) throws {
        guard image.data.count >= 64, image.data.prefix(4).elementsEqual([0x7F, 0x45, 0x4C, 0x46]) else {
            throw ELFImage.Broken("it does not start with the ELF magic")
        }
        guard try image.integer(UInt8.self, 4) == 2, try image.integer(UInt8.self, 5) == 1 else {
            throw ELFImage.Broken("it is not 64-bit little-endian")
        }
        machine = try image.integer(UInt16.self, 18)
        let headers = try Self.headers(image)
        if let header = headers.first(where: { $0.type == 3 }) {
            interpreter = try image.string(header.offset, limit: header.fileSize)
        }
        guard let dynamic = headers.first(where: { $0.type == 2 }) else { return }
        try readDynamic(image, dynamic, loads: headers.filter { $0.type == 1 })
    }

    private struct Header {
        var type: UInt32
        var offset: UInt64
        var address: UInt64
        var fileSize: UInt64
    }

    private static func headers(_ image: ELFImage) throws -> [Header] {
        let offset = try image.integer(UInt64.self, 32)
        let size = UInt64(try image.integer(UInt16.self, 54))
        let count = UInt64(try image.integer(UInt16.self, 56))
        guard size >= 56, count > 0 else { throw ELFImage.Broken("it has no program headers") }
        return try (0..<count).map { index in
            let base = try image.sum(offset, index * size)
            return Header(
                type: try image.integer(UInt32.self, base),
                offset: try image.integer(UInt64.self, try image.sum(base, 8)),
                address: try image.integer(UInt64.self, try image.sum(base, 16)),
                fileSize: try image.integer(UInt64.self, try image.sum(base, 32))
            )
        }
    }

    private mutating func readDynamic(_ image: ELFImage, _ dynamic: Header, loads: [Header]) throws {
        var entries: [(tag: UInt64, value: UInt64)] = []
        for index in 0..<(dynamic.fileSize / 16) {
            let base = try image.sum(dynamic.offset, index * 16)
            let tag = try image.integer(UInt64.self, base)
            if tag == 0 { break }
            entries.append((tag, try image.integer(UInt64.self, try image.sum(base, 8))))
        }
        guard let table = entries.first(where: { $0.tag == 5 })?.value else { return }
        guard
            let load = loads.first(where: { table >= $0.address && table - $0.address < $0.fileSize })
        else { throw ELFImage.Broken("its string table lies in no segment") }
        let strings = try image.sum(load.offset, table - load.address)
        for entry in entries {
            switch entry.tag {
            case 1: needed.append(try image.string(try image.sum(strings, entry.value)))
            case 14: soname = try image.string(try image.sum(strings, entry.value))
            case 15: rpath = Self.paths(try image.string(try image.sum(strings, entry.value)))
            case 29: runpath = Self.paths(try image.string(try image.sum(strings, entry.value)))
            default: break
            }
        }
    }

    private static func paths(_ text: String) -> [String] { text.split(separator: ":").map(String.init) }

    /// The architecture in the words of OCI; nil for one that Go has no name for.
    var architecture: (name: String, variant: String?)? {
        switch machine {
        case 62: ("amd64", nil)
        case 183: ("arm64", "v8")
        case 243: ("riscv64", nil)
        case 21: ("ppc64le", nil)
        case 258: ("loong64", nil)
        default: nil
        }
    }

    /// The folder name of Debian's multiarch for this machine.
    var multiarch: String? {
        switch machine {
        case 62: "x86_64-linux-gnu"
        case 183: "aarch64-linux-gnu"
        case 243: "riscv64-linux-gnu"
        case 21: "powerpc64le-linux-gnu"
        case 258: "loongarch64-linux-gnu"
        default: nil
        }
    }
}

/// Bytes of a file, read with bounds: the file may say anything.
private struct ELFImage {
    struct Broken: Error {
        var reason: String
        init(_ reason: String) { self.reason = reason }
    }

    let data: Data

    func sum(_ first: UInt64, _ second: UInt64) throws -> UInt64 {
        let (sum, overflow) = first.addingReportingOverflow(second)
        guard !overflow, sum <= UInt64(data.count) else { throw Broken("it is cut off") }
        return sum
    }

    func integer<T: FixedWidthInteger>(_ type: T.Type, _ offset: UInt64) throws -> T {
        let size = UInt64(MemoryLayout<T>.size)
        guard try sum(offset, size) <= UInt64(data.count) else { throw Broken("it is cut off") }
        let start = data.startIndex + Int(offset)
        return data[start..<(start + Int(size))].reversed().reduce(T(0)) { $0 << 8 | T(truncatingIfNeeded: $1) }
    }

    func string(_ offset: UInt64, limit: UInt64 = 4096) throws -> String {
        _ = try sum(offset, 0)
        let start = data.startIndex + Int(offset)
        let end = min(data.endIndex, start + Int(min(limit, 4096)))
        return String(decoding: data[start..<end].prefix { $0 != 0 }, as: UTF8.self)
    }
}
