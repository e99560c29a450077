internal import KubeCore

/// E45001: the agent itself.
enum AgentChecker {
    private static let restartsThatMatter = 5

    static func run(_ input: HealthInput) throws -> [HealthCheck] {
        let checked = "the extension agent sees the cluster and stays up"
        let unlisted = input.observation.unlisted
        guard unlisted.isEmpty else {
            return [
                .warning(
                    "agent",
                    .agentUnhealthy,
                    checked: checked,
                    found: "the agent has not been able to list \(unlisted.sorted().joined(separator: ", "))",
                    fix: "See the check 'permissions', and whether the API server is well"
                )
            ]
        }
        let objects = try input.observation.agent.get()
        let restarts = objects.filter { $0.kind == "Pod" }.map { PodFacts($0).restartCount }.max() ?? 0
        let problem = objects.filter { $0.kind == "Deployment" }.lazy.compactMap { deployment -> String? in
            let pods = objects.filter { $0.kind == "Pod" }
            let state = ComponentReadiness.evaluate(name: deployment.name, deployment: deployment, pods: pods)
            return state.isReady ? nil : state.message
        }.first
        if let problem {
            return [
                .warning(
                    "agent",
                    .agentUnhealthy,
                    checked: checked,
                    found: "its deployment is not ready: \(problem)",
                    fix: "Look at `kubectl describe pods -n azure-arc`"
                )
            ]
        }
        if restarts >= restartsThatMatter {
            return [
                .warning(
                    "agent",
                    .agentUnhealthy,
                    checked: checked,
                    found: "it was restarted \(restarts) times",
                    fix: "Look at `kubectl logs -n azure-arc --previous deployment/outrigger-agent`"
                )
            ]
        }
        return [.passed("agent", checked: checked, found: restarts == 0 ? "well" : "well, restarted \(restarts) times")]
    }
}
