internal import ControlPlaneClient
internal import Foundation
internal import KubeCore

/// Follows a job: its states and its log on this terminal, until it has ended.
struct JobStream {
    let session: ARMSession
    let name: String

    /// - Throws: `CommandError` when the job did not complete.
    func run() async throws {
        session.progress.say("job \(name)")
        let job = try await session.client.streamJob(
            name,
            ids: session.ids,
            poll: .milliseconds(200),
            onStatus: { status, job in
                guard status != "Failed" else { return }
                let message = job["properties"]?["statusMessage"]?.stringValue
                session.progress.say(
                    [status, message].compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: ": ")
                )
            },
            onText: { _, text in FileHandle.standardOutput.write(Data(text.utf8)) }
        )
        let properties = job["properties"] ?? [:]
        let status = properties["status"]?.stringValue ?? ""
        guard status != "Completed" else { return }
        throw CommandError(
            "job \(name) ended as \(status)",
            cause: properties["error"]?["message"]?.stringValue ?? properties["statusMessage"]?.stringValue,
            remedy: status == "Failed" ? "see 'outrigger ml job show --name \(name)'" : nil
        )
    }
}
