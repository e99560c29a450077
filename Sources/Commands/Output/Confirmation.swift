internal import Foundation

/// A question before something is destroyed.
enum Confirmation {
    /// Asks unless `--yes` was given (`isGiven`).
    ///
    /// Throws `CommandError` when the answer is no, or when there is nobody to ask.
    static func ask(_ question: String, isGiven: Bool) throws {
        if isGiven { return }
        guard isatty(0) == 1 else {
            throw CommandError(
                "confirmation is needed and standard input is no terminal",
                remedy: "add --yes",
                exitStatus: 2
            )
        }
        print(question + " (y/n): ", terminator: "")
        fflush(nil)
        guard let answer = readLine()?.lowercased(), answer == "y" || answer == "yes" else {
            throw CommandError("not confirmed; nothing was changed")
        }
    }
}
