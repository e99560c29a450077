internal import Foundation
internal import KubeCore
internal import MLTypes

/// PID 1 of a training container: starts the user's processes, keeps their output, uploads results, reports the exit code.
///
/// The first process that fails ends the others. SIGTERM is passed on to the processes; what they left is still uploaded.
package enum ExecutionWrapper {
    /// Returns the exit code for our own process: that of the command, or 125 when the runtime around it failed.
    package static func run() async -> Int {
        do {
            let manifest: JobManifest = try JSON(
                parsing: try Data(contentsOf: URL(fileURLWithPath: RuntimePaths.configuration + "/job.json"))
            ).decode()
            return try await run(manifest, instance: instanceIndex())
        } catch {
            report(TerminationReport(exitCode: 125, message: "\(error)"))
            FileHandle.standardError.write(Data("error: \(error)\n".utf8))
            return 125
        }
    }

    /// Volcano's index of this pod: from its variable, else from the end of the pod's name.
    private static func instanceIndex() -> Int {
        let environment = ProcessInfo.processInfo.environment
        if let index = environment["VC_TASK_INDEX"].flatMap({ Int($0) }) { return index }
        return environment["OUTRIGGER_POD_NAME"]?.split(separator: "-").last.flatMap { Int($0) } ?? 0
    }

    private static func run(_ manifest: JobManifest, instance: Int) async throws -> Int {
        try prepareFolders(manifest)
        let bundle = try makeTrustBundle()
        let processes = RankPlan.processes(manifest, instance: instance)
        let logs = try processes.enumerated().map { index, process in
            try LogTee(
                folder: RuntimePaths.root + "/run",
                name: "user_logs/" + process.logName,
                copiesToStandardOutput: index == 0
            )
        }
        let client = try BlobClient(
            controlPlaneURL: manifest.controlPlaneURL,
            caFile: RuntimePaths.configuration + "/ca.pem",
            tokenFile: RuntimePaths.token + "/token"
        )
        let uploader = try RunUploader(
            client: client,
            artifactsURI: manifest.artifactsURI,
            workingDirectory: manifest.workingDirectory,
            logs: logs
        )
        signal(SIGTERM, SIG_IGN)
        signal(SIGPIPE, SIG_IGN)
        let children: [ChildProcess]
        do {
            children = try start(processes, bundle: bundle)
        } catch {
            try? await client.shutdown()
            throw error
        }
        let exits = await supervise(children, logs: logs, uploader: uploader)
        return await finish(manifest, exits: exits, logs: logs, uploader: uploader, client: client)
    }

    private static func start(_ processes: [RankPlan.Process], bundle: String) throws -> [ChildProcess] {
        let token = try String(contentsOfFile: RuntimePaths.token + "/token", encoding: .utf8)
        var children: [ChildProcess] = []
        for process in processes {
            var environment = process.environment
            environment["MLFLOW_TRACKING_TOKEN"] = token.trimmingCharacters(in: .whitespacesAndNewlines)
            environment["REQUESTS_CA_BUNDLE"] = environment["REQUESTS_CA_BUNDLE"] ?? bundle
            environment["SSL_CERT_FILE"] = environment["SSL_CERT_FILE"] ?? bundle
            for name in ["PATH", "HOSTNAME", "LANG"] where environment[name] == nil {
                environment[name] = ProcessInfo.processInfo.environment[name]
            }
            if let path = environment["PATH"], let folder = try interpreterFolder(path: path) {
                environment["PATH"] = path + ":" + folder
            }
            children.append(try ChildProcess.start(process.arguments, environment: environment))
        }
        return children
    }

    /// Uploads until all processes have ended; exit codes in the order of `children`.
    private static func supervise(
        _ children: [ChildProcess],
        logs: [LogTee],
        uploader: RunUploader
    ) async -> [Int] {
        let supervisor = ProcessSupervisor(children: children, logs: logs)
        return await withTaskGroup(of: [Int]?.self) { group in
            group.addTask { await supervisor.waitForAll() }
            group.addTask {
                var passes = 0
                while await pause(.seconds(1)) {
                    passes += 1
                    do {
                        try await uploader.pass(includesFiles: passes % 5 == 0)
                    } catch is CancellationError {
                        return nil
                    } catch {
                        // The control plane may be away for a while: what is missing goes with a later pass.
                        FileHandle.standardError.write(Data("warning: upload delayed: \(error)\n".utf8))
                    }
                }
                return nil
            }
            var exits: [Int] = []
            for await result in group {
                guard let result else { continue }
                exits = result
                group.cancelAll()
            }
            return exits
        }
    }

    private static func finish(
        _ manifest: JobManifest,
        exits: [Int],
        logs: [LogTee],
        uploader: RunUploader,
        client: BlobClient
    ) async -> Int {
        var failure: String?
        do {
            try await uploader.pass(includesFiles: true)
            for output in manifest.outputs { try await uploader.send(output) }
        } catch {
            failure = "the results could not be uploaded: \(error)"
        }
        try? await client.shutdown()
        if let index = exits.firstIndex(where: { $0 != 0 }) {
            report(TerminationReport(exitCode: exits[index], message: failure, logTail: logs[index].lastLines))
            return exits[index]
        }
        guard let failure else { return 0 }
        report(TerminationReport(exitCode: 125, message: failure))
        return 125
    }

    private static func prepareFolders(_ manifest: JobManifest) throws {
        let folders = ["outputs", "logs"].map { manifest.workingDirectory + "/" + $0 }
        // A file output's parent must exist; whether the job writes a file or a folder there is its own affair.
        let outputs = manifest.outputs.map { output in
            output.uri.hasSuffix("/") ? output.path : (output.path as NSString).deletingLastPathComponent
        }
        for folder in folders + outputs {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        }
        guard chdir(manifest.workingDirectory) == 0 else {
            throw JobRuntimeError(
                .launchFailed,
                "cannot enter \(manifest.workingDirectory): \(String(cString: strerror(errno)))"
            )
        }
    }

    /// Where commands that say `python` find the image's `python3`; nil when there is a `python`, or no `python3`.
    ///
    /// Images of Azure ML have both names, Debian's own root has not.
    private static func interpreterFolder(path: String) throws -> String? {
        func find(_ name: String) -> String? {
            path.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
        }
        guard find("python") == nil, let python3 = find("python3") else { return nil }
        let folder = RuntimePaths.root + "/run/bin"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        if !FileManager.default.fileExists(atPath: folder + "/python") {
            try FileManager.default.createSymbolicLink(atPath: folder + "/python", withDestinationPath: python3)
        }
        return folder
    }

    /// Public CAs and ours in one file, for clients that take only one.
    private static func makeTrustBundle() throws -> String {
        let path = RuntimePaths.root + "/run/ca-bundle.pem"
        try FileManager.default.createDirectory(
            atPath: RuntimePaths.root + "/run",
            withIntermediateDirectories: true
        )
        var text = try String(contentsOfFile: RuntimePaths.configuration + "/ca.pem", encoding: .utf8)
        if let authorities = PublicAuthorities.file {
            // Some lists have comments in other encodings.
            text += "\n" + String(decoding: try Data(contentsOf: URL(fileURLWithPath: authorities)), as: UTF8.self)
        }
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    private static func report(_ report: TerminationReport) {
        guard let text = terminationMessage(report) else { return }
        try? text.write(toFile: "/dev/termination-log", atomically: false, encoding: .utf8)
    }

    /// The report as JSON of at most 4000 bytes: Kubernetes cuts longer messages, and half a JSON text says nothing.
    ///
    /// Quotes and line ends grow when they are encoded, so lines go from the front of the log until it fits.
    static func terminationMessage(_ report: TerminationReport) -> String? {
        var report = report
        if let message = report.message, message.utf8.count > 1000 {
            report.message = String(message.prefix(500)) + "…"
        }
        while true {
            guard let text = try? JSON(encoding: report).text else { return nil }
            guard text.utf8.count > 4000, let tail = report.logTail, !tail.isEmpty else { return text }
            let shorter = tail.suffix(tail.count * 7 / 8)
            let rest = shorter.firstIndex(of: "\n").map { shorter[shorter.index(after: $0)...] } ?? ""
            report.logTail = String(rest.isEmpty ? shorter : rest)
        }
    }

    private static func pause(_ duration: Duration) async -> Bool {
        do {
            try await Task.sleep(for: duration)
            return true
        } catch {
            return false
        }
    }
}
