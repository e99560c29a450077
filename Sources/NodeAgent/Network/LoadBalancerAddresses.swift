package import KubeCore
package import KubeRuntime
package import Logging

/// Gives each Service of type LoadBalancer an address of its own from the instance's range, so that its ports never
/// clash with another service's or this machine's.
///
/// State is the Services' status.
package final class LoadBalancerAddresses: Sendable {
    /// Reconciles one Service at a time, so that two never get the same address.
    package let controller: Controller

    /// `services`: informer of Services in all namespaces, run by the caller.
    package init(api: any ResourceAPI, network: InstanceNetwork, services: Informer, logger: Logger) {
        let range = network.loadBalancerRange
        let recorder = EventRecorder(api: api, component: "load-balancer", logger: logger)
        controller = Controller(name: "load-balancer", workers: 1, logger: logger) { key in
            // Read from the server: the informer may not have seen the address given a moment ago.
            guard let service = try await api.find(.services, namespace: key.namespace, name: key.name) else {
                return .settled
            }
            guard Self.needsDecision(service, range: range) else { return .settled }
            let all = try await api.list(.services).items
            switch Self.decide(service, among: all, range: range) {
            case .keep: break
            case .assign(let address):
                try await Self.write([["ip": .string(address.description), "ipMode": "VIP"]], service, api)
            case .clear:
                try await Self.write([], service, api)
            case .exhausted:
                await recorder.record(
                    .warning,
                    reason: "SyncLoadBalancerFailed",
                    "all addresses of \(range) are taken; delete another service of type LoadBalancer",
                    about: service
                )
                return .recheck(after: .seconds(30))
            }
            return .settled
        }
        controller.watch(services)
    }

    enum Decision: Equatable {
        case keep
        case assign(IPv4Address)
        case clear
        case exhausted
    }

    private static func needsDecision(_ service: KubeObject, range: IPv4Range) -> Bool {
        decide(service, among: [], range: range) != .keep
    }

    static func decide(_ service: KubeObject, among all: [KubeObject], range: IPv4Range) -> Decision {
        let mine = addresses(service).filter(range.contains)
        let isOurs =
            service["spec", "type"]?.stringValue == "LoadBalancer" && service["spec", "loadBalancerClass"] == nil
            && !service.isTerminating
        guard isOurs else { return mine.isEmpty || service.isTerminating ? .keep : .clear }
        guard mine.isEmpty else { return .keep }
        let taken = Set(all.filter { $0.key != service.key }.flatMap(addresses))
        if let wish = service["spec", "loadBalancerIP"]?.stringValue.flatMap({ IPv4Address($0) }),
            range.contains(wish), !taken.contains(wish)
        {
            return .assign(wish)
        }
        return (1...254).map(range.address).first { !taken.contains($0) }.map(Decision.assign) ?? .exhausted
    }

    private static func addresses(_ service: KubeObject) -> [IPv4Address] {
        (service["status", "loadBalancer", "ingress"]?.arrayValue ?? []).compactMap {
            $0["ip"]?.stringValue.flatMap { IPv4Address($0) }
        }
    }

    private static func write(_ ingress: [JSON], _ service: KubeObject, _ api: any ResourceAPI) async throws {
        let metadata: JSON = ["resourceVersion": .string(service.resourceVersion ?? "")]
        let balancer: JSON = ingress.isEmpty ? [:] : ["ingress": .array(ingress)]
        let status: JSON = ["loadBalancer": ingress.isEmpty ? .null : balancer]
        try await api.patch(
            .services,
            service.key,
            subresource: "status",
            .merge(["metadata": metadata, "status": status])
        )
    }
}
