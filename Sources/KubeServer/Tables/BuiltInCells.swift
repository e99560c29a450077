internal import KubeCore

/// Cells of the built-in kinds, as upstream's printers fill them.
enum BuiltInCells {
    static func cells(_ object: KubeObject, _ kind: Kind, _ now: Double) -> [JSON] {
        let row = Row(object: object, now: now)
        switch kind.type.groupResource {
        case "pods": return row.pod
        case "services": return row.service
        case "nodes": return row.node
        case "events", "events.events.k8s.io": return row.event
        case "namespaces": return [row.name, row.text("status", "phase", or: ""), row.age]
        case "configmaps": return [row.name, row.count(["data"], ["binaryData"]), row.age]
        case "secrets": return [row.name, row.text("type", or: ""), row.count(["data"]), row.age]
        case "serviceaccounts": return [row.name, row.count(["secrets"]), row.age]
        case "endpoints": return [row.name, .string(row.endpoints), row.age]
        case "endpointslices.discovery.k8s.io":
            return [row.name, row.text("addressType"), .string(row.slicePorts), .string(row.sliceAddresses), row.age]
        case "persistentvolumes": return row.volume
        case "persistentvolumeclaims": return row.claim
        case "resourcequotas": return row.quota
        case "podtemplates":
            return [row.name] + row.templateColumns(["template"]).prefix(2) + [
                .string(Row.labels(object["template", "metadata", "labels"]))
            ]
        case "controllerrevisions.apps":
            return [row.name, .string(row.controller), object["revision"] ?? 0, row.age]
        case "leases.coordination.k8s.io": return [row.name, row.text("spec", "holderIdentity", or: ""), row.age]
        case "priorityclasses.scheduling.k8s.io":
            return [
                row.name, object["value"] ?? 0, object["globalDefault"] ?? false, row.age,
                row.text("preemptionPolicy", or: ""),
            ]
        case "runtimeclasses.node.k8s.io": return [row.name, row.text("handler", or: ""), row.age]
        case "mutatingwebhookconfigurations.admissionregistration.k8s.io",
            "validatingwebhookconfigurations.admissionregistration.k8s.io":
            return [row.name, row.count(["webhooks"]), row.age]
        case "rolebindings.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io":
            return row.binding
        case "storageclasses.storage.k8s.io": return row.storageClass
        case "poddisruptionbudgets.policy":
            return [
                row.name, .string(row.scalar("spec", "minAvailable") ?? "N/A"),
                .string(row.scalar("spec", "maxUnavailable") ?? "N/A"), object["status", "disruptionsAllowed"] ?? 0,
                row.age,
            ]
        case "horizontalpodautoscalers.autoscaling": return row.autoscaler
        case "ingresses.networking.k8s.io": return row.ingress
        case "ingressclasses.networking.k8s.io":
            return [row.name, row.text("spec", "controller", or: ""), .string(row.classParameters), row.age]
        case "networkpolicies.networking.k8s.io":
            return [row.name, .string(Row.selector(object["spec", "podSelector"])), row.age]
        case "apiservices.apiregistration.k8s.io":
            let service = row.scalar("spec", "service", "name").map {
                (row.scalar("spec", "service", "namespace") ?? "") + "/" + $0
            }
            return [
                row.name, .string(service ?? "Local"),
                .string(object.condition("Available")?["status"]?.stringValue ?? "Unknown"), row.age,
            ]
        case "csinodes.storage.k8s.io": return [row.name, row.count(["spec", "drivers"]), row.age]
        case "csidrivers.storage.k8s.io": return row.driver
        case "csistoragecapacities.storage.k8s.io":
            return [row.name, row.text("storageClassName", or: ""), row.text("capacity", or: "<unset>")]
        case "volumeattachments.storage.k8s.io":
            return [
                row.name, row.text("spec", "attacher", or: ""),
                row.text("spec", "source", "persistentVolumeName", or: ""),
                row.text("spec", "nodeName", or: ""), object["status", "attached"] ?? false, row.age,
            ]
        default:
            return row.workload(kind.type.groupResource) ?? [
                row.name, row.text("metadata", "creationTimestamp", or: ""),
            ]
        }
    }

    /// One object's cells.
    struct Row {
        let object: KubeObject
        let now: Double

        var name: JSON { .string(object.name) }
        var age: JSON { .string(since(object.creationTimestamp)) }

        func since(_ time: String?) -> String {
            guard let time, let seconds = Timestamp.seconds(time) else { return "<unknown>" }
            return Timestamp.age(seconds: now - seconds)
        }

        func scalar(_ path: String...) -> String? { scalar(path) }

        func scalar(_ path: [String]) -> String? {
            guard let value = object.json[path: path], !value.isNull else { return nil }
            return value.stringValue ?? value.text
        }

        func text(_ path: String..., or fallback: String = "<none>") -> JSON {
            let value = scalar(path) ?? ""
            return .string(value.isEmpty ? fallback : value)
        }

        func count(_ paths: [String]...) -> JSON {
            JSON(
                paths.reduce(0) { sum, path in
                    let value = object.json[path: path]
                    return sum + (value?.objectValue?.count ?? value?.arrayValue?.count ?? 0)
                }
            )
        }

        func integer(_ path: String...) -> Int { object.json[path: path]?.intValue ?? 0 }

        func list(_ path: String...) -> [JSON] { object.json[path: path]?.arrayValue ?? [] }

        static func labels(_ json: JSON?) -> String {
            let labels = json?.stringMap ?? [:]
            if labels.isEmpty { return "<none>" }
            return labels.sorted { $0.key < $1.key }.map { $0.key + "=" + $0.value }.joined(separator: ",")
        }

        static func selector(_ json: JSON?) -> String {
            guard let selector = try? LabelSelector(json) else { return "<error>" }
            if selector.selectsNothing || selector.isEmpty { return "<none>" }
            return selector.description
        }

        /// Containers, images and, given its path, the selector.
        func templateColumns(_ path: [String]) -> [JSON] {
            let containers = object.json[path: path + ["spec", "containers"]]?.arrayValue ?? []
            let names = containers.compactMap { $0["name"]?.stringValue }.joined(separator: ",")
            let images = containers.compactMap { $0["image"]?.stringValue }.joined(separator: ",")
            return [.string(names), .string(images)]
        }

        /// `a,b,c + 2 more...`, or the fallback for none.
        static func shortened(_ items: [String], or fallback: String) -> String {
            if items.isEmpty { return fallback }
            let shown = items.prefix(3).joined(separator: ",")
            return items.count > 3 ? "\(shown) + \(items.count - 3) more..." : shown
        }
    }
}
