internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import Logging
internal import ServiceLifecycle

/// What happens to extensions without a request: deadlines pass, and new versions are taken up.
struct ExtensionUpkeep: Service, CustomStringConvertible {
    let core: Core

    /// Seconds for which a change is held for an agent that is offline.
    static let patience = 48.0 * 3600
    private static let interval = Duration.seconds(5)

    var description: String { "ExtensionUpkeep" }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await pass()
                    try await Task.sleep(for: Self.interval)
                } catch is CancellationError {
                    return
                } catch {
                    core.logger.error("looking after extensions failed", metadata: ["error": "\(error)"])
                    do { try await Task.sleep(for: .seconds(30)) } catch { return }
                }
            }
        }
    }

    /// One look at everything; writes only where something is due.
    func pass() async throws {
        let (now, versions) = (core.now, ExtensionVersions(core.configuration))
        let isDue = try await core.store.read { t in
            try t.listAll(.agentRequest).contains { AgentRequests.isLate($0, now: now) }
                || t.listAll(.extension).map(ExtensionRecord.init).contains { record in
                    try Self.isLate(t, record, now: now) || Self.isForcedLate(record, now: now)
                        || Self.upgrade(record, versions) != nil
                }
        }
        guard isDue else { return }
        let upgraded = try await core.store.write { t in
            try AgentRequests.expire(t, now: now)
            return try Self.keepUp(t, versions, now: now)
        }
        for (name, version) in upgraded {
            core.logger.info(
                "extension follows a new version",
                metadata: ["extension": "\(name)", "version": "\(version)"]
            )
        }
    }

    /// Deals with each extension that something is due for; answers those that were upgraded.
    static func keepUp(_ t: Transaction, _ versions: ExtensionVersions, now: Double) throws -> [(String, String)] {
        var upgraded: [(String, String)] = []
        for document in try t.listAll(.extension) {
            var record = ExtensionRecord(document)
            if isForcedLate(record, now: now) {
                try ExtensionService.bury(t, record)
            } else if try isLate(t, record, now: now) {
                try giveUp(t, &record, now: now)
            } else if let version = upgrade(record, versions) {
                record.wish.targetVersion = version.version
                record.wish.image = version.image
                try ExtensionService.begin(t, &record, state: "Updating", now: now)
                upgraded.append((record.name, version.version))
            }
        }
        return upgraded
    }

    /// The operation has been going on for 48 hours.
    private static func isLate(_ t: Transaction, _ record: ExtensionRecord, now: Double) throws -> Bool {
        guard record.isBusy, now - record.wantedAt >= patience else { return false }
        // What was ready once may be mended by its agent at any time, for which nobody waits.
        return try t.find(Operations.key(record.operation)).map(Operations.isRunning) ?? false
    }

    private static func isForcedLate(_ record: ExtensionRecord, now: Double) -> Bool {
        guard record.isDeleting, let forced = record.forcedAt else { return false }
        return now - forced >= ExtensionService.forcedDeadline
    }

    /// Ends the operation; what is wanted stays, and the agent brings it about when it returns.
    private static func giveUp(_ t: Transaction, _ record: inout ExtensionRecord, now: Double) throws {
        let silence = try AgentRequests.silence(t, cluster: record.document.parent, now: now)
        let error = ErrorDetail(
            code: "ExtensionOperationTimedOut",
            message:
                "The agent of cluster '\(record.cluster)' has not brought extension '\(record.name)' about within 48 hours; \(silence). What is wanted stays stored and reaches the agent when it returns."
        )
        record.state = "Failed"
        record.document[property: "errorInfo"] = error.json
        try t.put(&record.document)
        try Operations.finish(t, id: record.operation, error: error)
    }

    /// The version that a settled extension is to follow; nil where it stays.
    static func upgrade(_ record: ExtensionRecord, _ versions: ExtensionVersions) -> ExtensionVersion? {
        let wish = record.wish
        guard wish.mode != .none, !record.isDeleting, !record.isBusy, let installed = record.installedVersion,
            record.succeededGeneration > 0
        else { return nil }
        let target: ExtensionVersion?
        do {
            target = try versions.resolve(
                mode: wish.mode,
                version: nil,
                train: wish.releaseTrain,
                installed: installed
            )
        } catch {
            // The train is gone: the extension stays where it is.
            return nil
        }
        return target.flatMap { $0.version == installed ? nil : $0 }
    }
}
