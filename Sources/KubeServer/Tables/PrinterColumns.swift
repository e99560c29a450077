// swift-format-ignore-file: a table, one row a line.

internal import KubeCore

/// The printer columns of the built-in kinds: `NAME[:type][!wide]`, as kubectl shows them.
enum PrinterColumns {
    static func columns(of type: ResourceType) -> [Kind.Column] {
        let row = rows[type.groupResource] ?? "Name|Created At:date"
        return row.split(separator: "|").map { column($0) }
    }

    private static func column(_ text: Substring) -> Kind.Column {
        let isWide = text.hasSuffix("!")
        let parts = (isWide ? text.dropLast() : text).split(separator: ":")
        let name = String(parts[0])
        return Kind.Column(
            name: name,
            type: parts.count > 1 ? String(parts[1]) : "string",
            format: name == "Name" ? "name" : "",
            priority: isWide ? 1 : 0
        )
    }

    private static let rows: [String: String] = [
        "pods":
            "Name|Ready|Status|Restarts|Age|IP!|Node!|Nominated Node!|Readiness Gates!",
        "podtemplates": "Name|Containers|Images|Pod Labels",
        "replicationcontrollers":
            "Name|Desired:integer|Current:integer|Ready:integer|Age|Containers!|Images!|Selector!",
        "replicasets.apps": "Name|Desired:integer|Current:integer|Ready:integer|Age|Containers!|Images!|Selector!",
        "daemonsets.apps":
            "Name|Desired:integer|Current:integer|Ready:integer|Up-to-date:integer|Available:integer|Node Selector|Age|Containers!|Images!|Selector!",
        "deployments.apps": "Name|Ready|Up-to-date:integer|Available:integer|Age|Containers!|Images!|Selector!",
        "statefulsets.apps": "Name|Ready|Age|Containers!|Images!",
        "controllerrevisions.apps": "Name|Controller|Revision:integer|Age",
        "jobs.batch": "Name|Status|Completions|Duration|Age|Containers!|Images!|Selector!",
        "cronjobs.batch":
            "Name|Schedule|Timezone|Suspend:boolean|Active:integer|Last Schedule|Age|Containers!|Images!|Selector!",
        "services": "Name|Type|Cluster-IP|External-IP|Port(s)|Age|Selector!",
        "endpoints": "Name|Endpoints|Age",
        "endpointslices.discovery.k8s.io": "Name|AddressType|Ports|Endpoints|Age",
        "nodes":
            "Name|Status|Roles|Age|Version|Internal-IP!|External-IP!|OS-Image!|Kernel-Version!|Container-Runtime!",
        "events":
            "Last Seen|Type|Reason|Object|Subobject!|Source!|Message|First Seen!|Count:integer!|Name!",
        "events.events.k8s.io":
            "Last Seen|Type|Reason|Object|Subobject!|Source!|Message|First Seen!|Count:integer!|Name!",
        "namespaces": "Name|Status|Age",
        "secrets": "Name|Type|Data:integer|Age",
        "configmaps": "Name|Data:integer|Age",
        "serviceaccounts": "Name|Secrets:integer|Age",
        "persistentvolumes":
            "Name|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|VolumeAttributesClass|Reason|Age|VolumeMode!",
        "persistentvolumeclaims":
            "Name|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|VolumeMode!",
        "resourcequotas": "Name|Request|Limit|Age",
        "limitranges": "Name|Created At:date",
        "horizontalpodautoscalers.autoscaling": "Name|Reference|Targets|MinPods|MaxPods|Replicas:integer|Age",
        "poddisruptionbudgets.policy": "Name|Min Available|Max Unavailable|Allowed Disruptions:integer|Age",
        "ingresses.networking.k8s.io": "Name|Class|Hosts|Address|Ports|Age",
        "ingressclasses.networking.k8s.io": "Name|Controller|Parameters|Age",
        "networkpolicies.networking.k8s.io": "Name|Pod-Selector|Age",
        "roles.rbac.authorization.k8s.io": "Name|Created At:date",
        "clusterroles.rbac.authorization.k8s.io": "Name|Created At:date",
        "rolebindings.rbac.authorization.k8s.io": "Name|Role|Age|Users!|Groups!|ServiceAccounts!",
        "clusterrolebindings.rbac.authorization.k8s.io": "Name|Role|Age|Users!|Groups!|ServiceAccounts!",
        "storageclasses.storage.k8s.io":
            "Name|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion:boolean|Age",
        "leases.coordination.k8s.io": "Name|Holder|Age",
        "priorityclasses.scheduling.k8s.io": "Name|Value:integer|Global-Default:boolean|Age|PreemptionPolicy",
        "runtimeclasses.node.k8s.io": "Name|Handler|Age",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io": "Name|Webhooks:integer|Age",
        "validatingwebhookconfigurations.admissionregistration.k8s.io": "Name|Webhooks:integer|Age",
        "apiservices.apiregistration.k8s.io": "Name|Service|Available|Age",
        "csidrivers.storage.k8s.io":
            "Name|AttachRequired:boolean|PodInfoOnMount:boolean|StorageCapacity:boolean|TokenRequests|RequiresRepublish:boolean|Modes|Age",
        "csinodes.storage.k8s.io": "Name|Drivers:integer|Age",
        "csistoragecapacities.storage.k8s.io": "Name|StorageClassName|Capacity",
        "volumeattachments.storage.k8s.io": "Name|Attacher|PV|Node|Attached:boolean|Age",
    ]
}
