internal import ControlPlaneAPI
internal import KubeCore
internal import MLTypes

/// Jobs: submit, read, cancel, delete.
struct JobService: Sendable {
    let core: Core

    static func id(_ scope: Scope, _ name: String) -> String { scope.id + "/jobs/" + name }

    func find(_ scope: Scope, _ name: String) async throws -> Document {
        try await core.store.read { t in try JobService.find(t, scope, name) }
    }

    static func find(_ t: Transaction, _ scope: Scope, _ name: String) throws -> Document {
        try t.require(id(scope, name), "Job", remedy: "List the jobs of workspace '\(scope.name)' and check the name.")
    }

    /// Submits a job, or changes the tags and texts of one that exists.
    func put(_ scope: Scope, name: String, body: JSON, caller: Caller) async throws -> (document: Document, isNew: Bool)
    {
        try JobService.checkName(name)
        let core = core
        return try await core.store.write { t in
            if let old = try t.find(JobService.id(scope, name)) {
                return (try JobService.change(t, old, body), false)
            }
            return (try JobService.submit(t, core, scope, name: name, body: body, caller: caller), true)
        }
    }

    private static func submit(
        _ t: Transaction,
        _ core: Core,
        _ scope: Scope,
        name: String,
        body: JSON,
        caller: Caller
    ) throws -> Document {
        let properties = body["properties"] ?? .object([:])
        let type = properties["jobType"]?.stringValue ?? "Command"
        guard type.lowercased() == "command" else {
            throw ARMError(
                400,
                "JobTypeNotSupported",
                "Job '\(name)': jobs of type '\(type)' cannot be run yet; submit a command job.",
                target: "properties.jobType"
            )
        }
        if try t.run(name) != nil {
            throw ARMError.conflict(
                "JobAlreadyExists",
                "Job '\(name)': a run of this name exists in this control plane; choose another name."
            )
        }
        var job = Document(
            kind: .job,
            id: id(scope, name),
            parent: scope.id,
            name: name,
            body: ["properties": properties]
        )
        for (key, value) in properties.objectValue ?? [:] where value.isNull { job[property: key] = nil }
        job[property: "jobType"] = "Command"
        job[property: "displayName"] = properties["displayName"]?.stringValue.map(JSON.string) ?? .string(name)
        job[property: "experimentName"] = properties["experimentName"]?.stringValue.map(JSON.string) ?? "Default"
        job[property: "tags"] = properties["tags"]?.objectValue.map(JSON.object) ?? [:]
        job[property: "properties"] = properties["properties"]?.objectValue.map(JSON.object) ?? [:]
        job[property: "isArchived"] = false
        job[property: "outputs", "default"] = nil
        let experiment = try t.ensureExperiment(
            scope.key,
            name: job[property: "experimentName"]?.stringValue ?? "Default"
        )
        let plan = try JobPlan.make(job, scope, core, t)
        job[property: "computeId"] = .string(plan.compute.id)
        job[property: "status"] = "Queued"
        job[property: "statusMessage"] = "Waiting to be sent to the cluster."
        job.hidden["notes"] = JSON(plan.notes)
        job.hidden["outputs"] = .object(plan.outputs.mapValues { .string($0.url(base: core.publicURL)) })
        job.hidden["cluster"] = .string(plan.compute.computeCluster)
        job.hidden["namespace"] = .string(plan.compute.computeNamespace)
        job.hidden["createdBy"] = .string(caller.subject)
        try t.put(&job)
        try addRun(t, scope, job, experiment, caller: caller)
        try addGrants(t, scope, job, plan)
        try ClusterObjects.enqueue(t, job)
        return job
    }

    private static func addRun(
        _ t: Transaction,
        _ scope: Scope,
        _ job: Document,
        _ experiment: ExperimentRecord,
        caller: Caller
    ) throws {
        let name = job[property: "displayName"]?.stringValue ?? job.name
        try t.insert(
            RunRecord(
                id: job.name,
                workspace: scope.key,
                experiment: experiment.id,
                name: name,
                status: "SCHEDULED",
                startTime: nil,
                endTime: nil,
                lifecycle: "active",
                userId: caller.subject,
                owner: job.name,
                extra: ["experimentName": .string(experiment.name)],
                createdAt: job.createdAt
            )
        )
        try t.setTag(job.name, key: "mlflow.runName", value: name)
        try t.setTag(job.name, key: "mlflow.source.type", value: "JOB")
        for (key, value) in job[property: "tags"]?.stringMap ?? [:] { try t.setTag(job.name, key: key, value: value) }
    }

    private static func addGrants(_ t: Transaction, _ scope: Scope, _ job: Document, _ plan: JobPlan) throws {
        let subject = Caller.runSubject(workspace: scope.key, name: job.name)
        try t.grant(subject, container: scope.artifactContainer, prefix: Scope.runFolder(job.name), canWrite: true)
        for output in plan.outputs.values {
            try t.grant(subject, container: output.container, prefix: output.name, canWrite: true)
        }
        for place in plan.readable {
            try t.grant(subject, container: place.container, prefix: place.name, canWrite: false)
        }
    }

    /// What may change after the submission; anything else is another job.
    private static func change(_ t: Transaction, _ old: Document, _ body: JSON) throws -> Document {
        var job = old
        let properties = body["properties"] ?? .object([:])
        for key in ["command", "environmentId", "codeId"] {
            let before = old[property: key]?.stringValue?.lowercased() ?? ""
            let after = properties[key]?.stringValue?.lowercased() ?? before
            guard before == after else {
                throw ARMError.conflict(
                    "JobAlreadyExists",
                    "Job '\(old.name)' already exists with another \(key); choose another name."
                )
            }
        }
        for key in ["displayName", "description", "isArchived"] {
            if let value = properties[key], !value.isNull { job[property: key] = value }
        }
        if let tags = properties["tags"]?.objectValue { job[property: "tags"] = .object(tags) }
        try t.put(&job)
        return job
    }

    /// Asks for the end of a job; one that has ended is left alone.
    func cancel(_ scope: Scope, _ name: String) async throws -> Document {
        try await core.store.write { t in
            var job = try JobService.find(t, scope, name)
            guard !JobState.isEnded(job), job.hidden["isCancelRequested"] != true else { return job }
            job.hidden["isCancelRequested"] = true
            job[property: "status"] = "CancelRequested"
            job[property: "statusMessage"] = "Canceling was asked for."
            try t.put(&job)
            try ClusterObjects.enqueue(t, job)
            return job
        }
    }

    /// Removes an ended job with its run and artifacts; false when it does not exist.
    func delete(_ scope: Scope, _ name: String) async throws -> Bool {
        let deleted = try await core.store.write { t -> Document? in
            guard let job = try t.find(JobService.id(scope, name)) else { return nil }
            guard JobState.isEnded(job) else {
                throw ARMError.conflict(
                    "JobIsActive",
                    "Job '\(name)' is '\(job[property: "status"]?.stringValue ?? "")'; cancel it and wait for its end first."
                )
            }
            try ClusterObjects.enqueue(t, job, action: .delete)
            try t.remove(job.id)
            try t.removeRun(job.name)
            try t.revoke(Caller.runSubject(workspace: scope.key, name: job.name))
            return job
        }
        guard let deleted else { return false }
        try await core.blobs.deleteAll(
            below: BlobAddress(container: scope.artifactContainer, name: Scope.runFolder(deleted.name))
        )
        return true
    }

    private static func checkName(_ name: String) throws {
        let fits = name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_".contains($0)) }
        guard fits, (1...255).contains(name.count), name.first?.isLetter == true || name.first?.isNumber == true else {
            throw ARMError.invalid(
                "name",
                "Job name '\(name)' is not allowed; use at most 255 letters, digits, '-' and '_', a letter or digit first."
            )
        }
    }

    /// The job as answered.
    func resource(_ job: Document) -> JSON {
        var resource = job.resource
        var properties = resource["properties"] ?? .object([:])
        let workspace = String(job.id.dropLast("/jobs/".count + job.name.count))
        let studio = core.publicURL + "/runs/\(job.name)?wsid=\(workspace)"
        properties["services"] = [
            "Tracking": [
                "jobServiceType": "Tracking",
                "endpoint": .string("azureml://\(core.authority)/mlflow/v1.0\(workspace)?"),
                "status": .null, "errorMessage": .null, "properties": .null, "port": .null,
            ],
            "Studio": [
                "jobServiceType": "Studio", "endpoint": .string(studio), "status": .null, "errorMessage": .null,
                "properties": .null, "port": .null,
            ],
        ]
        if let notes = job.hidden["notes"]?.arrayValue, !notes.isEmpty { properties["notes"] = .array(notes) }
        properties["creationContext"] = resource["systemData"]
        resource["properties"] = properties
        return resource
    }
}
