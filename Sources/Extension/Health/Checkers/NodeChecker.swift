internal import KubeCore

/// Nodes: some that can run the images, some that the selector picks, enough for high availability (E40002).
enum NodeChecker {
    static func run(_ input: HealthInput) throws -> [HealthCheck] {
        let nodes = try input.observation.nodes.get()
        let suitable = nodes.filter(isSuitable)
        guard !suitable.isEmpty else {
            let kinds = Set(nodes.map { platform($0) }).sorted().joined(separator: ", ")
            return [
                .failed(
                    "nodes",
                    .noSuitableNode,
                    checked: "a node runs linux/\(architecture)",
                    found: nodes.isEmpty ? "the cluster has no node" : "its nodes are \(kinds)",
                    fix: "Add a linux/\(architecture) node"
                )
            ]
        }
        var checks: [HealthCheck] = [
            .passed(
                "nodes",
                checked: "a node runs linux/\(architecture)",
                found: "\(suitable.count) of \(nodes.count) do"
            )
        ]
        let selector = input.settings.nodeSelector
        if !selector.isEmpty { checks.append(selected(suitable, selector, input)) }
        checks += routers(input)
        return checks
    }

    private static func selected(
        _ nodes: [KubeObject],
        _ selector: [String: String],
        _ input: HealthInput
    ) -> HealthCheck {
        let text = selector.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        let checked = "nodes have the labels \(text)"
        let matching = nodes.filter { node in selector.allSatisfy { node.labels[$0.key] == $0.value } }
        guard matching.isEmpty else {
            return .passed("nodeSelector", checked: checked, found: "\(matching.count) of \(nodes.count) do")
        }
        let fix = "Label nodes (`kubectl label node NAME \(text.replacing(",", with: " "))`), or change nodeSelector"
        if input.settings.skipResourceValidation {
            return .warning(
                "nodeSelector",
                .nodeSelector,
                checked: checked,
                found: "none of \(nodes.count) does now; an autoscaler has to bring one",
                fix: fix
            )
        }
        return .failed(
            "nodeSelector",
            .nodeSelector,
            checked: checked,
            found: "none of \(nodes.count) does, so no component could run",
            fix: fix + "; with an autoscaler set amloperator.skipResourceValidation=True"
        )
    }

    private static func routers(_ input: HealthInput) -> [HealthCheck] {
        guard input.settings.enableInference else { return [] }
        let checked = "there are nodes for the routers (inferenceRouterHA)"
        let (problems, remarks) = input.settings.check(input.facts)
        if let problem = problems.first(where: { $0.code == .insufficientNode }) {
            return [HealthCheck(problem, status: .failed, checked: checked)]
        }
        if let remark = remarks.first(where: { $0.code == .insufficientNode }) {
            return [HealthCheck(remark, status: .warning, checked: checked)]
        }
        return [
            .passed(
                "inferenceRouterHA",
                checked: checked,
                found:
                    "\(input.facts.nodeCount) node\(input.facts.nodeCount == 1 ? "" : "s") for \(input.settings.routerReplicas(input.facts)) router(s)"
            )
        ]
    }

    /// Of the images: they hold this program.
    static var architecture: String {
        #if arch(arm64)
        "arm64"
        #else
        "amd64"
        #endif
    }

    /// A node that does not say what it is may be anything.
    private static func isSuitable(_ node: KubeObject) -> Bool {
        let system = value(node, "operatingSystem", "kubernetes.io/os")
        let kind = value(node, "architecture", "kubernetes.io/arch")
        return (system.isEmpty || system == "linux") && (kind.isEmpty || kind == architecture)
    }

    private static func platform(_ node: KubeObject) -> String {
        value(node, "operatingSystem", "kubernetes.io/os") + "/" + value(node, "architecture", "kubernetes.io/arch")
    }

    private static func value(_ node: KubeObject, _ key: String, _ label: String) -> String {
        node["status", "nodeInfo", key]?.stringValue ?? node.labels[label] ?? ""
    }
}
