import Testing

@testable import InferenceOperator

/// Log tails as azureml-inference-server-http writes them.
private func log(_ middle: String) -> String {
    """
    2026-11-24 22:40:42,648 I [11497] azmlinfsrv - Starting up app insights client
    2026-11-24 22:40:42,649 E [11497] azmlinfsrv - Traceback (most recent call last):
    \(middle)

    2026-11-24 22:40:42,649 I [11497] gunicorn.error - Worker exiting (pid: 11497)
    2026-11-24 22:40:44,226 E [11474] gunicorn.error - Shutting down: Master
    2026-11-24 22:40:44,226 E [11474] gunicorn.error - Reason: Worker failed to boot.
    """
}

private let cause =
    "\n\nThe above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n"

@Suite struct ScriptFailureTests {
    @Test("An init() that raises is told with its exception")
    func initFailed() {
        let failure = ScriptFailure(
            log: log(
                "  File \"score.py\", line 3, in init\n    raise ValueError(\"weights missing\")\nValueError: weights missing"
                    + cause
                    + "azureml_inference_server_http.server.user_script.UserScriptException: Caught an unhandled exception from the user script"
            ),
            exitCode: 3,
            script: "score.py"
        )
        #expect(failure.reason == "UserScriptInitFailed")
        #expect(failure.message == "init() of score.py failed: ValueError: weights missing")
    }

    @Test("A module that is missing is told with the remedy")
    func importFailed() {
        let failure = ScriptFailure(
            log: log(
                "    import nothere\nModuleNotFoundError: No module named 'nothere'" + cause
                    + "azureml_inference_server_http.server.user_script.UserScriptImportException: Failed to import user script"
            ),
            exitCode: 3,
            script: "score.py"
        )
        #expect(failure.reason == "UserScriptImportError")
        #expect(
            failure.message.hasPrefix(
                "score.py cannot be imported: ModuleNotFoundError: No module named 'nothere'; add the package"
            )
        )
    }

    @Test("A function that is missing is named", arguments: ["init", "run"])
    func functionMissing(_ name: String) {
        let failure = ScriptFailure(
            log: log(
                "UserScriptError: User script at /outrigger/code/score.py does not have a \(name)() function defined."
            ),
            exitCode: 3,
            script: "score.py"
        )
        #expect(failure.reason == "UserScriptFunctionNotFound")
        #expect(failure.message == "score.py has no function \(name)(); define it")
    }

    @Test("Anything else is a crash, told with its last line")
    func crash() {
        let failure = ScriptFailure(log: "a\nSegmentation fault", exitCode: 139, script: nil)
        #expect(failure.reason == "DeploymentCrashLoopBackOff")
        #expect(failure.message == "the container ended with exit code 139: Segmentation fault")
    }

    @Test("A cut-off log still gives the reason")
    func cut() {
        let failure = ScriptFailure(
            log: "ger_http.server.user_script.UserScriptException: Caught an unhandled exception",
            exitCode: 3,
            script: "a.py"
        )
        #expect(failure.reason == "UserScriptInitFailed")
        #expect(failure.message == "init() of a.py failed")
    }
}
