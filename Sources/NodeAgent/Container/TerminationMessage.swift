internal import KubeCore

/// The message of an ended container: its termination log, or the end of its output.
///
/// Source: Kubernetes documentation, "Determine the Reason for Pod Failure".
enum TerminationMessage {
    static let fileLimit = 4096
    static let logLimit = 2048
    static let logLines = 80

    static func read(
        _ container: ContainerModel,
        paths: ContainerPaths,
        record: ContainerRecord,
        exit: ContainerExit
    ) -> String {
        if !exit.message.isEmpty { return exit.message }
        let own = (try? Files.read(paths.terminationLog)) ?? []
        if !own.isEmpty { return String(decoding: own.suffix(fileLimit), as: UTF8.self) }
        guard container.fallsBackToLogs, exit.exitCode != 0 else { return "" }
        let bytes = ((try? Files.read(record.logPath)) ?? []).suffix(256 << 10)
        return tail(String(decoding: bytes, as: UTF8.self))
    }

    /// The last lines of a log in CRI form, without their heads.
    static func tail(_ log: String) -> String {
        var text = ""
        for line in log.split(separator: "\n").suffix(logLines) {
            guard let entry = LogLine(Array(line.utf8)) else { continue }
            text += String(decoding: entry.text, as: UTF8.self)
            if !entry.isPartial { text += "\n" }
        }
        return String(decoding: Array(text.utf8).suffix(logLimit), as: UTF8.self)
    }
}

/// One line of a log in CRI form: `TIME stdout F text`.
struct LogLine: Sendable, Hashable {
    var time: String
    var stream: String
    var isPartial: Bool
    var text: ArraySlice<UInt8>

    /// nil for what has no such form.
    init?(_ line: [UInt8]) {
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 3 else { return nil }
        time = String(decoding: parts[0], as: UTF8.self)
        stream = String(decoding: parts[1], as: UTF8.self)
        isPartial = parts[2].first == UInt8(ascii: "P")
        text = parts.count > 3 ? parts[3] : []
    }
}
