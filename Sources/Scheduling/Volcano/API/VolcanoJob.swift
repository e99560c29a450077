package import KubeCore

/// A Volcano Job with its defaults filled in, as the controller works with it.
package struct VolcanoJob: Sendable {
    package struct Policy: Sendable, Hashable {
        package var events: [String]
        package var exitCode: Int?
        package var action: String
        /// nil acts at once.
        package var timeoutSeconds: Double?

        init(_ json: JSON) {
            events = json["events"]?.stringArray ?? []
            if let event = json["event"]?.stringValue, !event.isEmpty { events.append(event) }
            exitCode = json["exitCode"]?.intValue
            action = json["action"]?.stringValue ?? ""
            timeoutSeconds = json["timeout"]?.stringValue.flatMap { GoDuration.seconds($0) }
        }
    }

    package struct Task: Sendable {
        package var name: String
        package var replicas: Int
        package var minAvailable: Int
        package var template: JSON
        package var policies: [Policy]
        package var maxRetry: Int
        package var dependsOn: [String]
        /// One of the tasks above is enough.
        package var dependsOnAny: Bool

        init(_ json: JSON, index: Int) {
            name = json["name"]?.stringValue ?? ""
            if name.isEmpty { name = "default\(index)" }
            replicas = json["replicas"]?.intValue ?? 1
            minAvailable = json["minAvailable"]?.intValue ?? replicas
            template = json["template"] ?? .object([:])
            policies = (json["policies"]?.arrayValue ?? []).map { Policy($0) }
            maxRetry = json["maxRetry"]?.intValue ?? 3
            dependsOn = json["dependsOn"]?["name"]?.stringArray ?? []
            dependsOnAny = json["dependsOn"]?["iteration"]?.stringValue == "any"
        }
    }

    package struct Volume: Sendable, Hashable {
        package var mountPath: String
        package var claimName: String
        package var claim: JSON?
    }

    package let object: KubeObject
    package let tasks: [Task]
    package let policies: [Policy]
    package let minAvailable: Int
    package let minSuccess: Int?
    package let maxRetry: Int
    package let queue: String
    package let schedulerName: String
    package let priorityClassName: String
    package let plugins: [String: [String]]
    package let volumes: [Volume]
    package let ttlSecondsAfterFinished: Int?

    /// Reads a Job and fills in what is left out.
    ///
    /// Source: the defaults of Volcano's mutating admission.
    package init(_ object: KubeObject) {
        self.object = object
        let spec = object["spec"]
        var tasks: [Task] = []
        for (index, json) in (spec?["tasks"]?.arrayValue ?? []).enumerated() { tasks.append(Task(json, index: index)) }
        self.tasks = tasks
        policies = (spec?["policies"]?.arrayValue ?? []).map { Policy($0) }
        let declared = spec?["minAvailable"]?.intValue ?? 0
        minAvailable = declared > 0 ? declared : tasks.reduce(0) { $0 + $1.minAvailable }
        minSuccess = spec?["minSuccess"]?.intValue
        maxRetry = spec?["maxRetry"]?.intValue ?? 3
        func text(_ name: String, _ fallback: String) -> String {
            let value = spec?[name]?.stringValue ?? ""
            return value.isEmpty ? fallback : value
        }
        queue = text("queue", VolcanoNames.defaultQueue)
        schedulerName = text("schedulerName", VolcanoNames.schedulerName)
        priorityClassName = text("priorityClassName", "")
        ttlSecondsAfterFinished = spec?["ttlSecondsAfterFinished"]?.intValue
        var plugins = (spec?["plugins"]?.objectValue ?? [:]).mapValues { $0.stringArray ?? [] }
        let needsNames = ["tensorflow", "mpi", "pytorch", "ray"]
        if needsNames.contains(where: { plugins[$0] != nil }), plugins["svc"] == nil { plugins["svc"] = [] }
        self.plugins = plugins
        volumes = (spec?["volumes"]?.arrayValue ?? []).map {
            Volume(
                mountPath: $0["mountPath"]?.stringValue ?? "",
                claimName: $0["volumeClaimName"]?.stringValue ?? "",
                claim: $0["volumeClaim"]
            )
        }
    }

    package var key: ObjectKey { object.key }
    package var totalReplicas: Int { tasks.reduce(0) { $0 + $1.replicas } }
    package var groupName: String { "\(object.name)-\(object.uid)" }
    package func podName(_ task: Task, _ index: Int) -> String { "\(object.name)-\(task.name)-\(index)" }
    package func task(_ name: String) -> Task? { tasks.first { $0.name == name } }

    /// `status.state.phase`, `Pending` for a new job.
    package var phase: String {
        let phase = object["status", "state", "phase"]?.stringValue ?? ""
        return phase.isEmpty ? "Pending" : phase
    }
    package var version: Int { object["status", "version"]?.intValue ?? 0 }
    package var retryCount: Int { object["status", "retryCount"]?.intValue ?? 0 }

    /// What `minAvailable` pods need, the tasks in order, each up to its own minimum first.
    package var minResources: Resources {
        var total = Resources()
        var left = minAvailable
        func take(_ task: Task, _ count: Int) {
            guard count > 0 else { return }
            var requests = Resources.requests(ofPodSpec: task.template["spec"])
            requests.pods = 0
            for _ in 0..<count { total += requests }
            left -= count
        }
        for task in tasks { take(task, min(task.minAvailable, left)) }
        for task in tasks { take(task, min(task.replicas - task.minAvailable, left)) }
        return total
    }
}

/// Durations as Go writes them: `1h30m`, `45s`, `500ms`.
package enum GoDuration {
    /// nil when the text is none.
    package static func seconds(_ text: String) -> Double? {
        let units: [(String, Double)] = [
            ("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("h", 3600), ("m", 60), ("s", 1),
        ]
        var rest = text[...]
        var total = 0.0
        guard !rest.isEmpty else { return nil }
        if rest == "0" { return 0 }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isNumber || $0 == "." }
            guard let number = Double(digits) else { return nil }
            rest = rest.dropFirst(digits.count)
            guard let unit = units.first(where: { rest.hasPrefix($0.0) }) else { return nil }
            total += number * unit.1
            rest = rest.dropFirst(unit.0.count)
        }
        return total
    }
}
