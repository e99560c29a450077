internal import ControlPlaneAPI
internal import KubeCore

/// Tracking: experiments and runs in MLflow's shapes.
struct MLflowService: Sendable {
    let core: Core
    let scope: Scope
    let caller: Caller
    /// How artifacts are named: `mlflow-artifacts:` for the plain client, `azureml:` for Azure's plugin.
    let usesAzureURIs: Bool

    // MARK: Shapes

    func json(_ experiment: ExperimentRecord, _ t: Transaction) throws -> JSON {
        [
            "experiment_id": .string(String(experiment.id)), "name": .string(experiment.name),
            "artifact_location": .string("mlflow-artifacts:/Experiment/\(experiment.id)"),
            "lifecycle_stage": .string(experiment.lifecycle), "creation_time": JSON(experiment.createdAt),
            "last_update_time": JSON(experiment.updatedAt),
            "tags": MLflowService.pairs(try t.experimentTags(experiment.id)),
        ]
    }

    func info(_ run: RunRecord) -> JSON {
        var info: [String: JSON] = [
            "run_id": .string(run.id), "run_uuid": .string(run.id), "run_name": .string(run.name),
            "experiment_id": .string(String(run.experiment)), "user_id": .string(run.userId),
            "status": .string(run.status),
            "artifact_uri": .string(artifactURI(run)), "lifecycle_stage": .string(run.lifecycle),
        ]
        if let start = run.startTime { info["start_time"] = JSON(start) }
        if let end = run.endTime { info["end_time"] = JSON(end) }
        return .object(info)
    }

    func json(_ run: RunRecord, _ t: Transaction) throws -> JSON {
        let metrics = try t.latestMetrics(run.id).map(MLflowService.metric)
        return [
            "info": info(run),
            "data": [
                "metrics": .array(metrics), "params": MLflowService.pairs(try t.params(run.id)),
                "tags": MLflowService.pairs(try t.tags(run.id)),
            ],
            "inputs": run.extra["inputs"] ?? [:], "outputs": run.extra["outputs"] ?? [:],
        ]
    }

    static func metric(_ metric: MetricRecord) -> JSON {
        let isFinite = metric.value?.isFinite == true
        return [
            "key": .string(metric.key), "value": isFinite ? .double(metric.value ?? 0) : .string(metric.text),
            "timestamp": JSON(metric.timestamp), "step": JSON(metric.step),
        ]
    }

    static func pairs(_ pairs: [(key: String, value: String)]) -> JSON {
        .array(pairs.map { ["key": .string($0.key), "value": .string($0.value)] })
    }

    func artifactURI(_ run: RunRecord) -> String {
        guard usesAzureURIs else {
            return "mlflow-artifacts:/" + Scope.runFolder(run.id).dropLast()
        }
        let experiment = run.extra["experimentName"]?.stringValue ?? String(run.experiment)
        return
            "azureml://\(core.authority)/mlflow/v2.0\(scope.id)/experiments/\(percentEncoded(experiment))/runs/\(run.id)/artifacts"
    }

    // MARK: Finding

    func experiment(_ id: String, _ t: Transaction) throws -> ExperimentRecord {
        // Experiment 0 is where the client logs when nothing was said; every workspace is born with it.
        if id == "0", let known = try t.experiment(scope.key, name: "Default") { return known }
        guard let number = Int(id), let experiment = try t.experiment(scope.key, id: number) else {
            throw ARMError(404, "RESOURCE_DOES_NOT_EXIST", "No Experiment with id=\(id) exists")
        }
        return experiment
    }

    func run(_ id: String, _ t: Transaction) throws -> RunRecord {
        guard let run = try t.run(id), run.workspace == scope.key else {
            throw ARMError(404, "RESOURCE_DOES_NOT_EXIST", "Run with id=\(id) not found")
        }
        return run
    }

    /// The run, if the caller may write to it.
    func writableRun(_ id: String, _ t: Transaction, needsActive: Bool = true) throws -> RunRecord {
        let run = try run(id, t)
        if let own = caller.run, run.owner.lowercased() != own.name.lowercased() {
            throw ARMError(403, "PERMISSION_DENIED", "The token of run '\(own.name)' may not write to run '\(id)'.")
        }
        if needsActive, run.lifecycle != "active" {
            throw ARMError.invalid(
                "run_id",
                "The run \(id) must be in the 'active' state. Current state is \(run.lifecycle)."
            )
        }
        return run
    }

    // MARK: Writing

    func createRun(_ body: JSON, _ t: Transaction) throws -> RunRecord {
        let experiment = try experiment(MLflowService.text(body["experiment_id"]) ?? "0", t)
        guard experiment.lifecycle == "active" else {
            throw ARMError.invalid(
                "experiment_id",
                "The experiment \(experiment.id) must be in the 'active' state. Current state is deleted."
            )
        }
        let tags = MLflowService.readPairs(body["tags"])
        let name =
            body["run_name"]?.stringValue ?? tags.first { $0.key == "mlflow.runName" }?.value ?? RunNames.random()
        let run = RunRecord(
            id: RandomText.hex(16),
            workspace: scope.key,
            experiment: experiment.id,
            name: name,
            status: "RUNNING",
            startTime: MLflowService.integer(body["start_time"]) ?? Int(nowSeconds() * 1000),
            endTime: nil,
            lifecycle: "active",
            userId: body["user_id"]?.stringValue ?? caller.subject,
            owner: caller.run?.name ?? "",
            extra: ["experimentName": .string(experiment.name)],
            createdAt: nowSeconds()
        )
        try t.insert(run)
        for tag in tags { try t.setTag(run.id, key: tag.key, value: tag.value) }
        if !tags.contains(where: { $0.key == "mlflow.runName" }) {
            try t.setTag(run.id, key: "mlflow.runName", value: name)
        }
        if let own = caller.run {
            // A child run's artifacts are written with the parent's token.
            try t.grant(
                Caller.runSubject(workspace: own.workspace, name: own.name),
                container: scope.artifactContainer,
                prefix: Scope.runFolder(run.id),
                canWrite: true
            )
        }
        return run
    }

    func updateRun(_ body: JSON, _ t: Transaction) throws -> RunRecord {
        var run = try writableRun(MLflowService.runID(body), t, needsActive: false)
        // The state of a job's run follows the job; a script ending its run does not end the job.
        let isJob = try t.find(scope.id + "/jobs/" + run.id) != nil
        if let status = body["status"]?.stringValue, !isJob { run.status = status }
        if let end = MLflowService.integer(body["end_time"]), !isJob { run.endTime = end }
        if let name = body["run_name"]?.stringValue, !name.isEmpty {
            run.name = name
            try t.setTag(run.id, key: "mlflow.runName", value: name)
        }
        try t.update(run)
        return run
    }

    func logBatch(_ body: JSON, _ t: Transaction) throws {
        let run = try writableRun(MLflowService.runID(body), t)
        for param in MLflowService.readPairs(body["params"]) {
            try t.logParam(run.id, key: param.key, value: param.value)
        }
        for metric in body["metrics"]?.arrayValue ?? [] { try t.log(run.id, try MLflowService.readMetric(metric)) }
        for tag in MLflowService.readPairs(body["tags"]) { try t.setTag(run.id, key: tag.key, value: tag.value) }
    }

    // MARK: Reading of bodies

    static func runID(_ body: JSON) -> String { body["run_id"]?.stringValue ?? body["run_uuid"]?.stringValue ?? "" }

    static func readPairs(_ list: JSON?) -> [(key: String, value: String)] {
        (list?.arrayValue ?? []).compactMap { item in
            guard let key = item["key"]?.stringValue else { return nil }
            return (key, text(item["value"]) ?? "")
        }
    }

    static func readMetric(_ json: JSON) throws -> MetricRecord {
        guard let key = json["key"]?.stringValue, !key.isEmpty else {
            throw ARMError.invalid("key", "Missing value for required parameter 'key'.")
        }
        let value: Double?
        switch json["value"] {
        case .string(let text)?: value = Double(text == "Infinity" ? "inf" : text == "-Infinity" ? "-inf" : text)
        case nil: value = 0  // Zero is left out by protobuf encoders.
        case let number?: value = number.doubleValue
        }
        guard let value else {
            throw ARMError.invalid(
                "value",
                "Metric '\(key)' has the value \(json["value"]?.text ?? "null"), which is no number."
            )
        }
        let text =
            value.isNaN ? "NaN" : value == .infinity ? "Infinity" : value == -.infinity ? "-Infinity" : "\(value)"
        return MetricRecord(
            key: key,
            text: text,
            timestamp: integer(json["timestamp"]) ?? Int(nowSeconds() * 1000),
            step: integer(json["step"]) ?? 0
        )
    }

    static func integer(_ json: JSON?) -> Int? { json?.intValue ?? json?.stringValue.flatMap { Int($0) } }

    static func text(_ json: JSON?) -> String? {
        switch json {
        case .string(let text)?: text
        case nil, .null?: nil
        case let other?: other.text
        }
    }
}

/// Names for runs that were given none.
enum RunNames {
    private static let first = [
        "amber", "bold", "calm", "deft", "eager", "fair", "green", "keen", "lucid", "merry", "noble", "quick",
    ]
    private static let second = [
        "anchor", "bow", "cove", "drift", "float", "gale", "harbor", "keel", "mast", "oar", "reef", "sail",
    ]

    static func random() -> String {
        "\(first.randomElement() ?? "calm")-\(second.randomElement() ?? "sail")-\(Int.random(in: 100...999))"
    }
}
