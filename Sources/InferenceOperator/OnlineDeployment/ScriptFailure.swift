/// What the last lines of a scoring container say about why it ended.
///
/// Pure.
package struct ScriptFailure: Sendable, Hashable {
    package let reason: String
    /// One sentence, with the exception when the log shows it.
    package let message: String

    /// Reads the log of a container that ended with `exitCode`.
    ///
    /// The wording is that of azureml-inference-server-http, which ends with code 3 when the scoring script does not load.
    package init(log: String, exitCode: Int, script: String?) {
        let script = script ?? "the scoring script"
        if let function = ["init", "run"].first(where: { log.contains("does not have a \($0)() function") }) {
            reason = InferenceReason.scriptFunctionNotFound
            message = "\(script) has no function \(function)(); define it"
        } else if log.contains("UserScriptImportException") {
            reason = InferenceReason.scriptImport
            message = "\(script) cannot be imported" + ScriptFailure.suffix(log) + ScriptFailure.importHint(log)
        } else if log.contains("UserScriptException") || log.contains("User's init function failed") {
            reason = InferenceReason.scriptInit
            message = "init() of \(script) failed" + ScriptFailure.suffix(log)
        } else {
            reason = InferenceReason.crashLoop
            let last = log.split(separator: "\n").last.map { ": \($0)" } ?? ""
            message = "the container ended with exit code \(exitCode)\(last)"
        }
    }

    private static func suffix(_ log: String) -> String { exception(log).map { ": \($0)" } ?? "" }

    private static func importHint(_ log: String) -> String {
        guard let exception = exception(log), exception.hasPrefix("ModuleNotFoundError") else { return "" }
        return "; add the package to the environment's conda file or the file to the code folder"
    }

    /// The line of the user's exception: the last one before Python says that another followed from it.
    static func exception(_ log: String) -> String? {
        let marker = "The above exception was the direct cause"
        guard let range = log.firstRange(of: marker) else { return nil }
        let lines = log[..<range.lowerBound].split(separator: "\n").filter { !$0.allSatisfy(\.isWhitespace) }
        guard let last = lines.last, !last.hasPrefix(" ") else { return nil }
        return String(last)
    }
}
