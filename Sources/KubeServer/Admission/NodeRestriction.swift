internal import KubeCore
internal import KubeStore

/// Keeps a node's agent to its own Node, its own pods, its own lease and its own pods' tokens.
enum NodeRestriction {
    private static let prefix = "system:node:"

    /// The node that a user is; nil for everybody else.
    static func node(of user: RequestUser) -> String? {
        guard user.name.hasPrefix(prefix), user.groups.contains("system:nodes") else { return nil }
        return String(user.name.dropFirst(prefix.count))
    }

    /// `object` is nil on delete.
    static func check(_ object: KubeObject?, old: KubeObject?, _ context: StrategyContext) throws(APIError) {
        guard let node = node(of: context.user) else { return }
        switch context.type {
        case .pods: try checkPod(node, object, old, context)
        case .nodes: try checkNode(node, object, old, context)
        case .leases: try checkLease(node, object ?? old, context)
        default: return
        }
    }

    private static func refuse(_ context: StrategyContext, _ name: String, _ text: String) -> APIError {
        APIError.forbidden(context.type, name, text)
    }

    // MARK: Pods

    private static func checkPod(
        _ node: String,
        _ object: KubeObject?,
        _ old: KubeObject?,
        _ context: StrategyContext
    ) throws(APIError) {
        let pod = object ?? old
        let name = pod?.name ?? ""
        let isOwn = (old ?? object)?["spec", "nodeName"]?.stringValue == node
        guard let object else {
            if isOwn { return }
            throw refuse(context, name, "node \"\(node)\" can only delete pods with spec.nodeName set to itself")
        }
        guard let old else {
            guard object.annotations["kubernetes.io/config.mirror"] != nil else {
                throw refuse(
                    context,
                    name,
                    "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"\(node)\" can only create "
                        + "mirror pods"
                )
            }
            if isOwn { return }
            throw refuse(context, name, "node \"\(node)\" can only create pods with spec.nodeName set to itself")
        }
        if context.subresource == "status" {
            guard isOwn else {
                throw refuse(
                    context,
                    name,
                    "node \"\(node)\" can only update pod status for pods with spec.nodeName set to itself"
                )
            }
            if object.labels == old.labels { return }
            throw refuse(context, name, "node \"\(node)\" cannot update labels through pod status")
        }
        // A note about the pod's images is no part of the pod's specification.
        var noted = object
        var before = old
        for key in Set(object.annotations.keys).union(old.annotations.keys) where key.hasPrefix("outrigger.ml/") {
            noted.annotations[key] = nil
            before.annotations[key] = nil
        }
        for field in ["managedFields", "resourceVersion", "generation"] {
            noted["metadata", field] = nil
            before["metadata", field] = nil
        }
        if isOwn, noted == before { return }
        throw refuse(
            context,
            name,
            "unexpected operation \"UPDATE\", node \"\(node)\" can only create and delete mirror pods"
        )
    }

    // MARK: Nodes

    private static func checkNode(
        _ node: String,
        _ object: KubeObject?,
        _ old: KubeObject?,
        _ context: StrategyContext
    ) throws(APIError) {
        let name = (object ?? old)?.name ?? ""
        guard name == node else {
            throw refuse(context, name, "node \"\(node)\" is not allowed to modify node \"\(name)\"")
        }
        guard let object else { return }
        guard let old else {
            let bad = object.labels.keys.filter { $0.contains("node-restriction.kubernetes.io/") }.sorted()
            if bad.isEmpty { return }
            throw refuse(
                context,
                name,
                "node \"\(node)\" is not allowed to set the following labels: \(bad.joined(separator: ", "))"
            )
        }
        guard object["spec", "taints"] == old["spec", "taints"] else {
            throw refuse(context, name, "node \"\(node)\" is not allowed to modify taints")
        }
        let changed = Set(object.labels.keys).union(old.labels.keys)
            .filter { object.labels[$0] != old.labels[$0] && isRestricted($0) }.sorted()
        if changed.isEmpty { return }
        throw refuse(
            context,
            name,
            "is not allowed to modify labels: \(changed.joined(separator: ", "))"
        )
    }

    private static let ownLabels: Set<String> = [
        "kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os", "beta.kubernetes.io/arch",
        "beta.kubernetes.io/os", "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/region", "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
    ]

    private static func isRestricted(_ label: String) -> Bool {
        guard let slash = label.firstIndex(of: "/") else { return false }
        let domain = label[..<slash]
        if ownLabels.contains(label) { return false }
        func isIn(_ parent: String) -> Bool { domain == parent || domain.hasSuffix("." + parent) }
        if isIn("kubelet.kubernetes.io") || (isIn("node.kubernetes.io") && !isIn("node-restriction.kubernetes.io")) {
            return false
        }
        return isIn("kubernetes.io") || isIn("k8s.io")
    }

    // MARK: Leases and tokens

    private static func checkLease(
        _ node: String,
        _ lease: KubeObject?,
        _ context: StrategyContext
    ) throws(APIError) {
        let name = lease?.name ?? ""
        guard lease?.namespace == "kube-node-lease" else {
            throw refuse(context, name, "can only access leases in the \"kube-node-lease\" system namespace")
        }
        guard name == node else {
            throw refuse(context, name, "can only access node lease with the same name as the requesting node")
        }
    }

    /// A node gets tokens only for the accounts of its own pods, bound to the pod.
    static func checkToken(
        _ request: KubeObject,
        namespace: String,
        _ context: StrategyContext
    ) throws(APIError) {
        guard let node = node(of: context.user) else { return }
        let reference = request["spec", "boundObjectRef"]
        guard reference?["kind"]?.stringValue == "Pod", let name = reference?["name"]?.stringValue else {
            throw refuse(context, "", "node requested token not bound to a pod")
        }
        guard let uid = reference?["uid"]?.stringValue, !uid.isEmpty else {
            throw refuse(context, "", "node requested token with a pod binding without a uid")
        }
        let pod = context.registry.store.find("pods", namespace: namespace, name: name)?.object
        guard let pod, pod.uid == uid else {
            throw refuse(context, "", "the UID in the bound object reference (\(uid)) does not match the UID in record")
        }
        guard pod["spec", "nodeName"]?.stringValue == node else {
            throw refuse(context, "", "node requested token bound to a pod scheduled on a different node")
        }
    }
}
