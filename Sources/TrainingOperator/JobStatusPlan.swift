package import KubeCore
package import MLTypes

/// Decides the status of an `AmlJob` from what its Volcano Job and pods report.
///
/// Pure.
package struct JobStatusPlan: Sendable {
    package var job: KubeObject
    package var spec: AmlJobSpec
    package var volcanoJob: KubeObject?
    package var podGroup: KubeObject?
    package var pods: [KubeObject]
    /// RFC 3339.
    package var now: String

    package init(
        job: KubeObject,
        spec: AmlJobSpec,
        volcanoJob: KubeObject?,
        podGroup: KubeObject?,
        pods: [KubeObject],
        now: String
    ) {
        self.job = job
        self.spec = spec
        self.volcanoJob = volcanoJob
        self.podGroup = podGroup
        self.pods = pods.sorted { $0.name < $1.name }
        self.now = now
    }

    /// The new status; the present one when it is final already.
    package func status(present: AmlJobStatus?) -> AmlJobStatus {
        if let present, present.phase.isTerminal { return present }
        var status = decide()
        status.observedGeneration = job.generation
        // A short command may be over before its running was seen.
        status.startTime =
            present?.startTime ?? pods.compactMap(commandStart).min() ?? (status.phase == .running ? now : nil)
        if status.phase.isTerminal { status.endTime = now }
        let notes = MLLabels.imageNotes(pods)
        if !notes.isEmpty { status.notes = notes }
        return status
    }

    private func decide() -> AmlJobStatus {
        if spec.isCancelRequested == true {
            if volcanoJob == nil, pods.isEmpty {
                return AmlJobStatus(phase: .canceled, reason: "Canceled", message: "canceled on request")
            }
            return AmlJobStatus(phase: .finalizing, reason: "CancelRequested", message: "waiting for the pods to stop")
        }
        switch volcanoJob?["status", "state", "phase"]?.stringValue {
        case "Completed": return AmlJobStatus(phase: .completed)
        case "Failed", "Terminated", "Aborted": return failure()
        case "Completing": return AmlJobStatus(phase: .finalizing)
        case "Terminating", "Aborting":
            return AmlJobStatus(phase: .finalizing, message: "waiting for the pods to stop")
        case "Restarting":
            return AmlJobStatus(phase: .queued, reason: "Restarting", message: "the pods are started again")
        default: return progress()
        }
    }

    private func progress() -> AmlJobStatus {
        if pods.contains(where: { userContainer($0)?["state"]?["running"] != nil }) {
            return AmlJobStatus(phase: .running)
        }
        let started = pods.filter { $0["spec", "nodeName"] != nil }
        guard !started.isEmpty, started.count == pods.count else { return waiting() }
        return AmlJobStatus(phase: .preparing, reason: "Preparing", message: started.compactMap(preparation).first)
    }

    /// Why nothing has started yet, in one sentence.
    private func waiting() -> AmlJobStatus {
        let groupCondition = podGroup?["status", "conditions"]?.arrayValue?.last {
            $0["type"]?.stringValue == "Unschedulable" && $0["status"]?.stringValue == "True"
        }
        let podMessage = pods.lazy.compactMap { pod -> String? in
            guard let condition = pod.condition("PodScheduled"), condition["status"]?.stringValue == "False" else {
                return nil
            }
            return condition["message"]?.stringValue
        }.first
        if let message = groupCondition?["message"]?.stringValue ?? podMessage {
            return AmlJobStatus(phase: .queued, reason: "Unschedulable", message: message)
        }
        if volcanoJob == nil {
            return AmlJobStatus(phase: .queued, reason: "Created", message: "waiting for the operator to submit it")
        }
        let message = volcanoJob?["status", "state", "message"]?.stringValue
        return AmlJobStatus(phase: .queued, reason: "Queued", message: message ?? "waiting in queue default")
    }

    /// What the pod is doing before the user's command starts.
    private func preparation(_ pod: KubeObject) -> String? {
        let inits = pod["status", "initContainerStatuses"]?.arrayValue ?? []
        for container in inits {
            let name = container["name"]?.stringValue ?? ""
            if let waiting = container["state"]?["waiting"], let reason = waiting["reason"]?.stringValue,
                reason != "PodInitializing"
            {
                return "\(name) on \(pod.name): \(reason) \(waiting["message"]?.stringValue ?? "")"
            }
            guard container["state"]?["running"] != nil else { continue }
            switch name {
            case "environment-prepare": return "installing the environment's packages on \(pod.name)"
            case "storage-initializer": return "fetching code and inputs on \(pod.name)"
            default: return "\(name) is running on \(pod.name)"
            }
        }
        if let waiting = userContainer(pod)?["state"]?["waiting"], let reason = waiting["reason"]?.stringValue {
            return [reason, waiting["message"]?.stringValue].compactMap { $0 }.joined(separator: ": ")
        }
        return nil
    }

    private func failure() -> AmlJobStatus {
        if let pod = pods.first(where: { $0["status", "reason"]?.stringValue == "DeadlineExceeded" }) {
            return AmlJobStatus(
                phase: .failed,
                reason: "Timeout",
                message: "the job ran longer than its limit of \(spec.timeoutSeconds ?? 0) s (pod \(pod.name)); "
                    + "raise limits.timeout"
            )
        }
        for pod in pods {
            if let status = initFailure(pod) ?? userFailure(pod) { return status }
        }
        let message = volcanoJob?["status", "state", "message"]?.stringValue
        let podMessage = pods.lazy.compactMap { $0["status", "message"]?.stringValue }.first
        return AmlJobStatus(
            phase: .failed,
            reason: "Failed",
            message: podMessage ?? message ?? "the pods ended without a reason"
        )
    }

    private func initFailure(_ pod: KubeObject) -> AmlJobStatus? {
        for container in pod["status", "initContainerStatuses"]?.arrayValue ?? [] {
            guard let terminated = container["state"]?["terminated"], let code = terminated["exitCode"]?.intValue,
                code != 0
            else { continue }
            let name = container["name"]?.stringValue ?? ""
            let reason = name == "environment-prepare" ? "EnvironmentFailed" : "DataDeliveryFailed"
            let text = terminated["message"]?.stringValue ?? "exit code \(code)"
            return AmlJobStatus(
                phase: .failed,
                reason: reason,
                message: "\(name) failed on \(pod.name): \(lastLine(text))",
                logTail: text
            )
        }
        return nil
    }

    private func userFailure(_ pod: KubeObject) -> AmlJobStatus? {
        guard let terminated = userContainer(pod)?["state"]?["terminated"],
            let code = terminated["exitCode"]?.intValue, code != 0
        else { return nil }
        if terminated["reason"]?.stringValue == "OOMKilled" {
            return AmlJobStatus(
                phase: .failed,
                reason: "OutOfMemory",
                message: "the command on \(pod.name) used more memory than its limit; choose a larger instance type",
                exitCode: code
            )
        }
        if ["StartError", "ContainerCannotRun"].contains(terminated["reason"]?.stringValue) {
            let why = terminated["message"]?.stringValue ?? "no reason was given"
            return AmlJobStatus(
                phase: .failed,
                reason: "RuntimeFailed",
                message: "the container on \(pod.name) could not be started: \(why)",
                exitCode: code
            )
        }
        let report = terminated["message"]?.stringValue.flatMap(Self.report)
        let exitCode = report?.exitCode ?? code
        return AmlJobStatus(
            phase: .failed,
            reason: report?.message == nil ? "UserScriptFailed" : "RuntimeFailed",
            message: report?.message ?? "the command on \(pod.name) ended with exit code \(exitCode)",
            exitCode: exitCode,
            logTail: report?.logTail
        )
    }

    /// nil when the container left something else than our report, for instance because it was killed.
    private static func report(_ text: String) -> TerminationReport? {
        do {
            return try JSON(parsing: text).decode(TerminationReport.self)
        } catch {
            return nil
        }
    }

    private func lastLine(_ text: String) -> String {
        text.split(separator: "\n").last.map(String.init) ?? text
    }

    private func commandStart(_ pod: KubeObject) -> String? {
        let state = userContainer(pod)?["state"]
        return (state?["running"]?["startedAt"] ?? state?["terminated"]?["startedAt"])?.stringValue
    }

    private func userContainer(_ pod: KubeObject) -> JSON? {
        pod["status", "containerStatuses"]?.arrayValue?.first { $0["name"]?.stringValue == JobPlan.containerName }
    }
}
