internal import ControlPlaneAPI
internal import KubeCore

/// Runs in run history's shapes.
struct RunHistory: Sendable {
    let core: Core

    struct Entry: Sendable {
        var run: RunRecord
        /// The job behind the run; runs of plain MLflow clients have none.
        var job: Document?
        var tags: [String: String]
        var logs: [BlobRecord]
    }

    /// Folders of a run whose files are shown as logs.
    private static let logFolders = ["user_logs/", "system_logs/", "logs/", "azureml-logs/"]

    func entry(_ scope: Scope, _ id: String, caller: Caller, withLogs: Bool = false) async throws -> Entry {
        if let own = caller.run, own.name.lowercased() != id.lowercased() {
            throw ARMError(403, "AuthorizationFailed", "The token of run '\(own.name)' does not open run '\(id)'.")
        }
        return try await core.store.read { t in
            guard let run = try t.run(id), run.workspace == scope.key else {
                throw ARMError.resourceNotFound("Run", id)
            }
            var logs: [BlobRecord] = []
            if withLogs {
                for folder in RunHistory.logFolders {
                    logs += try t.blobs(scope.artifactContainer, prefix: Scope.runFolder(run.id) + folder, limit: 1000)
                }
            }
            return Entry(
                run: run,
                job: try t.find(JobService.id(scope, id)),
                tags: Dictionary(try t.tags(id).map { ($0.key, $0.value) }) { _, last in last },
                logs: logs
            )
        }
    }

    func details(_ scope: Scope, _ entry: Entry) -> JSON {
        var files: [String: JSON] = [:]
        let root = Scope.runFolder(entry.run.id)
        for blob in entry.logs {
            let address = BlobAddress(container: blob.container, name: blob.name)
            let signature = core.signatures.query(
                container: blob.container,
                prefix: blob.name,
                permissions: "r",
                lifetime: 3600
            )
            files[String(blob.name.dropFirst(root.count))] = .string(
                address.url(base: core.publicURL) + "?" + signature
            )
        }
        var body = summary(entry)
        body["logFiles"] = .object(files)
        body["warnings"] = .array(
            (entry.job?.hidden["notes"]?.stringArray ?? []).map { ["source": "control plane", "message": .string($0)] }
        )
        body["inputs"] = entry.job?[property: "inputs"] ?? [:]
        return body
    }

    func summary(_ entry: Entry) -> JSON {
        let run = entry.run
        var body: [String: JSON] = [
            "runId": .string(run.id), "rootRunId": .string(run.id), "runUuid": .string(RandomText.uuid(of: run.id)),
            "experimentId": .string(String(run.experiment)), "status": .string(status(entry)),
            "displayName": entry.job?[property: "displayName"] ?? .string(run.name), "runType": "azureml.StepRun",
            "tags": JSON(entry.tags), "properties": entry.job?[property: "properties"] ?? [:],
            "createdUtc": .string(rfc3339(run.createdAt)), "hidden": entry.job?[property: "isArchived"] ?? false,
            "outputs": outputs(entry), "userId": .string(run.userId),
        ]
        if let start = run.startTime { body["startTimeUtc"] = .string(rfc3339(Double(start) / 1000)) }
        if let end = run.endTime { body["endTimeUtc"] = .string(rfc3339(Double(end) / 1000)) }
        if let text = entry.job?[property: "description"] { body["description"] = text }
        if let error = entry.job?[property: "error"] { body["error"] = ["error": error] }
        return .object(body)
    }

    func status(_ entry: Entry) -> String {
        if let status = entry.job?[property: "status"]?.stringValue { return status }
        switch entry.run.status {
        case "FINISHED": return "Completed"
        case "FAILED": return "Failed"
        case "KILLED": return "Canceled"
        case "SCHEDULED": return "Queued"
        default: return "Running"
        }
    }

    /// Named outputs and the run's own folder, which clients call `default`.
    private func outputs(_ entry: Entry) -> JSON {
        guard let job = entry.job else { return [:] }
        var outputs: [String: JSON] = [
            "default": ["assetId": .string("azureml://jobs/\(job.name)/outputs/default"), "type": "uri_folder"]
        ]
        for (name, _) in job.hidden["outputs"]?.objectValue ?? [:] {
            let type = job[property: "outputs", name, "jobOutputType"]?.stringValue ?? "uri_folder"
            // Data types are answered as they are sent, model types in run history's own words: clients look for exactly these.
            let words = ["custom_model": "CustomModel", "mlflow_model": "MLFlowModel", "triton_model": "TritonModel"]
            outputs[name] = [
                "assetId": .string("azureml://jobs/\(job.name)/outputs/\(name)"),
                "type": .string(words[type.lowercased()] ?? type.lowercased()),
            ]
        }
        return .object(outputs)
    }

    /// Merges what a PATCH may change.
    func patch(_ scope: Scope, _ id: String, _ body: JSON) async throws {
        try await core.store.write { t in
            guard var run = try t.run(id), run.workspace == scope.key else {
                throw ARMError.resourceNotFound("Run", id)
            }
            var job = try t.find(JobService.id(scope, id))
            if let hidden = body["hidden"]?.boolValue {
                job?[property: "isArchived"] = .bool(hidden)
                run.lifecycle = hidden ? "deleted" : "active"
            }
            if let name = body["displayName"]?.stringValue {
                job?[property: "displayName"] = .string(name)
                run.name = name
            }
            if let text = body["description"]?.stringValue { job?[property: "description"] = .string(text) }
            for (key, value) in body["tags"]?.objectValue ?? [:] {
                let text = MLflowService.text(value)
                job?[property: "tags", key] = text.map(JSON.string)
                if let text { try t.setTag(id, key: key, value: text) } else { try t.removeTag(id, key: key) }
            }
            for (key, value) in body["properties"]?.objectValue ?? [:] {
                job?[property: "properties", key] = value.isNull ? nil : value
            }
            if var job { try t.put(&job) }
            try t.update(run)
        }
    }
}
