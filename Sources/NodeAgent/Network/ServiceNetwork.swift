package import KubeCore
internal import KubeRuntime
package import Logging
internal import ServiceLifecycle

/// All that makes services of one instance work on this machine: packet filter, load-balancer addresses and resolver,
/// with the informers they share.
///
/// Run one per instance, after `InstanceNetwork.ensure()`.
package final class ServiceNetwork: Service {
    private let services: Informer
    private let slices: Informer
    private let proxy: ServiceProxy
    private let dns: ClusterDNS
    private let addresses: LoadBalancerAddresses

    /// `dns`: nil = on the bridge's address, port 53.
    package init(
        api: any ResourceAPI,
        network: InstanceNetwork,
        dns configuration: ClusterDNS.Configuration? = nil,
        logger: Logger
    ) {
        services = Informer(api: api, type: .services, logger: logger)
        slices = Informer(api: api, type: .endpointSlices, logger: logger)
        proxy = ServiceProxy(network: network, services: services, slices: slices, logger: logger)
        dns = ClusterDNS(
            configuration: configuration ?? .init(network: network),
            services: services,
            slices: slices,
            logger: logger
        )
        addresses = LoadBalancerAddresses(api: api, network: network, services: services, logger: logger)
    }

    package func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            let parts: [any Service] = [services, slices, proxy, dns, addresses.controller]
            for part in parts { group.addTask { try await part.run() } }
            try await group.waitForAll()
        }
    }
}
