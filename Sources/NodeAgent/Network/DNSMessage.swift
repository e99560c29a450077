/// A domain name, lower-cased, without the root's dot: `["www", "example", "com"]`.
struct DNSName: Hashable, CustomStringConvertible {
    var labels: [String]

    init(_ labels: [String]) { self.labels = labels }
    init(_ text: String) { labels = text.lowercased().split(separator: ".").map(String.init) }

    var description: String { labels.joined(separator: ".") }

    /// The labels before `suffix`; nil when the name does not end with it.
    func prefix(before suffix: DNSName) -> [String]? {
        guard labels.count >= suffix.labels.count, Array(labels.suffix(suffix.labels.count)) == suffix.labels else {
            return nil
        }
        return Array(labels.dropLast(suffix.labels.count))
    }
}

/// Record types that are answered here; others pass through by number.
struct DNSType: RawRepresentable, Hashable {
    var rawValue: UInt16

    static let a = DNSType(rawValue: 1)
    static let ns = DNSType(rawValue: 2)
    static let cname = DNSType(rawValue: 5)
    static let soa = DNSType(rawValue: 6)
    static let ptr = DNSType(rawValue: 12)
    static let aaaa = DNSType(rawValue: 28)
    static let srv = DNSType(rawValue: 33)
    static let opt = DNSType(rawValue: 41)
    static let any = DNSType(rawValue: 255)
}

enum DNSCode: UInt8 {
    case noError = 0
    case formatError = 1
    case serverFailure = 2
    case nameError = 3
    case notImplemented = 4
    case refused = 5
}

struct DNSRecord: Hashable {
    enum Content: Hashable {
        case a(IPv4Address)
        case cname(DNSName)
        case ptr(DNSName)
        case srv(priority: UInt16, weight: UInt16, port: UInt16, target: DNSName)
        case soa(primary: DNSName, mailbox: DNSName, serial: UInt32, minimum: UInt32)
        /// A type without names in its data, passed through.
        case raw(DNSType, [UInt8])

        var type: DNSType {
            switch self {
            case .a: .a
            case .cname: .cname
            case .ptr: .ptr
            case .srv: .srv
            case .soa: .soa
            case .raw(let type, _): type
            }
        }
    }

    var name: DNSName
    var ttl: UInt32
    var content: Content
}

/// The question of a query, and what the asker can take.
struct DNSQuery: Equatable {
    var id: UInt16
    var wantsRecursion: Bool
    var name: DNSName
    var type: DNSType
    /// 1 = Internet.
    var questionClass: UInt16
    /// Largest answer over UDP: 512, or what the EDNS record says.
    var udpSize: Int
    var hasEDNS: Bool
    /// The question's bytes as they were sent, for an answer with the same spelling.
    var question: [UInt8]

    enum Fault: Error, Equatable {
        /// Not worth an answer: too short, or an answer itself.
        case ignored
        case answer(id: UInt16, DNSCode)
    }

    init(_ bytes: [UInt8]) throws(Fault) {
        guard bytes.count >= 12 else { throw .ignored }
        let flags = bytes[2]
        guard flags & 0x80 == 0 else { throw .ignored }
        let id = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        guard (flags >> 3) & 0xf == 0 else { throw .answer(id: id, .notImplemented) }
        var reader = DNSReader(bytes: bytes, offset: 12)
        guard bytes[4] == 0, bytes[5] == 1, let name = reader.name(), let type = reader.integer(),
            let questionClass = reader.integer()
        else { throw .answer(id: id, .formatError) }
        self.id = id
        wantsRecursion = flags & 1 != 0
        self.name = name
        self.type = DNSType(rawValue: type)
        self.questionClass = questionClass
        question = Array(bytes[12..<reader.offset])
        udpSize = 512
        hasEDNS = false
        let others = Int(bytes[6]) << 8 | Int(bytes[7])
        let authorities = Int(bytes[8]) << 8 | Int(bytes[9])
        let additional = Int(bytes[10]) << 8 | Int(bytes[11])
        for _ in 0..<min(others + authorities + additional, 16) {
            guard reader.name() != nil, let type = reader.integer(), let size = reader.integer(),
                reader.skip(4), let length = reader.integer(), reader.skip(Int(length))
            else { break }
            if type == DNSType.opt.rawValue {
                hasEDNS = true
                udpSize = min(max(Int(size), 512), 4096)
            }
        }
    }
}

/// Reads the parts of a message; every function returns nil past the end.
struct DNSReader {
    let bytes: [UInt8]
    var offset: Int

    mutating func integer() -> UInt16? {
        guard offset + 2 <= bytes.count else { return nil }
        defer { offset += 2 }
        return UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
    }

    mutating func integer32() -> UInt32? {
        guard let high = integer(), let low = integer() else { return nil }
        return UInt32(high) << 16 | UInt32(low)
    }

    mutating func skip(_ count: Int) -> Bool {
        guard offset + count <= bytes.count else { return false }
        offset += count
        return true
    }

    /// A name, with compression pointers followed; nil when it is malformed or longer than 255 bytes.
    mutating func name() -> DNSName? {
        var labels: [String] = []
        var position = offset
        var end: Int?
        var length = 0
        for _ in 0..<128 {
            guard position < bytes.count else { return nil }
            let count = Int(bytes[position])
            if count == 0 {
                offset = end ?? position + 1
                return DNSName(labels)
            }
            if count & 0xc0 == 0xc0 {
                guard position + 1 < bytes.count else { return nil }
                if end == nil { end = position + 2 }
                let target = (count & 0x3f) << 8 | Int(bytes[position + 1])
                guard target < position else { return nil }
                position = target
                continue
            }
            guard count < 64, position + 1 + count <= bytes.count else { return nil }
            length += count + 1
            guard length < 255 else { return nil }
            labels.append(String(decoding: bytes[position + 1..<position + 1 + count], as: UTF8.self).lowercased())
            position += 1 + count
        }
        return nil
    }
}

/// What to answer.
struct DNSAnswer: Equatable {
    var code: DNSCode = .noError
    var answers: [DNSRecord] = []
    var authorities: [DNSRecord] = []
    var additional: [DNSRecord] = []
    var isAuthoritative = true

    /// The message, cut to `limit` bytes with the truncation flag when it is longer.
    ///
    /// Records are left out whole.
    func encode(for query: DNSQuery, limit: Int) -> [UInt8] {
        let suffix = query.hasEDNS ? Self.optRecord : []
        var writer = DNSWriter(query: query)
        var counts = [0, 0, 0]
        var isTruncated = false
        for (section, records) in [answers, authorities, additional].enumerated() where !isTruncated {
            for record in records {
                let before = writer
                writer.append(record)
                guard writer.bytes.count + suffix.count <= limit else {
                    writer = before
                    // Only the answer matters; hints may be missing.
                    isTruncated = section == 0
                    break
                }
                counts[section] += 1
            }
        }
        var bytes = writer.bytes + suffix
        bytes[2] = 0x80 | (isAuthoritative ? 0x04 : 0) | (isTruncated ? 0x02 : 0) | (query.wantsRecursion ? 0x01 : 0)
        bytes[3] = 0x80 | code.rawValue
        counts[2] += query.hasEDNS ? 1 : 0
        for (section, count) in counts.enumerated() {
            bytes[6 + section * 2] = UInt8(truncatingIfNeeded: count >> 8)
            bytes[7 + section * 2] = UInt8(truncatingIfNeeded: count)
        }
        return bytes
    }

    private static let optRecord: [UInt8] = [0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]

    /// An answer to a query that could not be read.
    static func bare(id: UInt16, _ code: DNSCode) -> [UInt8] {
        [UInt8(id >> 8), UInt8(id & 0xff), 0x80, 0x80 | code.rawValue, 0, 0, 0, 0, 0, 0, 0, 0]
    }
}

/// Writes a message with compressed names.
struct DNSWriter {
    private(set) var bytes: [UInt8]
    private var positions: [[String]: Int] = [:]

    init(query: DNSQuery) {
        bytes = [UInt8(query.id >> 8), UInt8(query.id & 0xff), 0, 0, 0, 1, 0, 0, 0, 0, 0, 0] + query.question
        var position = 12
        for index in query.name.labels.indices {
            positions[Array(query.name.labels[index...])] = position
            position += query.name.labels[index].utf8.count + 1
        }
    }

    mutating func append(_ record: DNSRecord) {
        append(record.name)
        append(record.content.type.rawValue)
        append(UInt16(1))
        append(UInt16(record.ttl >> 16))
        append(UInt16(record.ttl & 0xffff))
        let lengthPosition = bytes.count
        append(UInt16(0))
        switch record.content {
        case .a(let address): bytes += address.octets
        case .raw(_, let data): bytes += data
        case .cname(let name), .ptr(let name): append(name)
        case .srv(let priority, let weight, let port, let target):
            append(priority)
            append(weight)
            append(port)
            append(target)
        case .soa(let primary, let mailbox, let serial, let minimum):
            append(primary)
            append(mailbox)
            for value in [serial, 7200, 1800, 86400, minimum] {
                append(UInt16(value >> 16))
                append(UInt16(value & 0xffff))
            }
        }
        let length = bytes.count - lengthPosition - 2
        bytes[lengthPosition] = UInt8(truncatingIfNeeded: length >> 8)
        bytes[lengthPosition + 1] = UInt8(truncatingIfNeeded: length)
    }

    private mutating func append(_ value: UInt16) { bytes += [UInt8(value >> 8), UInt8(value & 0xff)] }

    private mutating func append(_ name: DNSName) {
        for index in name.labels.indices {
            let rest = Array(name.labels[index...])
            if let position = positions[rest] {
                append(0xc000 | UInt16(position))
                return
            }
            if bytes.count < 0x3fff { positions[rest] = bytes.count }
            let label = Array(name.labels[index].utf8.prefix(63))
            bytes.append(UInt8(label.count))
            bytes += label
        }
        bytes.append(0)
    }
}
