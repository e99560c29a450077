internal import Foundation
internal import Synchronization

/// Lines about work that takes a while, on standard error; equal lines are said once.
final class Progress: Sendable {
    private let last = Mutex("")
    private let isQuiet: Bool

    init(isQuiet: Bool = false) { self.isQuiet = isQuiet }

    func say(_ line: String) {
        guard !isQuiet, !line.isEmpty else { return }
        let isNew = last.withLock { last in
            defer { last = line }
            return last != line
        }
        if isNew { FileHandle.standardError.write(Data((line + "\n").utf8)) }
    }
}

/// A line on standard error, in the form of every message of the program.
enum Message {
    static func warning(_ text: String) { FileHandle.standardError.write(Data("warning: \(text)\n".utf8)) }
}
