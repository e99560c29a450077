internal import Foundation
internal import Synchronization

/// Lines about work that takes a while, on standard error; a line that says what the last one said is left out.
final class Progress: Sendable {
    private struct State {
        var last = ""
        var bySubject: [String: String] = [:]
    }

    private let state = Mutex(State())
    private let isQuiet: Bool

    init(isQuiet: Bool = false) { self.isQuiet = isQuiet }

    func say(_ line: String) {
        guard !isQuiet, !line.isEmpty else { return }
        let isNew = state.withLock { state in
            defer { state.last = line }
            return state.last != line
        }
        if isNew { write(line) }
    }

    /// Says `line` when it differs from the last one about `subject`, whatever was said of others in between.
    func say(_ line: String, about subject: String) {
        guard !isQuiet, !line.isEmpty else { return }
        let isNew = state.withLock { state in
            defer {
                state.bySubject[subject] = line
                state.last = line
            }
            return state.bySubject[subject] != line
        }
        if isNew { write(line) }
    }

    private func write(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }
}

/// A line on standard error, in the form of every message of the program.
enum Message {
    static func warning(_ text: String) { FileHandle.standardError.write(Data("warning: \(text)\n".utf8)) }

    static func note(_ text: String) { FileHandle.standardError.write(Data("note: \(text)\n".utf8)) }
}
