internal import ControlPlaneAPI
internal import KubeCore

/// Takes in what agents report.
enum ExtensionReports {
    private static let states = ["Creating", "Updating", "Deleting", "Succeeded", "Failed", "Canceled", "Pending"]

    /// Stores a report of the agent of `cluster`; one that repeats, is late or is about another cluster changes nothing.
    static func take(_ t: Transaction, _ report: ExtensionReport, cluster: String, now: Double) throws {
        let id = ExtensionService.id(cluster: cluster, name: report.name)
        if report.isGone { try removeTombstone(t, id: id, report) }
        guard var record = try ExtensionRecord.find(t, id), record.generation == report.generation else { return }
        if record.isDeleting {
            try takeDeleting(t, &record, report)
        } else {
            try takeInstalling(t, &record, report, now: now)
        }
    }

    private static func removeTombstone(_ t: Transaction, id: String, _ report: ExtensionReport) throws {
        guard let document = try t.find(ExtensionTombstone.key(id)),
            ExtensionTombstone(document: document).generation == report.generation
        else { return }
        try t.remove(document.id)
    }

    /// What is being deleted stays "Deleting" until it is gone or deleting it has failed.
    private static func takeDeleting(
        _ t: Transaction,
        _ record: inout ExtensionRecord,
        _ report: ExtensionReport
    ) throws {
        if report.isGone {
            try t.remove(record.document.id)
            try Operations.finish(t, id: record.operation, error: nil)
            return
        }
        let before = record.document.body
        if report.provisioningState == "Failed" { record.state = "Failed" }
        if report.provisioningState == "Deleting" { record.state = "Deleting" }
        try store(t, &record, report, before: before)
        if report.provisioningState == "Failed" {
            try Operations.finish(t, id: record.operation, error: failure(report, record))
        }
    }

    private static func takeInstalling(
        _ t: Transaction,
        _ record: inout ExtensionRecord,
        _ report: ExtensionReport,
        now: Double
    ) throws {
        let before = record.document
        if states.contains(report.provisioningState) { record.state = report.provisioningState }
        switch report.provisioningState {
        case "Succeeded":
            record.markSucceeded(now: now)
            try store(t, &record, report, before: before.body, hiddenBefore: before.hidden)
            try Operations.finish(t, id: record.operation, error: nil)
        case "Failed", "Canceled":
            let isFirst = record.succeededGeneration < record.generation
            try store(t, &record, report, before: before.body)
            if record.isAtomic, isFirst {
                try goBack(t, &record, failure(report, record), now: now)
            } else {
                try Operations.finish(t, id: record.operation, error: failure(report, record))
            }
        default:
            try store(t, &record, report, before: before.body)
        }
    }

    private static func store(
        _ t: Transaction,
        _ record: inout ExtensionRecord,
        _ report: ExtensionReport,
        before: JSON,
        hiddenBefore: JSON? = nil
    ) throws {
        record.document[property: "statuses"] = try JSON(encoding: report.statuses)
        record.document[property: "errorInfo"] = report.errorInfo?.json
        if let version = report.currentVersion { record.document[property: "currentVersion"] = .string(version) }
        let isSame =
            record.document.body == before && (hiddenBefore ?? record.document.hidden) == record.document.hidden
        if !isSame { try t.put(&record.document) }
    }

    private static func failure(_ report: ExtensionReport, _ record: ExtensionRecord) -> ErrorDetail {
        report.errorInfo
            ?? ErrorDetail(
                code: "ExtensionOperationFailed",
                message:
                    "The agent of cluster '\(record.cluster)' could not bring extension '\(record.name)' about; its statuses say more."
            )
    }

    /// Undoes an atomic generation that failed: the last revision comes back, or everything goes when there is none.
    private static func goBack(
        _ t: Transaction,
        _ record: inout ExtensionRecord,
        _ error: ErrorDetail,
        now: Double
    ) throws {
        let revision = record.revisions.last
        var error = error
        if !error.message.hasSuffix(".") { error.message += "." }
        error.message +=
            revision.map { " The extension goes back to revision \($0.generation), as atomic was set." }
            ?? " What was installed is removed, as atomic was set."
        try Operations.finish(t, id: record.operation, error: error)
        if let revision { record.wish = ExtensionService.wish(of: revision, from: record.wish) }
        try ExtensionService.begin(t, &record, state: revision == nil ? "Deleting" : "Updating", now: now)
        let remark = ExtensionStatusEntry(
            code: "RolledBack",
            displayStatus: "Rolled back",
            level: "Warning",
            message: "\(error.code): \(error.message)",
            time: rfc3339(now)
        )
        record.document.hidden["remarks"] = .array([try JSON(encoding: remark)])
        try t.put(&record.document)
    }
}
