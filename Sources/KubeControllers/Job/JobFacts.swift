internal import KubeCore

/// Names that Jobs and their pods carry.
enum JobNames {
    static let finalizer = "batch.kubernetes.io/job-tracking"
    static let index = "batch.kubernetes.io/job-completion-index"
    static let jobName = "batch.kubernetes.io/job-name"
    static let controllerUID = "batch.kubernetes.io/controller-uid"
    static let legacyJobName = "job-name"
    static let legacyControllerUID = "controller-uid"
}

/// What the Job controller asks of a Job.
struct JobFacts: Sendable {
    let job: KubeObject

    init(_ job: KubeObject) { self.job = job }

    /// nil: done once one pod succeeded and none runs.
    var completions: Int? { job["spec", "completions"]?.intValue }
    var parallelism: Int { job["spec", "parallelism"]?.intValue ?? 1 }
    var backoffLimit: Int {
        job["spec", "backoffLimit"]?.intValue ?? (backoffLimitPerIndex == nil ? 6 : Int(Int32.max))
    }
    var backoffLimitPerIndex: Int? { isIndexed ? job["spec", "backoffLimitPerIndex"]?.intValue : nil }
    var maxFailedIndexes: Int? { job["spec", "maxFailedIndexes"]?.intValue }
    var isIndexed: Bool { job["spec", "completionMode"]?.stringValue == "Indexed" }
    var isSuspended: Bool { job["spec", "suspend"]?.boolValue ?? false }
    var deadlineSeconds: Int? { job["spec", "activeDeadlineSeconds"]?.intValue }
    var timeToLive: Int? { job["spec", "ttlSecondsAfterFinished"]?.intValue }
    var startTime: Double? { job["status", "startTime"]?.stringValue.flatMap { Timestamp.seconds($0) } }
    var replacesOnlyFailed: Bool { job["spec", "podReplacementPolicy"]?.stringValue == "Failed" }
    var failureRules: [JSON] { job["spec", "podFailurePolicy", "rules"]?.arrayValue ?? [] }

    /// The condition that ended the Job.
    var finishedCondition: JSON? {
        (job["status", "conditions"]?.arrayValue ?? []).first {
            ["Complete", "Failed"].contains($0["type"]?.stringValue) && $0["status"]?.stringValue == "True"
        }
    }

    static func index(of pod: KubeObject) -> Int? { pod.annotations[JobNames.index].flatMap { Int($0) } }
}

/// Sets of completion indexes as a Job's status writes them: `0-3,5,7-9`.
struct IndexSet: Sendable, Equatable {
    private(set) var values: Set<Int> = []

    init(_ values: Set<Int> = []) { self.values = values }

    init(parsing text: String) {
        for part in text.split(separator: ",") {
            let bounds = part.split(separator: "-").compactMap { Int($0) }
            if bounds.count == 1 { values.insert(bounds[0]) }
            if bounds.count == 2, bounds[0] <= bounds[1] { values.formUnion(bounds[0]...bounds[1]) }
        }
    }

    var text: String {
        var parts: [String] = []
        var sorted = values.sorted()[...]
        while let start = sorted.popFirst() {
            var end = start
            while sorted.first == end + 1 {
                end += 1
                sorted.removeFirst()
            }
            switch end - start {
            case 0: parts.append("\(start)")
            case 1: parts.append("\(start),\(end)")
            default: parts.append("\(start)-\(end)")
            }
        }
        return parts.joined(separator: ",")
    }

    mutating func insert(_ value: Int) { values.insert(value) }
}

/// `podFailurePolicy`: what a failed pod means for its Job.
enum PodFailureVerdict: Sendable, Equatable {
    case count
    case ignore
    case failIndex
    case failJob(message: String)

    init(pod: KubeObject, rules: [JSON]) {
        for (index, rule) in rules.enumerated() where Self.matches(pod, rule) {
            switch rule["action"]?.stringValue {
            case "Ignore": self = .ignore
            case "FailIndex": self = .failIndex
            case "FailJob":
                self = .failJob(
                    message:
                        "Pod \(pod.key) failed and matches rule \(index) of the pod failure policy, which is FailJob"
                )
            default: self = .count
            }
            return
        }
        self = .count
    }

    private static func matches(_ pod: KubeObject, _ rule: JSON) -> Bool {
        if let codes = rule["onExitCodes"] {
            let name = codes["containerName"]?.stringValue
            let values = Set((codes["values"]?.arrayValue ?? []).compactMap(\.intValue))
            let statuses =
                (pod["status", "containerStatuses"]?.arrayValue ?? [])
                + (pod["status", "initContainerStatuses"]?.arrayValue ?? [])
            return statuses.contains { status in
                if let name, !name.isEmpty, status["name"]?.stringValue != name { return false }
                guard let code = status["state"]?["terminated"]?["exitCode"]?.intValue, code != 0 else { return false }
                return codes["operator"]?.stringValue == "NotIn" ? !values.contains(code) : values.contains(code)
            }
        }
        return (rule["onPodConditions"]?.arrayValue ?? []).contains { wanted in
            let condition = pod.condition(wanted["type"]?.stringValue ?? "")
            return condition?["status"]?.stringValue == wanted["status"]?.stringValue ?? "True" && condition != nil
        }
    }
}
