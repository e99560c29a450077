internal import KubeCore
internal import KubeRuntime

/// Where the records of the cluster's domain come from.
protocol ClusterRecords: Sendable {
    func service(namespace: String, name: String) -> KubeObject?
    func slices(namespace: String, service: String) -> [KubeObject]
    func hasServices(namespace: String) -> Bool
    func services(address: String) -> [KubeObject]
    func slices(address: String) -> [KubeObject]
}

/// Records from informers of Services and EndpointSlices.
struct InformedRecords: ClusterRecords {
    let services: Informer
    let slices: Informer

    init(services: Informer, slices: Informer) {
        self.services = services
        self.slices = slices
        services.addIndex("address") { service in
            service["spec", "clusterIPs"]?.stringArray ?? service["spec", "clusterIP"]?.stringValue.map { [$0] } ?? []
        }
        services.addIndex("namespace") { [$0.namespace ?? ""] }
        slices.addIndex("service") { slice in
            slice.labels[ServicePort.serviceNameLabel].map { ["\(slice.namespace ?? "")/\($0)"] } ?? []
        }
        slices.addIndex("address") { slice in
            (slice["endpoints"]?.arrayValue ?? []).flatMap { $0["addresses"]?.stringArray ?? [] }
        }
    }

    func service(namespace: String, name: String) -> KubeObject? {
        services.get(ObjectKey(namespace: namespace, name: name))
    }
    func slices(namespace: String, service: String) -> [KubeObject] {
        slices.list(index: "service", value: "\(namespace)/\(service)")
    }
    func hasServices(namespace: String) -> Bool { !services.list(index: "namespace", value: namespace).isEmpty }
    func services(address: String) -> [KubeObject] { services.list(index: "address", value: address) }
    func slices(address: String) -> [KubeObject] { slices.list(index: "address", value: address) }
}

/// Answers questions about the cluster's domain.
///
/// Pure: no socket, no clock.
///
/// Source: the Kubernetes DNS-based service discovery specification 1.1.0.
struct ClusterZone {
    /// What to do with a question.
    enum Outcome: Equatable {
        case answer(DNSAnswer)
        /// Ask the host's resolvers.
        case forward
        /// Answer these records (a CNAME) with what the host's resolvers say about its target.
        case chase([DNSRecord], target: DNSName)
    }

    let domain: DNSName
    /// Reverse questions within these are never forwarded.
    let ranges: [IPv4Range]
    let records: any ClusterRecords

    static let ttl: UInt32 = 5

    func outcome(_ query: DNSQuery) -> Outcome {
        guard query.questionClass == 1 || query.questionClass == 255 else { return .forward }
        if let address = Self.reverseAddress(query.name) { return reverse(query, address) }
        guard let path = query.name.prefix(before: domain) else { return .forward }
        guard let found = lookUp(path, type: query.type) else { return .answer(negative(.nameError)) }
        if case .some(.cname(let target)) = found.records.first?.content, query.type != .cname, query.type != .any {
            guard target.prefix(before: domain) != nil else { return .chase(found.records, target: target) }
            var answer = DNSAnswer(answers: found.records)
            if let more = lookUp(target.prefix(before: domain) ?? [], type: query.type) {
                answer.answers += more.records.map { record in
                    var record = record
                    if record.name.labels.isEmpty { record.name = target }
                    return record
                }
            }
            return .answer(answer)
        }
        guard !found.records.isEmpty else { return .answer(negative(.noError)) }
        return .answer(DNSAnswer(answers: found.records, additional: found.additional))
    }

    struct Found: Equatable {
        var records: [DNSRecord] = []
        var additional: [DNSRecord] = []
    }

    /// nil when there is no such name; no records when the name has none of this type.
    private func lookUp(_ path: [String], type: DNSType) -> Found? {
        let name = DNSName(path + domain.labels)
        switch path.last {
        case nil:
            guard type == .soa || type == .any else { return Found() }
            return Found(records: [soa])
        case "svc": return serviceName(Array(path.dropLast()), name: name, type: type)
        case "pod": return podName(Array(path.dropLast()), name: name, type: type)
        case "dns-version" where path.count == 1: return Found()
        default: return nil
        }
    }

    private func serviceName(_ path: [String], name: DNSName, type: DNSType) -> Found? {
        guard let namespace = path.last else { return Found() }
        guard path.count > 1 else { return records.hasServices(namespace: namespace) ? Found() : nil }
        guard let service = records.service(namespace: namespace, name: path[path.count - 2]) else { return nil }
        let rest = Array(path.dropLast(2))
        if service["spec", "type"]?.stringValue == "ExternalName" {
            guard rest.isEmpty, let target = service["spec", "externalName"]?.stringValue else { return nil }
            return Found(records: [DNSRecord(name: name, ttl: Self.ttl, content: .cname(DNSName(target)))])
        }
        let addresses =
            (service["spec", "clusterIPs"]?.stringArray ?? service["spec", "clusterIP"]?.stringValue.map { [$0] } ?? [])
            .compactMap { IPv4Address($0) }
        let isHeadless = addresses.isEmpty
        let endpoints = isHeadless ? readyEndpoints(service, namespace: namespace) : []
        switch rest.count {
        case 0:
            return serviceItself(
                service,
                addresses: addresses,
                endpoints: endpoints,
                name: name,
                type: type
            )
        case 1 where isHeadless:
            let host = endpoints.filter { $0.hostname == rest[0] || $0.dashed == rest[0] }
            guard !host.isEmpty else { return nil }
            return addressRecords(host.map(\.ip), name: name, type: type)
        case 2 where rest[0].hasPrefix("_") && rest[1].hasPrefix("_"):
            return portName(
                service,
                port: String(rest[0].dropFirst()),
                transport: String(rest[1].dropFirst()),
                addresses: addresses,
                endpoints: endpoints,
                name: name,
                type: type
            )
        default: return nil
        }
    }

    private func serviceItself(
        _ service: KubeObject,
        addresses: [IPv4Address],
        endpoints: [ZoneEndpoint],
        name: DNSName,
        type: DNSType
    ) -> Found? {
        if addresses.isEmpty {
            // A headless service without endpoints does not exist, as in the reference resolver.
            guard !endpoints.isEmpty else { return nil }
            if type == .srv {
                return srvRecords(
                    endpoints.flatMap { host in host.ports.map { (host, $0.number) } },
                    service: name,
                    name: name
                )
            }
            return addressRecords(Self.unique(endpoints.map(\.ip)), name: name, type: type)
        }
        if type == .srv {
            let ports = (service["spec", "ports"]?.arrayValue ?? []).compactMap { $0["port"]?.intValue }
            return Found(
                records: ports.map { srv(name, port: $0, target: name) },
                additional: addressRecords(addresses, name: name, type: .a).records
            )
        }
        return addressRecords(addresses, name: name, type: type)
    }

    private func portName(
        _ service: KubeObject,
        port: String,
        transport: String,
        addresses: [IPv4Address],
        endpoints: [ZoneEndpoint],
        name: DNSName,
        type: DNSType
    ) -> Found? {
        let serviceName = DNSName(Array(name.labels.dropFirst(2)))
        if addresses.isEmpty {
            let matches = endpoints.flatMap { host in
                host.ports.filter { $0.name == port && $0.transport == transport }.map { (host, $0.number) }
            }
            guard !matches.isEmpty else { return nil }
            return type == .srv || type == .any ? srvRecords(matches, service: serviceName, name: name) : Found()
        }
        let match = service["spec", "ports"]?.arrayValue?.first {
            $0["name"]?.stringValue == port && ($0["protocol"]?.stringValue ?? "TCP").lowercased() == transport
        }
        guard let number = match?["port"]?.intValue else { return nil }
        guard type == .srv || type == .any else { return Found() }
        return Found(
            records: [srv(name, port: number, target: serviceName)],
            additional: addressRecords(addresses, name: serviceName, type: .a).records
        )
    }

    private func srvRecords(_ hosts: [(ZoneEndpoint, Int)], service: DNSName, name: DNSName) -> Found {
        var found = Found()
        for (host, port) in hosts {
            let target = DNSName([host.hostname ?? host.dashed] + service.labels)
            found.records.append(srv(name, port: port, target: target))
            found.additional.append(DNSRecord(name: target, ttl: Self.ttl, content: .a(host.ip)))
        }
        found.additional = Self.unique(found.additional)
        return found
    }

    private func srv(_ name: DNSName, port: Int, target: DNSName) -> DNSRecord {
        DNSRecord(
            name: name,
            ttl: Self.ttl,
            content: .srv(priority: 0, weight: 100, port: UInt16(truncatingIfNeeded: port), target: target)
        )
    }

    /// `10-1-2-3.namespace.pod.domain`.
    private func podName(_ path: [String], name: DNSName, type: DNSType) -> Found? {
        guard path.count <= 2 else { return nil }
        guard path.count == 2 else { return Found() }
        guard let address = IPv4Address(path[0].replacing("-", with: ".")) else { return nil }
        return addressRecords([address], name: name, type: type)
    }

    private func addressRecords(_ addresses: [IPv4Address], name: DNSName, type: DNSType) -> Found {
        guard type == .a || type == .any else { return Found() }
        return Found(records: addresses.map { DNSRecord(name: name, ttl: Self.ttl, content: .a($0)) })
    }

    private func reverse(_ query: DNSQuery, _ address: IPv4Address) -> Outcome {
        var targets = records.services(address: address.description).map {
            DNSName([$0.name, $0.namespace ?? "", "svc"] + domain.labels)
        }
        if targets.isEmpty {
            for slice in records.slices(address: address.description) {
                guard let service = slice.labels[ServicePort.serviceNameLabel] else { continue }
                let host = slice["endpoints"]?.arrayValue?.first {
                    $0["addresses"]?.stringArray?.contains(address.description) == true
                }
                let label = host?["hostname"]?.stringValue ?? address.description.replacing(".", with: "-")
                targets.append(DNSName([label, service, slice.namespace ?? "", "svc"] + domain.labels))
            }
        }
        if targets.isEmpty {
            return ranges.contains { $0.contains(address) } ? .answer(negative(.nameError)) : .forward
        }
        guard query.type == .ptr || query.type == .any else { return .answer(negative(.noError)) }
        let answers = Self.unique(targets).sorted { $0.description < $1.description }
            .map { DNSRecord(name: query.name, ttl: Self.ttl, content: .ptr($0)) }
        return .answer(DNSAnswer(answers: answers))
    }

    private static func reverseAddress(_ name: DNSName) -> IPv4Address? {
        guard let labels = name.prefix(before: DNSName(["in-addr", "arpa"])), labels.count == 4 else { return nil }
        return IPv4Address(labels.reversed().joined(separator: "."))
    }

    private func negative(_ code: DNSCode) -> DNSAnswer { DNSAnswer(code: code, authorities: [soa]) }

    private var soa: DNSRecord {
        DNSRecord(
            name: domain,
            ttl: Self.ttl,
            content: .soa(
                primary: DNSName(["ns", "dns"] + domain.labels),
                mailbox: DNSName(["hostmaster"] + domain.labels),
                serial: 1,
                minimum: Self.ttl
            )
        )
    }

    private func readyEndpoints(_ service: KubeObject, namespace: String) -> [ZoneEndpoint] {
        let includesNotReady = service["spec", "publishNotReadyAddresses"]?.boolValue ?? false
        return records.slices(namespace: namespace, service: service.name).filter {
            $0["addressType"]?.stringValue == "IPv4"
        }.flatMap { slice in
            let ports = (slice["ports"]?.arrayValue ?? []).compactMap { ZoneEndpoint.Port($0) }
            return (slice["endpoints"]?.arrayValue ?? []).compactMap { entry -> ZoneEndpoint? in
                guard includesNotReady || entry[path: "conditions", "ready"]?.boolValue ?? true,
                    let ip = entry["addresses"]?[0]?.stringValue.flatMap({ IPv4Address($0) })
                else { return nil }
                return ZoneEndpoint(ip: ip, hostname: entry["hostname"]?.stringValue?.lowercased(), ports: ports)
            }
        }.sorted { $0.ip < $1.ip }
    }

    private static func unique<T: Hashable>(_ values: [T]) -> [T] {
        var seen: Set<T> = []
        return values.filter { seen.insert($0).inserted }
    }
}

/// One pod behind a headless service.
struct ZoneEndpoint: Hashable {
    struct Port: Hashable {
        var name: String
        var transport: String
        var number: Int

        init?(_ json: JSON) {
            guard let number = json["port"]?.intValue else { return nil }
            self.number = number
            name = json["name"]?.stringValue ?? ""
            transport = (json["protocol"]?.stringValue ?? "TCP").lowercased()
        }
    }

    var ip: IPv4Address
    var hostname: String?
    var ports: [Port]

    /// `10-1-2-3`.
    var dashed: String { ip.description.replacing(".", with: "-") }
}
