/// What is read from another resolver's answer.
struct DNSResponse: Equatable {
    var id: UInt16
    var code: UInt8
    var isTruncated: Bool
    /// A, AAAA and CNAME records of the answer section.
    var answers: [DNSRecord] = []
    /// Smallest time to live of all records; nil when there are none.
    var minimumTTL: UInt32?

    /// nil when the bytes are no well-formed answer to one question.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 12, bytes[2] & 0x80 != 0, bytes[4] == 0, bytes[5] == 1 else { return nil }
        id = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        code = bytes[3] & 0xf
        isTruncated = bytes[2] & 0x02 != 0
        var reader = DNSReader(bytes: bytes, offset: 12)
        guard reader.name() != nil, reader.skip(4) else { return nil }
        let answerCount = Int(bytes[6]) << 8 | Int(bytes[7])
        let others = (Int(bytes[8]) << 8 | Int(bytes[9])) + (Int(bytes[10]) << 8 | Int(bytes[11]))
        for index in 0..<(answerCount + others) {
            guard let name = reader.name(), let type = reader.integer(), reader.skip(2), let ttl = reader.integer32(),
                let length = reader.integer()
            else {
                if isTruncated { break }
                return nil
            }
            let start = reader.offset
            guard reader.skip(Int(length)) else { return nil }
            if type != DNSType.opt.rawValue { minimumTTL = min(minimumTTL ?? ttl, ttl) }
            guard index < answerCount else { continue }
            let data = Array(bytes[start..<reader.offset])
            switch DNSType(rawValue: type) {
            case .a where data.count == 4:
                let value = data.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                answers.append(DNSRecord(name: name, ttl: ttl, content: .a(IPv4Address(rawValue: value))))
            case .aaaa where data.count == 16:
                answers.append(DNSRecord(name: name, ttl: ttl, content: .raw(.aaaa, data)))
            case .cname:
                var inner = DNSReader(bytes: bytes, offset: start)
                guard let target = inner.name() else { return nil }
                answers.append(DNSRecord(name: name, ttl: ttl, content: .cname(target)))
            default: break
            }
        }
    }
}
