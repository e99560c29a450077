internal import KubeCore
internal import MLTypes

/// E45006: instance types that no job could use.
enum InstanceTypeChecker {
    private static let required = ["cpu", "memory"]
    private static let gpu = "nvidia.com/gpu"

    static func run(_ input: HealthInput) throws -> [HealthCheck] {
        let types = try input.observation.instanceTypes.get()
        let checked = "every InstanceType can be used"
        let nodes = try input.observation.nodes.get()
        let found = types.flatMap { type in
            problems(type).map { "\(type.name): \($0)" } + misfit(type, nodes).map { "\(type.name): \($0)" }
        }
        guard !found.isEmpty else {
            return [.passed("instancetype", checked: checked, found: "\(types.count) defined")]
        }
        return [
            .warning(
                "instancetype",
                .instanceTypeInvalid,
                checked: checked,
                found: found.joined(separator: "; "),
                fix: "Correct them with `kubectl edit instancetypes`"
            )
        ]
    }

    /// What is wrong with the amounts.
    ///
    /// Source: how-to-manage-kubernetes-instance-types.
    static func problems(_ type: KubeObject) -> [String] {
        var problems: [String] = []
        let resources = type["spec", "resources"]
        for part in ["requests", "limits"] {
            let amounts = resources?[part]?.objectValue ?? [:]
            for name in required {
                guard let amount = amounts[name].flatMap(quantity) else {
                    problems.append("\(part).\(name) is missing or no amount")
                    continue
                }
                if amount <= .zero { problems.append("\(part).\(name) is zero") }
            }
        }
        for name in required {
            guard let low = (resources?["requests"]?[name]).flatMap(quantity),
                let high = (resources?["limits"]?[name]).flatMap(quantity), low > high
            else { continue }
            problems.append("requests.\(name) is above limits.\(name)")
        }
        if resources?["requests"]?[gpu] != nil, resources?["requests"]?[gpu] != resources?["limits"]?[gpu] {
            problems.append("\(gpu) belongs into limits only")
        }
        return problems
    }

    /// Labels that no node has; amounts are left to the scheduler and to autoscalers.
    private static func misfit(_ type: KubeObject, _ nodes: [KubeObject]) -> [String] {
        let selector = type["spec", "nodeSelector"]?.stringMap ?? [:]
        guard !selector.isEmpty, !nodes.isEmpty else { return [] }
        let fits = nodes.contains { node in selector.allSatisfy { node.labels[$0.key] == $0.value } }
        return fits ? [] : ["no node has the labels of its nodeSelector"]
    }

    private static func quantity(_ value: JSON) -> Quantity? {
        let text = value.stringValue ?? value.text
        do { return try Quantity(parsing: text) } catch { return nil }
    }
}
