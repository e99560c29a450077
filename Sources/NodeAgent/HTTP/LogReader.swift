internal import Glibc
internal import KubeCore

/// Which part of a container's log is wanted, and in what form.
struct LogOptions: Sendable, Hashable {
    var isFollowing = false
    var usesPrevious = false
    var tailLines: Int?
    /// RFC 3339; older lines are left out.
    var since: String?
    var withTimestamps = false
    var limitBytes: Int?
    /// `stdout` or `stderr`; nil = both.
    var stream: String?

    /// - Throws: `.badRequest` for a value that is no number.
    init(query: [String: [String]], now: Double) throws {
        func flag(_ name: String) -> Bool { query[name]?.last.map { $0 == "true" || $0 == "1" || $0.isEmpty } ?? false }
        func number(_ name: String) throws -> Int? {
            guard let text = query[name]?.last, !text.isEmpty else { return nil }
            guard let value = Int(text), value >= 0 else {
                throw NodeAgentError(
                    .badRequest,
                    "\(name)=\(text) is no whole number of at least 0",
                    remedy: "give a number"
                )
            }
            return value
        }
        isFollowing = flag("follow")
        usesPrevious = flag("previous")
        withTimestamps = flag("timestamps")
        tailLines = try number("tailLines")
        limitBytes = try number("limitBytes")
        if let seconds = try number("sinceSeconds") { since = Timestamp.microText(seconds: now - Double(seconds)) }
        if let time = query["sinceTime"]?.last { since = time }
        if let name = query["stream"]?.last?.lowercased(), name == "stdout" || name == "stderr" { stream = name }
    }
}

/// Reads a container's log, rotated parts first, and follows it over rotations.
///
/// Owned by one reader.
struct LogReader {
    private let path: String
    private let files: Int
    private let options: LogOptions
    private let sinceMicroseconds: Int?
    private var remaining: Int?
    private var descriptor: Int32 = -1
    private var inode: UInt64 = 0
    private var pending: [UInt8] = []
    private var started = false

    init(path: String, files: Int, options: LogOptions) {
        self.path = path
        self.files = files
        self.options = options
        remaining = options.limitBytes
        sinceMicroseconds = options.since.flatMap { Timestamp.microseconds($0) }
    }

    /// What has been written since the last call: empty when there is nothing new, nil once `limitBytes` is used up.
    mutating func next() throws -> [UInt8]? {
        if remaining == 0 { return nil }
        var output: [UInt8] = []
        if !started {
            started = true
            for bytes in try initial() { render(bytes, into: &output) }
        } else {
            render(readMore(), into: &output)
        }
        return cut(output)
    }

    func close() { if descriptor >= 0 { _ = Glibc.close(descriptor) } }

    private mutating func cut(_ output: [UInt8]) -> [UInt8] {
        guard let left = remaining else { return output }
        let kept = output.count > left ? Array(output.prefix(left)) : output
        remaining = left - kept.count
        return kept
    }

    /// All that is there, or its last `tailLines` lines, as whole lines; the present file stays open for what follows.
    private mutating func initial() throws -> [[UInt8]] {
        openPresent()
        var parts: [[UInt8]] = [readMore()]
        if options.tailLines == 0 { return [] }
        var lines = parts[0].lineCount
        for index in 1..<max(2, files) {
            if let wanted = options.tailLines, lines > wanted { break }
            let older = path + ".\(index)"
            guard Files.exists(older) else { break }
            let bytes = try Files.read(older)
            lines += bytes.lineCount
            parts.insert(bytes, at: 0)
        }
        guard let wanted = options.tailLines else { return parts }
        let all = Array(parts.joined())
        var start = all.endIndex
        var count = 0
        // A line that the monitor had to split counts once: its first pieces are marked P.
        while start > 0 {
            let lineStart = all[..<(start - 1)].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
            if let line = LogLine(Array(all[lineStart..<(start - 1)])), !line.isPartial {
                if count == wanted { break }
                count += 1
            } else if count == 0 {
                count = 1
            }
            start = lineStart
        }
        return [Array(all[start...])]
    }

    private mutating func openPresent() {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        var status = stat()
        if descriptor >= 0, fstat(descriptor, &status) == 0 { inode = UInt64(status.st_ino) }
    }

    /// Whole lines up to the present end, over a rotation if there was one.
    private mutating func readMore() -> [UInt8] {
        if descriptor < 0 { openPresent() }
        var bytes = pending
        pending = []
        bytes += drain()
        if let present = Files.status(path), UInt64(present.st_ino) != inode {
            bytes += drain()
            close()
            openPresent()
            bytes += drain()
        }
        guard let end = bytes.lastIndex(of: UInt8(ascii: "\n")) else {
            pending = bytes
            return []
        }
        pending = Array(bytes[(end + 1)...])
        return Array(bytes[...end])
    }

    private func drain() -> [UInt8] {
        guard descriptor >= 0 else { return [] }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return bytes }
            bytes += buffer[..<count]
        }
    }

    private func render(_ bytes: [UInt8], into output: inout [UInt8]) {
        for piece in bytes.split(separator: UInt8(ascii: "\n")) {
            guard let line = LogLine(Array(piece)) else { continue }
            if let stream = options.stream, line.stream != stream { continue }
            if let since = sinceMicroseconds, let time = Timestamp.microseconds(line.time), time < since { continue }
            if options.withTimestamps { output += Array((line.time + " ").utf8) }
            output += line.text
            if !line.isPartial { output.append(UInt8(ascii: "\n")) }
        }
    }
}

extension [UInt8] {
    fileprivate var lineCount: Int { reduce(0) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) } }
}
