internal import KubeCore

extension BuiltInCells.Row {
    /// nil for kinds that are no workloads.
    func workload(_ groupResource: String) -> [JSON]? {
        let template = templateColumns(["spec", "template"])
        let selector = JSON.string(Self.selector(object["spec", "selector"]))
        switch groupResource {
        case "deployments.apps":
            return [
                name, .string("\(integer("status", "readyReplicas"))/\(integer("spec", "replicas"))"),
                JSON(integer("status", "updatedReplicas")), JSON(integer("status", "availableReplicas")), age,
            ] + template + [selector]
        case "replicasets.apps", "replicationcontrollers":
            let labels = JSON.string(Self.labels(object["spec", "selector"]))
            return [
                name, JSON(integer("spec", "replicas")), JSON(integer("status", "replicas")),
                JSON(integer("status", "readyReplicas")), age,
            ] + template + [groupResource == "replicasets.apps" ? selector : labels]
        case "statefulsets.apps":
            return [name, .string("\(integer("status", "readyReplicas"))/\(integer("spec", "replicas"))"), age]
                + template
        case "daemonsets.apps":
            return [
                name, JSON(integer("status", "desiredNumberScheduled")),
                JSON(integer("status", "currentNumberScheduled")),
                JSON(integer("status", "numberReady")), JSON(integer("status", "updatedNumberScheduled")),
                JSON(integer("status", "numberAvailable")),
                .string(Self.labels(object["spec", "template", "spec", "nodeSelector"])), age,
            ] + template + [selector]
        case "jobs.batch":
            return [name, .string(jobStatus), .string(jobCompletions), .string(jobDuration), age] + template + [
                selector
            ]
        case "cronjobs.batch":
            let last = scalar("status", "lastScheduleTime")
            return [
                name, text("spec", "schedule", or: ""), text("spec", "timeZone"),
                object["spec", "suspend"] == true ? "True" : "False", JSON(list("status", "active").count),
                .string(last == nil ? "<none>" : since(last)), age,
            ] + templateColumns(["spec", "jobTemplate", "spec", "template"])
                + [.string(Self.selector(object["spec", "jobTemplate", "spec", "selector"]))]
        default: return nil
        }
    }

    private var jobStatus: String {
        for type in ["Complete", "Failed"] where object.isConditionTrue(type) { return type }
        if object.isTerminating { return "Terminating" }
        if object.isConditionTrue("Suspended") { return "Suspended" }
        for type in ["FailureTarget", "SuccessCriteriaMet"] where object.isConditionTrue(type) { return type }
        return "Running"
    }

    private var jobCompletions: String {
        let succeeded = integer("status", "succeeded")
        if let completions = object["spec", "completions"]?.intValue { return "\(succeeded)/\(completions)" }
        let parallelism = integer("spec", "parallelism")
        return parallelism > 1 ? "\(succeeded)/1 of \(parallelism)" : "\(succeeded)/1"
    }

    private var jobDuration: String {
        guard let start = scalar("status", "startTime").flatMap(Timestamp.seconds) else { return "" }
        let end = scalar("status", "completionTime").flatMap(Timestamp.seconds) ?? now
        return Timestamp.age(seconds: end - start)
    }

    var autoscaler: [JSON] {
        let reference =
            "\(scalar("spec", "scaleTargetRef", "kind") ?? "")/\(scalar("spec", "scaleTargetRef", "name") ?? "")"
        return [
            name, .string(reference), .string(autoscalerTargets),
            .string(scalar("spec", "minReplicas") ?? "<unset>"), .string(scalar("spec", "maxReplicas") ?? "0"),
            JSON(integer("status", "currentReplicas")), age,
        ]
    }

    private var autoscalerTargets: String {
        let metrics = list("spec", "metrics")
        let current = list("status", "currentMetrics")
        if metrics.isEmpty { return "<none>" }
        let shown = metrics.prefix(2).enumerated().map { index, metric -> String in
            let source = (metric["type"]?.stringValue ?? "").lowercasedFirst
            let target = metric[source]?["target"]
            let now = index < current.count ? current[index][source]?["current"] : nil
            let label = metric[source]?["name"]?.stringValue ?? metric[source]?["metric"]?["name"]?.stringValue
            if let wanted = target?["averageUtilization"]?.intValue {
                let value = now?["averageUtilization"]?.intValue.map { "\($0)%" } ?? "<unknown>"
                return "\(label ?? ""): \(value)/\(wanted)%"
            }
            let wanted = target?["averageValue"]?.stringValue ?? target?["value"]?.stringValue ?? "<auto>"
            let value = now?["averageValue"]?.stringValue ?? now?["value"]?.stringValue ?? "<unknown>"
            let suffix = target?["averageValue"] == nil ? "" : " (avg)"
            return source == "resource" ? "\(label ?? ""): \(value)/\(wanted)" : "\(value)/\(wanted)\(suffix)"
        }
        let rest = metrics.count > 2 ? " + \(metrics.count - 2) more..." : ""
        return shown.joined(separator: ", ") + rest
    }

    var controller: String {
        guard let owner = object.controllerReference else { return "<none>" }
        let group = owner.apiVersion.split(separator: "/").dropLast().first.map { "." + $0 } ?? ""
        return owner.kind.lowercased() + group + "/" + owner.name
    }
}

extension String {
    fileprivate var lowercasedFirst: String { prefix(1).lowercased() + dropFirst() }
}
