internal import KubeCore

/// Pods: admission of account, tolerations and priority; defaults; what may change; graceful deletion.
struct PodStrategy: Strategy {
    var tracksGeneration: Bool { true }

    func admit(_ object: inout KubeObject, old: KubeObject?, _ context: StrategyContext) async throws {
        guard old == nil else { return }
        try PriorityAdmission.admit(&object, context)
        try await ServiceAccountAdmission.admit(&object, context)
        TolerationAdmission.admit(&object)
    }

    func prepareForCreate(_ object: inout KubeObject, _ context: StrategyContext) throws {
        let spec = object["spec"] ?? [:]
        object["status"] = ["phase": "Pending", "qosClass": .string(PodStrategy.qosClass(spec))]
        if !(spec["schedulingGates"]?.arrayValue ?? []).isEmpty {
            object["status", "conditions"] = [
                [
                    "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
                    "message": "Scheduling is blocked due to non-empty scheduling gates", "lastProbeTime": .null,
                    "lastTransitionTime": .null,
                ]
            ]
        }
    }

    func prepareForUpdate(_ object: inout KubeObject, old: KubeObject, _ context: StrategyContext) throws {
        guard context.subresource == "status" else { return }
        if object["status", "qosClass"] == nil { object["status", "qosClass"] = old["status", "qosClass"] }
    }

    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        PodRules.errors(object["spec"], path: "spec", isTemplate: false)
    }

    func validateUpdate(_ object: KubeObject, old: KubeObject, _ context: StrategyContext) -> [FieldError] {
        switch context.subresource {
        case nil: PodRules.changes(object["spec"] ?? [:], old["spec"] ?? [:])
        case "ephemeralcontainers": PodRules.ephemeralChanges(object["spec"] ?? [:], old["spec"] ?? [:])
        case "resize": PodRules.resizeChanges(object["spec"] ?? [:], old["spec"] ?? [:])
        default: []
        }
    }

    func deletionGrace(_ object: KubeObject, asked: Int?) -> Int {
        var grace = asked ?? object["spec", "terminationGracePeriodSeconds"]?.intValue ?? 30
        if grace < 0 { grace = 1 }
        // Nothing runs (any more): there is nothing to wait for.
        let phase = object["status", "phase"]?.stringValue ?? ""
        let isUnscheduled = (object["spec", "nodeName"]?.stringValue ?? "").isEmpty
        return isUnscheduled || phase == "Succeeded" || phase == "Failed" ? 0 : grace
    }
}

extension PodStrategy {
    static func qosClass(_ spec: JSON) -> String {
        let containers = (spec["containers"]?.arrayValue ?? []) + (spec["initContainers"]?.arrayValue ?? [])
        var isGuaranteed = true
        var isAnySet = false
        for container in containers {
            for name in ["cpu", "memory"] {
                let request = container["resources", "requests", name].flatMap { try? Quantity($0) }
                let limit = container["resources", "limits", name].flatMap { try? Quantity($0) }
                if let request, !request.isZero { isAnySet = true }
                if let limit, !limit.isZero { isAnySet = true } else { isGuaranteed = false }
                if let request, let limit, request != limit { isGuaranteed = false }
            }
        }
        return !isAnySet ? "BestEffort" : isGuaranteed ? "Guaranteed" : "Burstable"
    }
}

extension JSON {
    /// Keys only, as `KubeObject`'s subscript.
    subscript(_ first: String, _ second: String, _ rest: String...) -> JSON? {
        get { self[path: [first, second] + rest] }
        set { self[path: [first, second] + rest] = newValue }
    }
}
