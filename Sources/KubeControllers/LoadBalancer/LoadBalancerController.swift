internal import KubeCore
internal import KubeRuntime

/// The load balancer of a single machine: every Service of type LoadBalancer is reached at the machine's own addresses.
struct LoadBalancerController: Sendable {
    let context: ControllerContext
    /// Addresses to publish.
    let addresses: [String]

    func makeController() -> Controller {
        let controller = Controller(name: "load-balancer", workers: 1, logger: context.logger, reconcile: reconcile)
        controller.watch(context.informers.services)
        return controller
    }

    /// `status.loadBalancer` that the Service should have.
    static func status(of service: KubeObject, addresses: [String]) -> JSON {
        let isOurs =
            service["spec", "type"]?.stringValue == "LoadBalancer" && !service.isTerminating
            && (service["spec", "loadBalancerClass"]?.stringValue ?? "").isEmpty
        guard isOurs, !addresses.isEmpty else { return .object([:]) }
        return ["ingress": .array(addresses.map { ["ip": .string($0), "ipMode": "VIP"] })]
    }

    @Sendable func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let service = context.informers.services.get(key) else { return .settled }
        // A Service of another class belongs to somebody else's controller.
        guard (service["spec", "loadBalancerClass"]?.stringValue ?? "").isEmpty else { return .settled }
        let wanted = Self.status(of: service, addresses: addresses)
        let present = service["status", "loadBalancer"] ?? .object([:])
        guard present != wanted else { return .settled }
        var status = service["status"] ?? .object([:])
        status["loadBalancer"] = wanted
        try await context.writeStatus(.services, of: service, status)
        if wanted != .object([:]) {
            await context.events.record(
                .normal,
                reason: "EnsuredLoadBalancer",
                "Ensured load balancer",
                about: service
            )
        }
        return .settled
    }
}
