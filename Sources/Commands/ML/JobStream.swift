internal import Foundation
internal import KubeCore

/// Follows a job: its states and its log on this terminal, until it has ended.
struct JobStream {
    let session: ARMSession
    let name: String

    private static let terminal = ["Completed", "Failed", "Canceled", "NotResponding"]

    /// - Throws: `CommandError` when the job did not complete.
    func run() async throws {
        let progress = Progress()
        progress.say("job \(name)")
        var shown = 0
        var pause = Duration.milliseconds(150)
        while true {
            let job = try await session.get(session.workspaceID + "/jobs/" + name)
            let properties = job["properties"] ?? [:]
            let status = properties["status"]?.stringValue ?? "NotStarted"
            let isOver = Self.terminal.contains(status)
            let fresh = try await session.log(run: name, from: shown)
            if !fresh.isEmpty {
                FileHandle.standardOutput.write(fresh)
                shown += fresh.count
                pause = .milliseconds(150)
            } else {
                pause = min(pause * 2, .seconds(1))
            }
            if shown == 0 || isOver {
                let message = properties["statusMessage"]?.stringValue
                if status != "Failed" { progress.say([status, message].compactMap { $0 }.joined(separator: ": ")) }
            }
            if isOver {
                // What arrived between the two reads.
                let rest = try await session.log(run: name, from: shown)
                FileHandle.standardOutput.write(rest)
                return try conclude(status, properties)
            }
            try await Task.sleep(for: pause)
        }
    }

    private func conclude(_ status: String, _ properties: JSON) throws {
        guard status != "Completed" else { return }
        let error = properties["error"]
        throw CommandError(
            "job \(name) ended as \(status)",
            cause: error?["message"]?.stringValue ?? properties["statusMessage"]?.stringValue,
            remedy: status == "Failed" ? "see 'outrigger ml job show --name \(name)'" : nil)
    }
}
