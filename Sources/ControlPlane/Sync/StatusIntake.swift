internal import ControlPlaneAPI
internal import KubeCore
internal import Logging
internal import MLTypes

/// Writes what the cluster says about jobs, endpoints and deployments into their documents.
enum StatusIntake {
    /// ARM id of the document that a custom resource belongs to.
    static func documentID(_ object: KubeObject, resource: String) -> String? {
        guard let spec = object["spec"], let workspace = spec["workspace"],
            let subscription = workspace["subscriptionId"]?.stringValue,
            let group = workspace["resourceGroup"]?.stringValue,
            let name = workspace["name"]?.stringValue
        else { return nil }
        let base = WorkspaceReference(subscriptionId: subscription, resourceGroup: group, name: name).armID
        switch resource {
        case MLResources.amlJobs.plural: return spec["jobId"]?.stringValue.map { base + "/jobs/" + $0 }
        case MLResources.onlineEndpoints.plural: return base + "/onlineEndpoints/" + object.name
        case MLResources.onlineDeployments.plural:
            guard let endpoint = spec["endpointName"]?.stringValue, let deployment = spec["deploymentName"]?.stringValue
            else { return nil }
            return base + "/onlineEndpoints/\(endpoint)/deployments/\(deployment)"
        default: return nil
        }
    }

    static func changed(_ t: Transaction, _ document: Document, _ object: KubeObject, logger: Logger) throws {
        guard let status = object["status"], status.objectValue?.isEmpty == false else { return }
        do {
            switch document.kind {
            case .job: try job(t, document, try status.decode(AmlJobStatus.self))
            case .onlineEndpoint where isCurrent(object, document):
                try endpoint(t, document, try status.decode(OnlineEndpointStatus.self))
            case .onlineDeployment where isCurrent(object, document):
                try deployment(t, document, try status.decode(OnlineDeploymentStatus.self))
            default: break
            }
        } catch let error as DecodingError {
            logger.warning("a status is not understood", metadata: ["name": "\(object.name)", "error": "\(error)"])
        }
    }

    /// Whether a status speaks of the newest state that was asked for.
    private static func isCurrent(_ object: KubeObject, _ document: Document) -> Bool {
        let sent = object.annotations[ClusterObjects.generationAnnotation].flatMap { Int($0) }
        if let sent, sent != document.hidden["generation"]?.intValue { return false }
        return object.observedGeneration == 0 || object.observedGeneration >= object.generation
    }

    // MARK: Jobs

    private static func job(_ t: Transaction, _ job: Document, _ status: AmlJobStatus) throws {
        guard !JobState.isEnded(job) else { return }
        var job = job
        let before = job.body
        let old = job[property: "status"]?.stringValue ?? "Queued"
        let new = status.phase.rawValue
        if status.phase.isTerminal {
            job[property: "status"] = .string(new)
        } else if job.hidden["isCancelRequested"] != true, JobState.rank(new) >= JobState.rank(old) {
            job[property: "status"] = .string(new)
        }
        job[property: "statusMessage"] = status.message.map(JSON.string)
        if let start = status.startTime { job[property: "startTime"] = .string(start) }
        if let end = status.endTime { job[property: "endTime"] = .string(end) }
        if let code = status.exitCode { job[property: "exitCode"] = JSON(code) }
        if let notes = status.notes {
            let known = job.hidden["notes"]?.stringArray ?? []
            job.hidden["notes"] = JSON(known + notes.filter { !known.contains($0) })
            job[property: "notes"] = job.hidden["notes"]
        }
        if status.phase == .failed { job[property: "error"] = error(status).json }
        if status.phase.isTerminal, status.endTime == nil { job[property: "endTime"] = .string(rfc3339(nowSeconds())) }
        guard job.body != before || status.notes != nil else { return }
        try t.put(&job)
        try mirror(t, job)
    }

    /// The failure in one piece: the reason, the exit code and the end of the output.
    private static func error(_ status: AmlJobStatus) -> ErrorDetail {
        var message = status.message ?? "The job failed."
        if let code = status.exitCode, !message.contains("exit code") {
            message += " The command ended with exit code \(code)."
        }
        if let tail = status.logTail, !tail.isEmpty { message += "\nLast lines of the output:\n" + tail }
        return ErrorDetail(code: status.reason ?? "JobFailed", message: message)
    }

    /// The run of a job follows it.
    static func mirror(_ t: Transaction, _ job: Document) throws {
        guard var run = try t.run(job.name) else { return }
        run.status = JobState.mlflow(job[property: "status"]?.stringValue ?? "")
        let start = job[property: "startTime"]?.stringValue.flatMap(epochSeconds)
        let end = job[property: "endTime"]?.stringValue.flatMap(epochSeconds)
        if let start { run.startTime = Int(start * 1000) }
        if JobState.isEnded(job) { run.endTime = Int((end ?? nowSeconds()) * 1000) }
        try t.update(run)
    }

    static func end(_ t: Transaction, _ job: Document, status: String, error: ErrorDetail?) throws {
        var job = job
        job[property: "status"] = .string(status)
        job[property: "endTime"] = .string(rfc3339(nowSeconds()))
        job[property: "statusMessage"] = error.map { .string($0.message) }
        job[property: "error"] = error?.json
        try t.put(&job)
        try mirror(t, job)
    }

    // MARK: Endpoints and deployments

    private static func endpoint(_ t: Transaction, _ endpoint: Document, _ status: OnlineEndpointStatus) throws {
        var endpoint = endpoint
        let before = endpoint.body
        if endpoint.hidden["isDeleting"] != true {
            endpoint[property: "provisioningState"] = .string(status.provisioningState)
        }
        if let uri = status.scoringUri { endpoint[property: "scoringUri"] = .string(uri) }
        if let uri = status.swaggerUri { endpoint[property: "swaggerUri"] = .string(uri) }
        let failure =
            status.provisioningState == "Failed"
            ? ErrorDetail(code: status.reason ?? "EndpointFailed", message: status.message ?? "The endpoint failed.")
            : nil
        endpoint[property: "error"] = failure?.json
        endpoint[property: "statusMessage"] = status.message.map(JSON.string)
        if endpoint.body != before { try t.put(&endpoint) }
        try finish(t, endpoint, state: status.provisioningState, failure)
    }

    private static func deployment(_ t: Transaction, _ deployment: Document, _ status: OnlineDeploymentStatus) throws {
        var deployment = deployment
        let before = deployment
        if deployment.hidden["isDeleting"] != true {
            deployment[property: "provisioningState"] = .string(status.provisioningState)
        }
        deployment[property: "statusMessage"] = status.message.map(JSON.string)
        if let replicas = status.replicas { deployment[property: "replicas"] = JSON(replicas) }
        if let ready = status.readyReplicas { deployment[property: "readyReplicas"] = JSON(ready) }
        if let notes = status.notes { deployment[property: "notes"] = JSON(notes) }
        var failure: ErrorDetail?
        if status.provisioningState == "Failed" {
            var message = status.message ?? "The deployment failed."
            if let tail = status.logTail, !tail.isEmpty { message += "\nLast lines of the log:\n" + tail }
            failure = ErrorDetail(code: status.reason ?? "DeploymentFailed", message: message)
        }
        deployment[property: "error"] = failure?.json
        if deployment.body != before.body { try t.put(&deployment) }
        try finish(t, deployment, state: status.provisioningState, failure)
    }

    private static func finish(_ t: Transaction, _ document: Document, state: String, _ failure: ErrorDetail?) throws {
        guard document.hidden["isDeleting"] != true, let operation = document.hidden["operation"]?.stringValue else {
            return
        }
        if state == "Succeeded" { try Operations.finish(t, id: operation, error: nil) }
        if let failure { try Operations.finish(t, id: operation, error: failure) }
    }

    // MARK: Endings from outside

    /// The object is not on the cluster.
    static func deleted(_ t: Transaction, _ document: Document) throws {
        switch document.kind {
        case .job:
            guard !JobState.isEnded(document) else { return }
            if document.hidden["isCancelRequested"] == true {
                return try end(t, document, status: "Canceled", error: nil)
            }
            try end(
                t,
                document,
                status: "Failed",
                error: ErrorDetail(
                    code: "JobDeletedOnCluster",
                    message: "The job's AmlJob was deleted from the cluster before the job had ended."
                )
            )
        case .onlineEndpoint, .onlineDeployment:
            if document.hidden["isDeleting"] == true {
                try t.remove(document.id)
                if document.kind == .onlineDeployment { try t.revoke(Caller.deploymentSubject(id: document.id)) }
                if let operation = document.hidden["operation"]?.stringValue {
                    try Operations.finish(t, id: operation, error: nil)
                }
                return
            }
            // Somebody removed it on the cluster; what users asked for is put back.
            try ClusterObjects.enqueue(t, document)
        default: break
        }
    }

    /// The cluster does not take the object.
    static func refused(_ t: Transaction, _ document: Document, _ error: ErrorDetail) throws {
        if document.kind == .job {
            guard !JobState.isEnded(document) else { return }
            return try end(t, document, status: "Failed", error: error)
        }
        var document = document
        document[property: "provisioningState"] = "Failed"
        document[property: "error"] = error.json
        document[property: "statusMessage"] = .string(error.message)
        try t.put(&document)
        if let operation = document.hidden["operation"]?.stringValue {
            try Operations.finish(t, id: operation, error: error)
        }
    }
}
