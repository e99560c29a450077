internal import Foundation
package import KubeCore
internal import MLTypes

/// Makes the route table from the cluster's objects.
///
/// Pure: equal objects give an equal table.
package struct RouteTableBuilder: Sendable {
    /// The table, and what in the objects could not be followed.
    package struct Result: Sendable, Hashable {
        package var table: RouteTable
        package var problems: [String]
        /// For endpoints that take tokens: the key that signs them, by endpoint name.
        package var tokenKeys: [String: [UInt8]] = [:]
    }

    package var endpoints: [KubeObject]
    package var deployments: [KubeObject]
    /// Those with endpoint keys; others are ignored.
    package var secrets: [KubeObject]
    package var endpointSlices: [KubeObject]

    package init(
        endpoints: [KubeObject],
        deployments: [KubeObject],
        secrets: [KubeObject],
        endpointSlices: [KubeObject]
    ) {
        self.endpoints = endpoints
        self.deployments = deployments
        self.secrets = secrets
        self.endpointSlices = endpointSlices
    }

    /// Label of an EndpointSlice that names its Service.
    package static let serviceNameLabel = "kubernetes.io/service-name"

    package func build() -> Result {
        var problems: [String] = []
        let slices = Dictionary(grouping: endpointSlices) { slice in
            ObjectKey(namespace: slice.namespace, name: slice.labels[RouteTableBuilder.serviceNameLabel] ?? "")
        }
        let secretsByKey = Dictionary(secrets.map { ($0.key, $0) }) { first, _ in first }
        let specs = deploymentSpecs(&problems)
        var routes: [RouteTable.Endpoint] = []
        var taken: [String: String] = [:]
        var tokenKeys: [String: [UInt8]] = [:]
        // Two namespaces may hold the same name, but a path has room for one: the older endpoint keeps it.
        let ordered = endpoints.sorted {
            ($0.creationTimestamp ?? "", $0.namespace ?? "") < ($1.creationTimestamp ?? "", $1.namespace ?? "")
        }
        for object in ordered where !object.isTerminating {
            let spec: OnlineEndpointSpec
            do {
                spec = try (object.json["spec"] ?? [:]).decode()
            } catch {
                problems.append("endpoint \"\(object.key)\" cannot be read: \(error)")
                continue
            }
            if let other = taken[object.name] {
                problems.append(
                    "endpoint \"\(object.key)\" is not served: namespace \"\(other)\" has an older endpoint of that name; rename it"
                )
                continue
            }
            taken[object.name] = object.namespace ?? ""
            let members = specs[ObjectKey(namespace: object.namespace, name: object.name)] ?? []
            let deployments = members.map { member in
                deployment(member, weight: spec.traffic?[member.spec.deploymentName] ?? 0, slices: slices)
            }
            for name in (spec.traffic ?? [:]).keys.sorted()
            where !members.contains(where: { $0.spec.deploymentName == name }) {
                if spec.traffic?[name] ?? 0 > 0 {
                    problems.append(
                        "endpoint \"\(object.key)\" sends traffic to deployment \"\(name)\", which does not exist"
                    )
                }
            }
            if spec.authMode == "AMLToken" {
                let key = ObjectKey(namespace: object.namespace, name: spec.keysSecret)
                if let bytes = secretsByKey[key].flatMap({ Self.bytes($0, "primaryKey") }) {
                    tokenKeys[object.name] = bytes
                } else {
                    problems.append(
                        "endpoint \"\(object.key)\" lets nobody in: its Secret \"\(key)\" does not exist or has no primaryKey"
                    )
                }
            }
            routes.append(
                RouteTable.Endpoint(
                    name: object.name,
                    auth: auth(object, spec, secretsByKey, &problems),
                    deployments: deployments
                )
            )
        }
        return Result(table: RouteTable(endpoints: routes), problems: problems, tokenKeys: tokenKeys)
    }

    private struct Member {
        let key: ObjectKey
        let spec: OnlineDeploymentSpec
    }

    /// By namespace and endpoint name, in the order of deployment names.
    private func deploymentSpecs(_ problems: inout [String]) -> [ObjectKey: [Member]] {
        var specs: [ObjectKey: [Member]] = [:]
        for object in deployments.sorted(by: { $0.name < $1.name }) where !object.isTerminating {
            do {
                let spec: OnlineDeploymentSpec = try (object.json["spec"] ?? [:]).decode()
                specs[ObjectKey(namespace: object.namespace, name: spec.endpointName), default: []]
                    .append(Member(key: object.key, spec: spec))
            } catch {
                problems.append("deployment \"\(object.key)\" cannot be read: \(error)")
            }
        }
        return specs
    }

    private func auth(
        _ object: KubeObject,
        _ spec: OnlineEndpointSpec,
        _ secrets: [ObjectKey: KubeObject],
        _ problems: inout [String]
    ) -> RouteTable.Authentication {
        if spec.authMode == "AMLToken" { return .token }
        let key = ObjectKey(namespace: object.namespace, name: spec.keysSecret)
        guard let secret = secrets[key] else {
            problems.append("endpoint \"\(object.key)\" lets nobody in: its Secret \"\(key)\" does not exist")
            return .keys(primary: nil, secondary: nil)
        }
        return .keys(primary: digest(secret, "primaryKey"), secondary: digest(secret, "secondaryKey"))
    }

    private func digest(_ secret: KubeObject, _ name: String) -> KeyDigest? {
        Self.bytes(secret, name).map { KeyDigest(of: $0) }
    }

    private static func bytes(_ secret: KubeObject, _ name: String) -> [UInt8]? {
        guard let text = secret["data", name]?.stringValue, let bytes = Data(base64Encoded: text), !bytes.isEmpty else {
            return nil
        }
        return Array(bytes)
    }

    private func deployment(
        _ member: Member,
        weight: Int,
        slices: [ObjectKey: [KubeObject]]
    ) -> RouteTable.Deployment {
        let spec = member.spec
        var settings = RouteTable.Settings()
        if let request = spec.requestSettings {
            settings.requestTimeoutMilliseconds = request.requestTimeoutMs
            settings.maxQueueWaitMilliseconds = request.maxQueueWaitMs
            settings.maxConcurrentPerInstance = request.maxConcurrentRequestsPerInstance
        }
        if let path = spec.inferenceConfig?.scoringRoute.path, path.hasPrefix("/"), RouteTableBuilder.isPlain(path) {
            settings.scoringPath = path
        }
        let port = spec.inferenceConfig?.scoringRoute.port ?? 5001
        let backends = (slices[member.key] ?? []).flatMap { RouteTableBuilder.backends($0, port: port) }
        return RouteTable.Deployment(
            name: spec.deploymentName,
            weight: weight,
            settings: settings,
            backends: backends.sorted { $0.id < $1.id }
        )
    }

    /// What may stand in a request line without changing where it ends.
    private static func isPlain(_ path: String) -> Bool { path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } }

    private static func backends(_ slice: KubeObject, port fallback: Int) -> [RouteTable.Backend] {
        let ports = slice["ports"]?.arrayValue ?? []
        let port = (ports.first { $0["name"]?.stringValue == "http" } ?? ports.first)?["port"]?.intValue ?? fallback
        return (slice["endpoints"]?.arrayValue ?? []).compactMap { endpoint in
            guard let address = endpoint["addresses"]?[0]?.stringValue else { return nil }
            let conditions = endpoint["conditions"]
            return RouteTable.Backend(
                id: endpoint["targetRef"]?["uid"]?.stringValue ?? "\(address):\(port)",
                address: address,
                port: port,
                // A missing condition counts as ready (discovery/v1).
                isReady: conditions?["ready"]?.boolValue ?? true,
                isTerminating: conditions?["terminating"]?.boolValue ?? false
            )
        }
    }
}
