internal import KubeCore

/// Defaults that depend on other fields, by message.
///
/// They run after the static defaults of the message and its parts.
enum DefaultRules {
    static let all: [String: Schema.Defaulter] = [
        "core.v1.Volume": volume,
        "core.v1.Container": container,
        "core.v1.EphemeralContainer": container,
        "core.v1.PodSpec": podSpec,
        "core.v1.Pod": pod,
        "core.v1.ServiceSpec": service,
        "core.v1.Namespace": namespace,
        "core.v1.NodeStatus": nodeStatus,
        "core.v1.LimitRangeItem": limitRangeItem,
        "core.v1.ReplicationController": replicationController,
        "apps.v1.DeploymentStrategy": rollingUpdate(["maxUnavailable": "25%", "maxSurge": "25%"]),
        "apps.v1.DaemonSetUpdateStrategy": rollingUpdate(["maxUnavailable": 1, "maxSurge": 0]),
        "apps.v1.StatefulSetUpdateStrategy": rollingUpdate(["partition": 0]),
        "apps.v1.StatefulSetSpec": statefulSetSpec,
        "batch.v1.Job": job,
        "autoscaling.v2.HorizontalPodAutoscalerSpec": horizontalPodAutoscaler,
        "rbac.v1.Subject": subject,
        "rbac.v1.RoleRef": roleRef,
        "networking.v1.NetworkPolicySpec": networkPolicy,
        "apiextensions.v1.CustomResourceDefinitionNames": definitionNames,
    ]

    private static func volume(_ volume: inout [String: JSON]) {
        if volume.keys.allSatisfy({ $0 == "name" }) { volume["emptyDir"] = [:] }
    }

    private static func container(_ container: inout [String: JSON]) {
        if container["imagePullPolicy"] == nil {
            let image = container["image"]?.stringValue ?? ""
            container["imagePullPolicy"] = .string(isLatest(image) ? "Always" : "IfNotPresent")
        }
    }

    /// No tag and no digest, or the tag `latest`.
    private static func isLatest(_ image: String) -> Bool {
        if image.contains("@") { return false }
        let name = image.split(separator: "/").last ?? ""
        guard let colon = name.lastIndex(of: ":") else { return true }
        return name[name.index(after: colon)...] == "latest"
    }

    private static func podSpec(_ spec: inout [String: JSON]) {
        if spec["serviceAccountName"] == nil, let name = spec["serviceAccount"] { spec["serviceAccountName"] = name }
        if let name = spec["serviceAccountName"] { spec["serviceAccount"] = name }
        guard spec["hostNetwork"] == true else { return }
        for list in ["containers", "initContainers"] {
            spec[list] = mapped(spec[list]) { container in
                container["ports"] = mapped(container["ports"]) { port in
                    if port["hostPort"] == nil { port["hostPort"] = port["containerPort"] }
                }
            }
        }
    }

    /// Only pods, not their templates: requests follow limits, service links are on.
    private static func pod(_ pod: inout [String: JSON]) {
        guard case .object(var spec)? = pod["spec"] else { return }
        if spec["enableServiceLinks"] == nil { spec["enableServiceLinks"] = true }
        for list in ["containers", "initContainers"] {
            spec[list] = mapped(spec[list]) { container in
                guard case .object(let limits)? = container["resources"]?["limits"] else { return }
                var requests = container["resources"]?["requests"]?.objectValue ?? [:]
                requests.merge(limits) { own, _ in own }
                container["resources"]?["requests"] = .object(requests)
            }
        }
        pod["spec"] = .object(spec)
    }

    private static func service(_ spec: inout [String: JSON]) {
        spec["ports"] = mapped(spec["ports"]) { port in
            let target = port["targetPort"]
            if target == nil || target == 0 || target == "" { port["targetPort"] = port["port"] }
        }
        if spec["sessionAffinity"] == "ClientIP", spec["sessionAffinityConfig"]?["clientIP"]?["timeoutSeconds"] == nil {
            spec["sessionAffinityConfig"] = ["clientIP": ["timeoutSeconds": 10800]]
        } else if spec["sessionAffinity"] == "None" {
            spec["sessionAffinityConfig"] = nil
        }
        let type = spec["type"]?.stringValue ?? ""
        let isExternal = type == "NodePort" || type == "LoadBalancer"
        let hasExternalAddress = type == "ClusterIP" && !(spec["externalIPs"]?.arrayValue ?? []).isEmpty
        if spec["externalTrafficPolicy"] == nil, isExternal || hasExternalAddress {
            spec["externalTrafficPolicy"] = "Cluster"
        }
        if spec["internalTrafficPolicy"] == nil, isExternal || type == "ClusterIP" {
            spec["internalTrafficPolicy"] = "Cluster"
        }
        if type == "LoadBalancer", spec["allocateLoadBalancerNodePorts"] == nil {
            spec["allocateLoadBalancerNodePorts"] = true
        }
    }

    private static func namespace(_ namespace: inout [String: JSON]) {
        guard var metadata = namespace["metadata"], let name = metadata["name"]?.stringValue, !name.isEmpty else {
            return
        }
        metadata[path: "labels", "kubernetes.io/metadata.name"] = .string(name)
        namespace["metadata"] = metadata
    }

    private static func nodeStatus(_ status: inout [String: JSON]) {
        if status["allocatable"] == nil, let capacity = status["capacity"] { status["allocatable"] = capacity }
    }

    private static func limitRangeItem(_ item: inout [String: JSON]) {
        guard item["type"] == "Container" else { return }
        func merge(_ target: String, _ source: String) {
            guard case .object(let values)? = item[source] else { return }
            item[target] = .object((item[target]?.objectValue ?? [:]).merging(values) { own, _ in own })
        }
        merge("default", "max")
        merge("defaultRequest", "default")
        merge("defaultRequest", "min")
    }

    private static func replicationController(_ object: inout [String: JSON]) {
        guard let labels = object["spec"]?["template"]?["metadata"]?["labels"] else { return }
        if object["spec"]?["selector"] == nil { object["spec"]?["selector"] = labels }
        if object["metadata"]?["labels"] == nil { object["metadata"]?["labels"] = labels }
    }

    private static func rollingUpdate(_ parameters: JSON) -> Schema.Defaulter {
        { strategy in
            guard strategy["type"] == "RollingUpdate", strategy["rollingUpdate"] == nil else { return }
            strategy["rollingUpdate"] = parameters
        }
    }

    private static func statefulSetSpec(_ spec: inout [String: JSON]) {
        spec["volumeClaimTemplates"] = mapped(spec["volumeClaimTemplates"]) { claim in
            claim["apiVersion"] = "v1"
            claim["kind"] = "PersistentVolumeClaim"
            if claim["status"]?["phase"] == nil { claim["status"] = ["phase": "Pending"] }
        }
    }

    private static func job(_ job: inout [String: JSON]) {
        guard case .object(var spec)? = job["spec"] else { return }
        if spec["completions"] == nil, spec["parallelism"] == nil { spec["completions"] = 1 }
        if spec["parallelism"] == nil { spec["parallelism"] = 1 }
        if spec["backoffLimit"] == nil {
            spec["backoffLimit"] = spec["backoffLimitPerIndex"] == nil ? 6 : 2_147_483_647
        }
        if spec["completionMode"] == nil { spec["completionMode"] = "NonIndexed" }
        if spec["suspend"] == nil { spec["suspend"] = false }
        if spec["podReplacementPolicy"] == nil {
            spec["podReplacementPolicy"] = spec["podFailurePolicy"] == nil ? "TerminatingOrFailed" : "Failed"
        }
        job["spec"] = .object(spec)
        let labels = job["metadata"]?["labels"]?.objectValue ?? [:]
        if labels.isEmpty, let template = spec["template"]?["metadata"]?["labels"] {
            job["metadata"]?["labels"] = template
        }
    }

    private static func horizontalPodAutoscaler(_ spec: inout [String: JSON]) {
        if (spec["metrics"]?.arrayValue ?? []).isEmpty {
            spec["metrics"] = [
                [
                    "type": "Resource",
                    "resource": ["name": "cpu", "target": ["type": "Utilization", "averageUtilization": 80]],
                ]
            ]
        }
        guard case .object(var behavior)? = spec["behavior"] else { return }
        let percent: JSON = ["type": "Percent", "value": 100, "periodSeconds": 15]
        let pods: JSON = ["type": "Pods", "value": 4, "periodSeconds": 15]
        let up: JSON = ["selectPolicy": "Max", "stabilizationWindowSeconds": 0, "policies": [pods, percent]]
        let down: JSON = ["selectPolicy": "Max", "policies": [percent]]
        for (name, rules) in [("scaleUp", up), ("scaleDown", down)] {
            let own = behavior[name]?.objectValue ?? [:]
            behavior[name] = .object(own.merging(rules.objectValue ?? [:]) { own, _ in own })
        }
        spec["behavior"] = .object(behavior)
    }

    private static func subject(_ subject: inout [String: JSON]) {
        let kind = subject["kind"]
        guard subject["apiGroup"] == nil, kind == "User" || kind == "Group" else { return }
        subject["apiGroup"] = "rbac.authorization.k8s.io"
    }

    private static func roleRef(_ reference: inout [String: JSON]) {
        if (reference["apiGroup"]?.stringValue ?? "").isEmpty { reference["apiGroup"] = "rbac.authorization.k8s.io" }
    }

    private static func networkPolicy(_ spec: inout [String: JSON]) {
        guard (spec["policyTypes"]?.arrayValue ?? []).isEmpty else { return }
        spec["policyTypes"] = (spec["egress"]?.arrayValue ?? []).isEmpty ? ["Ingress"] : ["Ingress", "Egress"]
    }

    private static func definitionNames(_ names: inout [String: JSON]) {
        guard let kind = names["kind"]?.stringValue, !kind.isEmpty else { return }
        if (names["singular"]?.stringValue ?? "").isEmpty { names["singular"] = .string(kind.lowercased()) }
        if (names["listKind"]?.stringValue ?? "").isEmpty { names["listKind"] = .string(kind + "List") }
    }

    /// The list with every object changed; nil stays nil.
    private static func mapped(_ list: JSON?, _ body: (inout [String: JSON]) -> Void) -> JSON? {
        guard case .array(let elements)? = list else { return list }
        return .array(
            elements.map { element in
                guard case .object(var members) = element else { return element }
                body(&members)
                return .object(members)
            }
        )
    }
}
