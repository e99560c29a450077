package import KubeCore

/// What Volcano's validating admission refuses; pure, so that the controller and a webhook share it.
package enum VolcanoJobValidation {
    package static let events: Set<String> = [
        "*", "PodFailed", "PodEvicted", "PodPending", "TaskCompleted", "TaskFailed", "Unknown", "JobUpdated",
    ]
    package static let actions: Set<String> = [
        "AbortJob", "RestartJob", "RestartTask", "RestartPod", "RestartPartition", "TerminateJob", "CompleteJob",
        "ResumeJob",
    ]
    /// Plugins that are carried out.
    package static let plugins: Set<String> = ["env", "svc", "pytorch", "tensorflow", "mpi"]
    private static let upstreamOnly: Set<String> = ["ssh", "ray", "hcclrank"]

    /// - `queue`: the queue that the job names, or nil when it does not exist.
    package static func validate(_ job: VolcanoJob, queue: KubeObject?) -> [FieldError] {
        var errors: [FieldError] = []
        if job.tasks.isEmpty { errors.append(FieldError("spec.tasks", .required, "a job needs at least one task")) }
        if job.minAvailable > job.totalReplicas {
            errors.append(
                FieldError(
                    "spec.minAvailable",
                    .invalid,
                    "must not be greater than the number of pods of all tasks, \(job.totalReplicas)",
                    badValue: JSON(job.minAvailable)
                )
            )
        }
        var names: Set<String> = []
        for (index, task) in job.tasks.enumerated() {
            let path = "spec.tasks[\(index)]"
            if !names.insert(task.name).inserted {
                errors.append(FieldError(path + ".name", .duplicate, badValue: .string(task.name)))
            }
            errors += validate(task, path: path, job: job)
        }
        errors += validatePolicies(job.policies, path: "spec.policies")
        errors += validatePlugins(job)
        errors += validateVolumes(job)
        errors += validateDependencies(job)
        errors += validateQueue(job.queue, queue)
        return errors
    }

    private static func validate(_ task: VolcanoJob.Task, path: String, job: VolcanoJob) -> [FieldError] {
        var errors: [FieldError] = []
        if task.replicas < 0 {
            errors.append(
                FieldError(path + ".replicas", .invalid, "must not be negative", badValue: JSON(task.replicas))
            )
        }
        if task.minAvailable > task.replicas {
            errors.append(
                FieldError(
                    path + ".minAvailable",
                    .invalid,
                    "must not be greater than replicas, \(task.replicas)",
                    badValue: JSON(task.minAvailable)
                )
            )
        }
        let podName = job.podName(task, max(task.replicas - 1, 0))
        if !isLabel(podName) {
            errors.append(
                FieldError(
                    path + ".name",
                    .invalid,
                    "the pod name \(podName) must be a DNS label of at most 63 lower-case letters, digits and '-'",
                    badValue: .string(task.name)
                )
            )
        }
        if (task.template["spec"]?["containers"]?.arrayValue ?? []).isEmpty {
            errors.append(
                FieldError(path + ".template.spec.containers", .required, "a pod needs at least one container")
            )
        }
        return errors + validatePolicies(task.policies, path: path + ".policies")
    }

    private static func isLabel(_ text: String) -> Bool {
        guard (1...63).contains(text.utf8.count), text.first != "-", text.last != "-" else { return false }
        return text.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
        }
    }

    private static func validatePolicies(_ policies: [VolcanoJob.Policy], path: String) -> [FieldError] {
        var errors: [FieldError] = []
        var seenEvents: Set<String> = []
        var seenCodes: Set<Int> = []
        for (index, policy) in policies.enumerated() {
            let path = "\(path)[\(index)]"
            if !actions.contains(policy.action) {
                errors.append(
                    FieldError(
                        path + ".action",
                        .notSupported,
                        "supported values: \(actions.sorted().joined(separator: ", "))",
                        badValue: .string(policy.action)
                    )
                )
            }
            switch (policy.events.isEmpty, policy.exitCode) {
            case (true, nil): errors.append(FieldError(path, .required, "an event or an exitCode"))
            case (false, .some):
                errors.append(FieldError(path, .invalid, "must not have both an event and an exitCode"))
            case (true, .some(0)):
                errors.append(FieldError(path + ".exitCode", .invalid, "0 is not an error", badValue: 0))
            case (true, .some(let code)):
                if !seenCodes.insert(code).inserted {
                    errors.append(FieldError(path + ".exitCode", .duplicate, badValue: JSON(code)))
                }
            case (false, nil):
                for event in policy.events {
                    if !events.contains(event) {
                        errors.append(
                            FieldError(
                                path + ".event",
                                .notSupported,
                                "supported values: \(events.sorted().joined(separator: ", "))",
                                badValue: .string(event)
                            )
                        )
                    } else if !seenEvents.insert(event).inserted {
                        errors.append(FieldError(path + ".event", .duplicate, badValue: .string(event)))
                    }
                }
            }
        }
        if seenEvents.contains("*"), seenEvents.count > 1 || !seenCodes.isEmpty {
            errors.append(FieldError(path, .invalid, "the event * covers all others and must stand alone"))
        }
        return errors
    }

    private static func validatePlugins(_ job: VolcanoJob) -> [FieldError] {
        var errors: [FieldError] = []
        for name in job.plugins.keys.sorted() where !plugins.contains(name) {
            let detail =
                upstreamOnly.contains(name)
                ? "this plugin is not available on this cluster; leave it out"
                : "supported values: \(plugins.sorted().joined(separator: ", "))"
            errors.append(FieldError("spec.plugins", .notSupported, detail, badValue: .string(name)))
        }
        if let arguments = job.plugins["mpi"] {
            let master = PluginArguments(arguments)["master"] ?? "master"
            if job.task(master) == nil {
                errors.append(
                    FieldError("spec.plugins.mpi", .required, "the mpi plugin needs a task named \(master)")
                )
            }
        }
        return errors
    }

    private static func validateVolumes(_ job: VolcanoJob) -> [FieldError] {
        var errors: [FieldError] = []
        var paths: Set<String> = []
        for (index, volume) in job.volumes.enumerated() {
            let path = "spec.volumes[\(index)]"
            if volume.mountPath.isEmpty {
                errors.append(FieldError(path + ".mountPath", .required))
            } else if !paths.insert(volume.mountPath).inserted {
                errors.append(FieldError(path + ".mountPath", .duplicate, badValue: .string(volume.mountPath)))
            }
            switch (volume.claimName.isEmpty, volume.claim == nil) {
            case (true, true): errors.append(FieldError(path, .required, "volumeClaimName or volumeClaim"))
            case (false, false):
                errors.append(FieldError(path, .invalid, "must not have both volumeClaimName and volumeClaim"))
            default: break
            }
        }
        return errors
    }

    private static func validateDependencies(_ job: VolcanoJob) -> [FieldError] {
        var errors: [FieldError] = []
        var edges: [String: [String]] = [:]
        for (index, task) in job.tasks.enumerated() {
            for name in task.dependsOn where job.task(name) == nil {
                errors.append(
                    FieldError(
                        "spec.tasks[\(index)].dependsOn.name",
                        .notFound,
                        "no such task",
                        badValue: .string(name)
                    )
                )
            }
            edges[task.name] = task.dependsOn
        }
        var done: Set<String> = []
        while true {
            let next = edges.keys.filter { name in
                !done.contains(name) && (edges[name] ?? []).allSatisfy { done.contains($0) || edges[$0] == nil }
            }
            guard !next.isEmpty else { break }
            done.formUnion(next)
        }
        if done.count < edges.count {
            let cycle = edges.keys.filter { !done.contains($0) }.sorted().joined(separator: ", ")
            errors.append(FieldError("spec.tasks", .invalid, "the tasks \(cycle) depend on each other in a circle"))
        }
        return errors
    }

    private static func validateQueue(_ name: String, _ queue: KubeObject?) -> [FieldError] {
        guard let queue else {
            return [
                FieldError(
                    "spec.queue",
                    .notFound,
                    "create the queue or name another one",
                    badValue: .string(name)
                )
            ]
        }
        if name == "root" {
            return [FieldError("spec.queue", .invalid, "the root queue takes no jobs", badValue: .string(name))]
        }
        let state = queue["status", "state"]?.stringValue ?? "Open"
        guard state.isEmpty || state == "Open" else {
            return [
                FieldError(
                    "spec.queue",
                    .invalid,
                    "the queue is \(state) and takes no new jobs",
                    badValue: .string(name)
                )
            ]
        }
        return []
    }
}

/// `--key=value` arguments of a plugin.
struct PluginArguments: Sendable {
    private var values: [String: String] = [:]

    init(_ arguments: [String]) {
        for argument in arguments {
            let parts = argument.drop { $0 == "-" }.split(separator: "=", maxSplits: 1)
            guard let name = parts.first else { continue }
            values[String(name)] = parts.count == 2 ? String(parts[1]) : "true"
        }
    }

    subscript(name: String) -> String? { values[name] }
}
