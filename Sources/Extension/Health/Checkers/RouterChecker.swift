internal import KubeCore

/// E40004 to E40006: the router as it is now.
enum RouterChecker {
    static func run(_ input: HealthInput) throws -> [HealthCheck] {
        guard input.settings.enableInference, input.inventory != nil else { return [] }
        let checked = "the inference router runs, in full and up to date"
        let name = ComponentCatalogue.router.name(extensionName: input.render.extensionName)
        let namespace = ExtensionRenderer.namespace
        let router = try input.observation.deployments.get().first { $0.name == name && $0.namespace == namespace }
        let pods = try input.observation.pods.get().filter {
            $0.labels[ExtensionRenderer.componentLabel] == name
        }
        let state = ComponentReadiness.evaluate(name: name, deployment: router, pods: pods)
        guard !state.isReady else { return [.passed("router", checked: checked, found: state.message)] }
        return [
            .failed(
                "router",
                HealthCode(rawValue: RouterTrouble.code(router)) ?? .unknownError,
                checked: checked,
                found: router == nil ? "deployment \(name) does not exist" : state.message,
                fix: router == nil
                    ? "Wait for the agent to make it again; see the extension's statuses if it does not"
                    : "Look at `kubectl describe pods -n \(namespace) -l \(ExtensionRenderer.componentLabel)=\(name)`"
            )
        ]
    }
}
