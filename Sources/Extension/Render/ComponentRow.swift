package import KubeCore

/// One line of the component table for given settings, without live state.
package struct ComponentRow: Sendable, Hashable {
    package var name: String
    /// `Deployment`, `DaemonSet` or `StatefulSet`.
    package var kind: String
    /// What it is, in words.
    package var component: String
    package var condition: String
    package var isEnabled: Bool
    package var availability: Component.Availability
    package var replicas: Int
    /// nil when nothing is installed.
    package var image: String?
    package var requests: [String: String]
    package var limits: [String: String]

    /// Will have pods.
    package var isInstalled: Bool {
        if case .absent = availability { false } else { isEnabled }
    }

    /// All of the catalogue, in its order.
    package static func rows(_ input: RenderInput) -> [ComponentRow] {
        let renderer = ExtensionRenderer(input)
        let upstream = renderer.upstreamWorkloads
        return ComponentCatalogue.all.map { component in
            let name = renderer.name(component)
            let isEnabled = component.isEnabled(input.settings, input.facts)
            // Bundles of what is switched off were not asked for.
            let availability = isEnabled ? input.availability(component) : component.availability(input.source)
            var resources = renderer.resources(component)
            if case .bundle = availability { resources = component.upstreamResources ?? resources }
            var image: String?
            switch availability {
            case .absent: image = nil
            case .bundle: image = upstream[name]
            case .implemented:
                image =
                    component.nameTemplate == ComponentCatalogue.prometheus.nameTemplate
                    ? renderer.prometheusImage : renderer.firstPartyImage
            }
            return ComponentRow(
                name: name,
                kind: component.workload.rawValue,
                component: component.work,
                condition: component.condition,
                isEnabled: isEnabled,
                availability: availability,
                replicas: component.replicas(input.settings, input.facts),
                image: isEnabled ? image : nil,
                requests: resources.requests,
                limits: resources.limits
            )
        }
    }

    /// As clients see it; live state is added by whoever knows it.
    package var json: JSON {
        var members: [String: JSON] = [
            "name": .string(name), "kind": .string(kind), "component": .string(component),
            "condition": .string(condition), "enabled": .bool(isEnabled), "requests": JSON(requests),
            "limits": JSON(limits),
        ]
        switch availability {
        case .implemented: members["availability"] = "Implemented"
        case .bundle(let reference):
            members["availability"] = "Bundle"
            members["message"] = .string("upstream's \(reference)")
        case .absent(let reason):
            members["availability"] = "Absent"
            members["message"] = .string(reason)
        }
        if let image { members["image"] = .string(image) }
        if isInstalled, kind != Component.Workload.daemonSet.rawValue { members["replicas"] = JSON(replicas) }
        return .object(members)
    }
}
