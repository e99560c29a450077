internal import KubeCore

/// One port of a Service with the endpoints that answer it now: all that the packet filter has to know.
struct ServicePort: Hashable {
    struct Endpoint: Hashable, Comparable, CustomStringConvertible {
        var ip: IPv4Address
        var port: Int

        var description: String { "\(ip) . \(port)" }
        static func < (left: Endpoint, right: Endpoint) -> Bool { (left.ip, left.port) < (right.ip, right.port) }
    }

    /// `namespace/service:port`.
    var name: String
    /// `tcp` or `udp`.
    var transport: String
    var port: Int
    var nodePort: Int?
    var clusterIPs: [IPv4Address]
    var externalIPs: [IPv4Address]
    var loadBalancerIPs: [IPv4Address]
    var sourceRanges: [IPv4Range]
    /// Seconds for which a client keeps its endpoint; nil without session affinity.
    var affinitySeconds: Int?
    /// Sorted.
    var endpoints: [Endpoint]
}

extension ServicePort {
    static let serviceNameLabel = "kubernetes.io/service-name"

    /// Every TCP and UDP port of every Service that has an address.
    ///
    /// Headless and ExternalName services have none.
    static func all(services: [KubeObject], slices: [KubeObject]) -> [ServicePort] {
        var slicesByService: [ObjectKey: [KubeObject]] = [:]
        for slice in slices {
            guard slice["addressType"]?.stringValue == "IPv4", let name = slice.labels[serviceNameLabel] else {
                continue
            }
            slicesByService[ObjectKey(namespace: slice.namespace, name: name), default: []].append(slice)
        }
        return services.flatMap { ports(of: $0, slices: slicesByService[$0.key] ?? []) }.sorted { $0.name < $1.name }
    }

    private static func ports(of service: KubeObject, slices: [KubeObject]) -> [ServicePort] {
        let spec = service["spec"] ?? .null
        let type = spec["type"]?.stringValue ?? "ClusterIP"
        guard type != "ExternalName" else { return [] }
        let single = spec["clusterIP"]?.stringValue.map { [$0] } ?? []
        let clusterIPs = (spec["clusterIPs"]?.stringArray ?? single).compactMap { IPv4Address($0) }
        guard !clusterIPs.isEmpty else { return [] }
        var affinity: Int?
        if spec["sessionAffinity"]?.stringValue == "ClientIP" {
            affinity = spec[path: "sessionAffinityConfig", "clientIP", "timeoutSeconds"]?.intValue ?? 10800
        }
        let ingress = type == "LoadBalancer" ? service["status", "loadBalancer", "ingress"]?.arrayValue ?? [] : []
        return (spec["ports"]?.arrayValue ?? []).compactMap { port in
            let transport = (port["protocol"]?.stringValue ?? "TCP").lowercased()
            guard let number = port["port"]?.intValue, transport == "tcp" || transport == "udp" else { return nil }
            let portName = port["name"]?.stringValue ?? ""
            return ServicePort(
                name: "\(service.key):\(portName.isEmpty ? String(number) : portName)/\(transport)",
                transport: transport,
                port: number,
                nodePort: type == "ClusterIP" ? nil : port["nodePort"]?.intValue,
                clusterIPs: clusterIPs,
                externalIPs: (spec["externalIPs"]?.stringArray ?? []).compactMap { IPv4Address($0) },
                loadBalancerIPs: ingress.compactMap { $0["ip"]?.stringValue.flatMap { IPv4Address($0) } },
                sourceRanges: (spec["loadBalancerSourceRanges"]?.stringArray ?? []).compactMap { IPv4Range($0) },
                affinitySeconds: affinity,
                endpoints: endpoints(
                    slices,
                    portName: portName,
                    transport: transport,
                    includesNotReady: spec["publishNotReadyAddresses"]?.boolValue ?? false
                )
            )
        }
    }

    /// Ready endpoints; when there are none, those that still serve while they terminate.
    private static func endpoints(
        _ slices: [KubeObject],
        portName: String,
        transport: String,
        includesNotReady: Bool
    ) -> [Endpoint] {
        var ready: Set<Endpoint> = []
        var serving: Set<Endpoint> = []
        for slice in slices {
            let port = slice["ports"]?.arrayValue?.first {
                ($0["name"]?.stringValue ?? "") == portName
                    && ($0["protocol"]?.stringValue ?? "TCP").lowercased() == transport
            }
            guard let number = port?["port"]?.intValue else { continue }
            for entry in slice["endpoints"]?.arrayValue ?? [] {
                guard let ip = entry["addresses"]?[0]?.stringValue.flatMap({ IPv4Address($0) }) else { continue }
                let conditions = entry["conditions"] ?? .null
                let isReady = conditions["ready"]?.boolValue ?? true
                if isReady || includesNotReady {
                    ready.insert(Endpoint(ip: ip, port: number))
                } else if conditions["serving"]?.boolValue == true {
                    serving.insert(Endpoint(ip: ip, port: number))
                }
            }
        }
        return (ready.isEmpty ? serving : ready).sorted()
    }
}
