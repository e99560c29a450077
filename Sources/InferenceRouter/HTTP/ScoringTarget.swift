/// What the path of a request asks for.
enum ScoringTarget: Sendable, Hashable {
    enum Route: Sendable, Hashable {
        case score
        case swagger
    }

    /// `/`: the health of the router itself.
    case health
    /// `query` includes its question mark and may be empty.
    case endpoint(name: ByteRange, route: Route, query: ByteRange)
    case unknown

    /// Reads a request target: `/api/v1/endpoint/NAME/score`, `/api/v1/service/NAME/score`, `…/swagger.json`, `/`.
    ///
    /// The absolute form (`http://host/path`) is accepted as RFC 9112 section 3.2.2 asks. Nothing is decoded: an encoded
    /// name is no name.
    init(_ bytes: UnsafePointer<UInt8>, _ target: ByteRange) {
        var start = Int(target.start)
        let end = Int(target.end)
        if start < end && bytes[start] != 0x2F {
            guard let path = ScoringTarget.afterAuthority(bytes, start, end) else {
                self = .unknown
                return
            }
            start = path
        }
        var pathEnd = start
        while pathEnd < end && bytes[pathEnd] != 0x3F { pathEnd += 1 }
        if pathEnd - start <= 1 {
            self = .health
            return
        }
        let nameStart: Int
        if ScoringTarget.has(bytes, start, pathEnd, "/api/v1/endpoint/") {
            nameStart = start + 17
        } else if ScoringTarget.has(bytes, start, pathEnd, "/api/v1/service/") {
            nameStart = start + 16
        } else {
            self = .unknown
            return
        }
        var nameEnd = nameStart
        while nameEnd < pathEnd && bytes[nameEnd] != 0x2F { nameEnd += 1 }
        let name = ByteRange(start: Int32(nameStart), end: Int32(nameEnd))
        let query = ByteRange(start: Int32(pathEnd), end: Int32(end))
        if nameEnd == nameStart {
            self = .unknown
        } else if pathEnd - nameEnd == 6 && ScoringTarget.has(bytes, nameEnd, pathEnd, "/score") {
            self = .endpoint(name: name, route: .score, query: query)
        } else if pathEnd - nameEnd == 13 && ScoringTarget.has(bytes, nameEnd, pathEnd, "/swagger.json") {
            self = .endpoint(name: name, route: .swagger, query: query)
        } else {
            self = .unknown
        }
    }

    /// Exact bytes: paths tell upper from lower case.
    private static func has(_ bytes: UnsafePointer<UInt8>, _ from: Int, _ to: Int, _ prefix: StaticString) -> Bool {
        guard to - from >= prefix.utf8CodeUnitCount else { return false }
        for index in 0..<prefix.utf8CodeUnitCount where bytes[from + index] != prefix.utf8Start[index] { return false }
        return true
    }

    /// Where the path of an absolute target starts; its end when it has none.
    private static func afterAuthority(_ bytes: UnsafePointer<UInt8>, _ from: Int, _ to: Int) -> Int? {
        var index: Int
        if to - from > 7 && HeaderKind.matches(bytes + from, "http://") {
            index = from + 7
        } else if to - from > 8 && HeaderKind.matches(bytes + from, "https://") {
            index = from + 8
        } else {
            return nil
        }
        while index < to && bytes[index] != 0x2F && bytes[index] != 0x3F { index += 1 }
        return index
    }
}
