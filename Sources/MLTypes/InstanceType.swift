package import KubeCore

/// `spec` of an `InstanceType`: where pods that name it may run and what they get.
package struct InstanceTypeSpec: Codable, Sendable, Hashable {
    package var nodeSelector: [String: String]?
    package var resources: ComputeResources

    package init(nodeSelector: [String: String]? = nil, resources: ComputeResources) {
        self.nodeSelector = nodeSelector
        self.resources = resources
    }

    package static let defaultName = "defaultinstancetype"

    /// What `defaultinstancetype` is until somebody defines it.
    ///
    /// Source: how-to-manage-kubernetes-instance-types.
    package static let fallback = InstanceTypeSpec(
        resources: ComputeResources(
            requests: ["cpu": "100m", "memory": "2Gi"],
            limits: ["cpu": "2", "memory": "2Gi"]
        )
    )
}

/// An instance type name that cannot be used.
package struct InstanceTypeError: Error, Sendable, Hashable, CustomStringConvertible {
    package var name: String
    package var known: [String]

    package var description: String {
        let list = known.isEmpty ? "none is defined" : "defined: " + known.sorted().joined(separator: ", ")
        return
            "instance type \"\(name)\" does not exist on this cluster (\(list)); create an InstanceType of that name or "
            + "leave instance_type out to use \(InstanceTypeSpec.defaultName)"
    }
}

extension InstanceTypeSpec {
    /// Picks the type named `name` (nil = the default one) from the cluster's `InstanceType` objects.
    package static func resolve(
        _ name: String?,
        among objects: [KubeObject]
    ) throws -> InstanceTypeSpec {
        let wanted = name ?? defaultName
        if let object = objects.first(where: { $0.name == wanted }), let spec = object["spec"] {
            return try spec.decode()
        }
        guard wanted == defaultName else { throw InstanceTypeError(name: wanted, known: objects.map(\.name)) }
        return fallback
    }
}
