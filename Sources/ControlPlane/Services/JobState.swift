internal import KubeCore

/// States of jobs in Azure ML's words.
enum JobState {
    static let terminal: Set<String> = ["Completed", "Failed", "Canceled"]

    static func isEnded(_ document: Document) -> Bool {
        document.kind == .job && terminal.contains(document[property: "status"]?.stringValue ?? "")
    }

    /// MLflow's word for a state.
    static func mlflow(_ status: String) -> String {
        switch status {
        case "Completed": "FINISHED"
        case "Failed": "FAILED"
        case "Canceled": "KILLED"
        case "Running", "Finalizing", "CancelRequested": "RUNNING"
        default: "SCHEDULED"
        }
    }

    /// Order of states; a report never moves a job backwards.
    static func rank(_ status: String) -> Int {
        switch status {
        case "NotStarted": 0
        case "Queued": 1
        case "Provisioning", "Preparing", "Starting": 2
        case "Running": 3
        case "CancelRequested": 4
        case "Finalizing": 5
        default: terminal.contains(status) ? 6 : 1
        }
    }
}
