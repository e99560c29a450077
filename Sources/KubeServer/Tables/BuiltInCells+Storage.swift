internal import KubeCore

extension BuiltInCells.Row {
    private func modes(_ list: [JSON]) -> String {
        let short = ["ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"]
        return list.compactMap { $0.stringValue.flatMap { short[$0] } }.joined(separator: ",")
    }

    var volume: [JSON] {
        let claim = scalar("spec", "claimRef", "name").map {
            (scalar("spec", "claimRef", "namespace") ?? "") + "/" + $0
        }
        return [
            name, text("spec", "capacity", "storage", or: ""), .string(modes(list("spec", "accessModes"))),
            text("spec", "persistentVolumeReclaimPolicy", or: ""),
            object.isTerminating ? "Terminating" : text("status", "phase", or: ""), .string(claim ?? ""),
            text("spec", "storageClassName", or: ""), text("spec", "volumeAttributesClassName", or: "<unset>"),
            text("status", "reason", or: ""), age, text("spec", "volumeMode", or: "<unset>"),
        ]
    }

    var claim: [JSON] {
        let isBound = scalar("spec", "volumeName") != nil
        return [
            name, object.isTerminating ? "Terminating" : text("status", "phase", or: ""),
            text("spec", "volumeName", or: ""),
            isBound ? text("status", "capacity", "storage", or: "0") : "",
            .string(isBound ? modes(list("status", "accessModes")) : ""), text("spec", "storageClassName", or: ""),
            text("spec", "volumeAttributesClassName", or: "<unset>"), age, text("spec", "volumeMode", or: "<unset>"),
        ]
    }

    var quota: [JSON] {
        var requests: [String] = []
        var limits: [String] = []
        for (resource, hard) in (object["status", "hard"]?.stringMap ?? [:]).sorted(by: { $0.key < $1.key }) {
            let used = object["status", "used", resource]?.stringValue ?? "0"
            let entry = "\(resource): \(used)/\(hard)"
            if resource.hasPrefix("limits.") { limits.append(entry) } else { requests.append(entry) }
        }
        return [name, .string(requests.joined(separator: ", ")), .string(limits.joined(separator: ", ")), age]
    }

    var storageClass: [JSON] {
        let isDefault = object.annotations["storageclass.kubernetes.io/is-default-class"] == "true"
        return [
            .string(object.name + (isDefault ? " (default)" : "")), text("provisioner", or: ""),
            text("reclaimPolicy", or: "Delete"), text("volumeBindingMode", or: "Immediate"),
            object["allowVolumeExpansion"] ?? false, age,
        ]
    }

    var driver: [JSON] {
        let requests = list("spec", "tokenRequests").compactMap { $0["audience"]?.stringValue }
        let modes = object["spec", "volumeLifecycleModes"]?.stringArray ?? []
        return [
            name, object["spec", "attachRequired"] ?? true, object["spec", "podInfoOnMount"] ?? false,
            object["spec", "storageCapacity"] ?? false,
            .string(requests.isEmpty ? "<unset>" : requests.joined(separator: ",")),
            object["spec", "requiresRepublish"] ?? false,
            .string(modes.isEmpty ? "<none>" : modes.joined(separator: ",")), age,
        ]
    }

    var binding: [JSON] {
        func names(_ kind: String) -> JSON {
            let found = list("subjects").filter { $0["kind"]?.stringValue == kind }.map { subject -> String in
                let name = subject["name"]?.stringValue ?? ""
                return kind == "ServiceAccount" ? (subject["namespace"]?.stringValue ?? "") + "/" + name : name
            }
            return .string(found.joined(separator: ", "))
        }
        return [
            name, .string((scalar("roleRef", "kind") ?? "") + "/" + (scalar("roleRef", "name") ?? "")), age,
            names("User"), names("Group"), names("ServiceAccount"),
        ]
    }
}
