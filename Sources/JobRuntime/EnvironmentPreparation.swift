internal import Foundation
internal import MLTypes

/// Second init container: makes the Python environment of a conda file, once per content hash and node.
///
/// The folder is complete when its marker file exists. A lock file lets one pod build while others wait; what a killed build left
/// behind has no marker and is made anew.
package enum EnvironmentPreparation {
    package static let marker = ".outrigger-complete"

    /// `hash`: content hash that names the folder; 32 hex digits.
    package static func run(hash: String) async throws {
        guard hash.count == 32, hash.allSatisfy(\.isHexDigit) else {
            throw JobRuntimeError(.badConfiguration, "environment hash \"\(hash)\" is not 32 hexadecimal digits")
        }
        let folder = RuntimePaths.environments + "/" + hash
        if FileManager.default.fileExists(atPath: folder + "/" + marker) {
            print("environment \(hash) is in the cache")
            return
        }
        let lock = open(RuntimePaths.environments + "/." + hash + ".lock", O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard lock >= 0 else {
            throw JobRuntimeError(
                .environmentFailed,
                "cannot write to \(RuntimePaths.environments): \(String(cString: strerror(errno)))"
            )
        }
        defer { close(lock) }
        // Blocks this thread until another builder is done; the process does nothing else meanwhile.
        guard flock(lock, LOCK_EX) == 0 else {
            throw JobRuntimeError(
                .environmentFailed,
                "cannot lock the environment: \(String(cString: strerror(errno)))"
            )
        }
        if FileManager.default.fileExists(atPath: folder + "/" + marker) {
            print("environment \(hash) was made by another pod")
            return
        }
        try build(folder)
    }

    private static func build(_ folder: String) throws {
        let text = try String(contentsOfFile: RuntimePaths.configuration + "/conda.yml", encoding: .utf8)
        let conda = try CondaFile(text)
        if FileManager.default.fileExists(atPath: folder) { try FileManager.default.removeItem(atPath: folder) }
        for package in conda.translated { print("note: conda package \(package) is installed from PyPI") }
        let python = try findPython(conda.pythonVersion)
        try execute([python, "-m", "venv", folder], what: "making the virtual environment")
        if !conda.requirements.isEmpty {
            let file = folder + "/requirements.txt"
            try (conda.requirements.joined(separator: "\n") + "\n").write(
                toFile: file,
                atomically: true,
                encoding: .utf8
            )
            try execute(
                [
                    folder + "/bin/python", "-m", "pip", "install", "--no-input", "--disable-pip-version-check",
                    "--no-warn-script-location", "--cache-dir", RuntimePaths.environments + "/.pip-cache", "-r", file,
                ],
                what: "pip install"
            )
        }
        try Data().write(to: URL(fileURLWithPath: folder + "/" + marker))
    }

    private static func findPython(_ version: String?) throws -> String {
        let names = version.map { ["python\($0)"] } ?? ["python3"]
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        for name in names {
            for folder in path.split(separator: ":") where access("\(folder)/\(name)", X_OK) == 0 {
                return "\(folder)/\(name)"
            }
        }
        throw JobRuntimeError(
            .environmentFailed,
            "the image has no \(names[0])",
            remedy: "use an image with that Python, or another python= in the conda file"
        )
    }

    /// Runs to the end with our own output streams; the environment's build log is the container's log.
    private static func execute(_ arguments: [String], what: String) throws {
        let status = try ChildProcess.runToEnd(arguments, environment: ["HOME": "/tmp"])
        guard status == 0 else {
            throw JobRuntimeError(
                .environmentFailed,
                "\(what) failed with exit code \(status)",
                remedy: "read the log of container environment-prepare and mend the conda file"
            )
        }
    }
}
