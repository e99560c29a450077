internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import Logging
internal import MLTypes

/// Keeps one cluster and the database in line: sends what the outbox holds, takes in what the cluster reports.
///
/// Both ways are level-triggered. Work stays in the outbox until the cluster has it; a watch starts with everything there is;
/// so either side may be killed at any time.
struct ClusterSync: Sendable {
    let core: Core
    let entry: ClusterDirectory.Entry
    let gateway: GatewayClient

    var target: ClusterTarget { entry.target }

    init(core: Core, entry: ClusterDirectory.Entry) {
        self.core = core
        self.entry = entry
        gateway = core.gateways.client(entry)
    }

    /// Runs until it is cancelled.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await pushLoop() }
            group.addTask { await watchLoop() }
        }
        await core.gateways.remove(entry)
    }

    /// Whether a tunnel is there is known without asking anybody, and its relay waits between its attempts.
    private var longestPause: Double {
        if case .tunnel = target.access { 1 } else { 10 }
    }

    // MARK: Sending

    private func pushLoop() async {
        for await _ in core.store.changes.signals([Transaction.outboxTopic]) {
            var delay = Backoff(longest: longestPause)
            while !Task.isCancelled {
                do {
                    if try await pushAll() { break }
                } catch {
                    if Task.isCancelled { return }
                    core.logger.error(
                        "reading the outbox failed",
                        metadata: ["cluster": "\(target.name)", "error": "\(error)"]
                    )
                }
                do { try await Task.sleep(for: delay.next()) } catch { return }
            }
        }
    }

    /// Tries everything once; true when nothing is left.
    func pushAll() async throws -> Bool {
        let key = target.key
        let items = try await core.store.read { t in try t.outbox(cluster: key) }
        var isDone = true
        for item in items {
            do {
                try await push(item)
                try await core.store.write { t in try t.finish(item) }
            } catch let error as ARMError {
                try await refuse(item, error.error)
            } catch let error as APIError where ClusterSync.isFinal(error) {
                try await refuse(item, ErrorDetail(code: ClusterSync.code(error), message: error.message))
            } catch {
                isDone = false
                try await postpone(item, error)
                // The gateway does not answer: the rest would fare no better.
                if !(error is APIError) { return false }
            }
        }
        return isDone
    }

    private func push(_ item: OutboxItem) async throws {
        let path = "/v1/namespaces/\(item.namespace)/"
        guard item.action == .apply,
            let source = try await core.store.read({ t in try ClusterObjects.source(item, core, t) })
        else {
            if item.action == .delete { try await delete(item) }
            return
        }
        let objects = try await ClusterObjects.make(source, item, core)
        try await gateway.send(
            "PUT",
            path + "secrets/" + objects.secret.name,
            body: objects.secret.body,
            command: item.command
        )
        try await gateway.send(
            "PUT",
            path + item.resource + "/" + item.name,
            body: objects.object,
            command: item.command
        )
    }

    private func delete(_ item: OutboxItem) async throws {
        let path = "/v1/namespaces/\(item.namespace)/"
        do {
            try await gateway.send("DELETE", path + item.resource + "/" + item.name, command: item.command)
        } catch let error as APIError where error.isNotFound {
            try await gone(key: item.key)
        } catch let error as GatewayClient.Missing {
            // Without an extension there is nothing left to delete; while one is being installed it is worth waiting.
            guard try await !hasExtension() else { throw error }
            return try await gone(key: item.key)
        }
        do {
            try await gateway.send(
                "DELETE",
                path + "secrets/" + ClusterObjects.secretName(item),
                command: item.command
            )
        } catch let error as APIError where error.isNotFound {}
    }

    private func hasExtension() async throws -> Bool {
        let target = target
        return try await core.store.read { t in
            try t.listAll(.extension).contains { target.holds($0.id) }
        }
    }

    /// Errors that trying again will not cure.
    private static func isFinal(_ error: APIError) -> Bool {
        (400..<500).contains(error.code) && ![401, 403, 408, 409, 429].contains(error.code)
    }

    private static func code(_ error: APIError) -> String {
        error.isNotFound && error.kind == "namespaces"
            ? "NamespaceNotFound" : error.reason == .invalid ? "InvalidSpec" : "ClusterRefused"
    }

    private func refuse(_ item: OutboxItem, _ error: ErrorDetail) async throws {
        core.logger.warning(
            "the cluster refused an object",
            metadata: [
                "cluster": "\(target.name)", "kind": "\(item.resource)", "name": "\(item.name)", "error": "\(error)",
            ]
        )
        try await core.store.write { t in
            try t.finish(item)
            guard let document = try t.find(item.key) else { return }
            try StatusIntake.refused(t, document, error)
        }
    }

    private func postpone(_ item: OutboxItem, _ error: any Error) async throws {
        let text = "\(error)"
        if item.error != text {
            core.logger.warning(
                "sending to the cluster failed",
                metadata: [
                    "cluster": "\(target.name)", "kind": "\(item.resource)", "name": "\(item.name)",
                    "error": "\(error)",
                ]
            )
        }
        let name = target.name
        try await core.store.write { t in
            try t.fail(item, text)
            guard item.error != text, var job = try t.find(item.key), job.kind == .job, !JobState.isEnded(job) else {
                return
            }
            job[property: "statusMessage"] = .string("Waiting for cluster '\(name)': \(text).")
            try t.put(&job)
        }
    }

    // MARK: Taking in

    private func watchLoop() async {
        var delay = Backoff(longest: longestPause)
        while !Task.isCancelled {
            var pause: Duration?
            let seen = SeenSet()
            do {
                try await gateway.watch { line in
                    if line["type"]?.stringValue == "SYNCED" {
                        seen.markSynced()
                        try await synced(seen.keys)
                        return
                    }
                    guard let change = line["object"] else { return }
                    if let key = try await take(
                        change,
                        type: line["type"]?.stringValue ?? "",
                        resource: line["resource"]?.stringValue ?? ""
                    ) {
                        seen.insert(key)
                    }
                }
            } catch is GatewayClient.Missing {
                // Three reads of the cluster's API; the extension may be ready at any moment.
                pause = .seconds(1)
            } catch {
                if Task.isCancelled { return }
                core.logger.debug(
                    "the watch of the gateway ended",
                    metadata: ["cluster": "\(target.name)", "error": "\(error)"]
                )
            }
            if seen.isSynced { delay = Backoff(longest: longestPause) }
            do { try await Task.sleep(for: pause ?? delay.next()) } catch { return }
        }
    }

    /// Stores one change; answers the key of the document it was about.
    func take(_ json: JSON, type: String, resource: String) async throws -> String? {
        let object = KubeObject(json)
        guard let id = StatusIntake.documentID(object, resource: resource) else { return nil }
        let cluster = target.key
        let logger = core.logger
        return try await core.store.write { t in
            guard let document = try t.find(id), document.hidden["cluster"]?.stringValue == cluster else { return nil }
            if type == "DELETED" {
                try StatusIntake.deleted(t, document)
            } else {
                try StatusIntake.changed(t, document, object, logger: logger)
            }
            return document.key
        }
    }

    /// After the first full picture: what the database has and the cluster has not.
    func synced(_ seen: Set<String>) async throws {
        let cluster = target.key
        let missing = try await core.store.read { t -> [Document] in
            var missing: [Document] = []
            for kind in [DocumentKind.job, .onlineEndpoint, .onlineDeployment] {
                for document in try t.listAll(kind)
                where document.hidden["cluster"]?.stringValue == cluster && !seen.contains(document.key) {
                    guard !JobState.isEnded(document), try !t.isPending(document.key) else { continue }
                    missing.append(document)
                }
            }
            return missing
        }
        for document in missing where try await isAbsent(document) {
            try await core.store.write { t in
                guard let current = try t.find(document.key), try !t.isPending(document.key) else { return }
                try StatusIntake.deleted(t, current)
            }
        }
    }

    /// Asks the cluster itself: the object may have been sent after the watch began.
    private func isAbsent(_ document: Document) async throws -> Bool {
        let (resource, name) = ClusterObjects.place(document)
        let namespace = document.hidden["namespace"]?.stringValue ?? "default"
        do {
            try await gateway.send("GET", "/v1/namespaces/\(namespace)/\(resource)/\(name)")
            return false
        } catch let error as APIError where error.isNotFound {
            return true
        }
    }

    private func gone(key: String) async throws {
        try await core.store.write { t in
            guard let document = try t.find(key), document.hidden["isDeleting"] == true else { return }
            try StatusIntake.deleted(t, document)
        }
    }
}

/// Delays that double from a quarter of a second to the longest, with some chance in them.
struct Backoff: Sendable {
    private let longest: Double
    private var step = 0

    /// `longest` in seconds.
    init(longest: Double = 10) { self.longest = longest }

    mutating func next() -> Duration {
        let seconds = min(longest, 0.25 * Double(1 << min(step, 6)))
        step += 1
        return .milliseconds(Int(seconds * 1000 * Double.random(in: 0.8...1.2)))
    }
}
