internal import KubeCore
internal import KubeStore

/// Pod Security admission: refuses pods that their namespace does not allow, and warns about what would make such pods.
///
/// Nobody and nothing is exempt. Audit levels have no effect: there is no audit log.
struct PodSecurity: Sendable {
    private let store: ObjectStore

    init(_ store: ObjectStore) { self.store = store }

    private static let templatePaths: [String: [String]] = [
        "podtemplates": ["template"], "replicationcontrollers": ["spec", "template"],
        "replicasets.apps": ["spec", "template"], "deployments.apps": ["spec", "template"],
        "statefulsets.apps": ["spec", "template"], "daemonsets.apps": ["spec", "template"],
        "jobs.batch": ["spec", "template"], "cronjobs.batch": ["spec", "jobTemplate", "spec", "template"],
    ]

    func check(_ object: KubeObject, old: KubeObject?, _ context: StrategyContext) throws(APIError) {
        if context.type == .pods { return try checkPod(object, old: old, context) }
        guard context.subresource == nil else { return }
        if context.type == .namespaces { return try checkNamespace(object, old: old) }
        guard let path = Self.templatePaths[context.type.groupResource] else { return }
        let policy = policy(object.namespace)
        guard policy.warn.level > .privileged, let template = object.json[path: path] else { return }
        warn(policy.warn, metadata: template["metadata"], spec: template["spec"])
    }

    private func policy(_ namespace: String?) -> PodSecurityPolicy {
        PodSecurityPolicy(labels: store.find("namespaces", namespace: "", name: namespace ?? "")?.labels ?? [:])
    }

    // MARK: Pods

    private func checkPod(_ pod: KubeObject, old: KubeObject?, _ context: StrategyContext) throws(APIError) {
        if ["status", "binding"].contains(context.subresource ?? "") { return }
        let policy = policy(pod.namespace)
        if policy.isIdle { return }
        if let old, !Self.isSignificant(pod, old) { return }
        let spec = pod["spec"]
        let violations = PodSecurityChecks.violations(of: policy.enforce, metadata: pod["metadata"], spec: spec)
        if !violations.isEmpty {
            throw APIError.forbidden(
                .pods,
                pod.name,
                "violates PodSecurity \"\(policy.enforce)\": \(Self.detail(violations))"
            )
        }
        if policy.warn != policy.enforce { warn(policy.warn, metadata: pod["metadata"], spec: spec) }
    }

    private func warn(_ demand: PodSecurityPolicy.Demand, metadata: JSON?, spec: JSON?) {
        guard let scope = RequestScope.current else { return }
        let violations = PodSecurityChecks.violations(of: demand, metadata: metadata, spec: spec)
        if violations.isEmpty { return }
        scope.warn("would violate PodSecurity \"\(demand)\": \(Self.detail(violations))")
    }

    private static func detail(_ violations: [PodSecurityChecks.Violation]) -> String {
        violations.map { $0.detail.isEmpty ? $0.reason : "\($0.reason) (\($0.detail))" }.joined(separator: ", ")
    }

    /// Only images and seccomp annotations can change in a way that matters; ephemeral containers can be added.
    private static func isSignificant(_ pod: KubeObject, _ old: KubeObject) -> Bool {
        func containers(_ object: KubeObject) -> [[JSON?]] {
            ["containers", "initContainers", "ephemeralContainers"].map { field in
                (object["spec", field]?.arrayValue ?? []).map { $0["image"] }
            }
        }
        func annotations(_ object: KubeObject) -> [String: String] {
            object.annotations.filter {
                $0.key.contains("seccomp.security.alpha.kubernetes.io/") || $0.key.contains("apparmor.security")
            }
        }
        return containers(pod) != containers(old) || annotations(pod) != annotations(old)
    }

    // MARK: Namespaces

    private func checkNamespace(_ namespace: KubeObject, old: KubeObject?) throws(APIError) {
        let policy = PodSecurityPolicy(labels: namespace.labels)
        let before = old.map { PodSecurityPolicy(labels: $0.labels) }
        if !policy.errors.isEmpty, policy.errors != before?.errors {
            throw APIError.invalid(.namespaces, namespace.name, policy.errors)
        }
        guard let before, let scope = RequestScope.current, policy.enforce != before.enforce,
            policy.enforce.level > .privileged,
            policy.enforce.minor != before.enforce.minor || policy.enforce.level > before.enforce.level
        else { return }
        for warning in warnings(about: policy.enforce, in: namespace.name) { scope.warn(warning) }
    }

    /// What is there already and would no longer be let in.
    private func warnings(about demand: PodSecurityPolicy.Demand, in namespace: String) -> [String] {
        let limit = 3000
        let pods = store.list("pods", namespace: namespace).objects
        var names: [String: [String]] = [:]
        for pod in pods.prefix(limit).map(\.object) {
            let violations = PodSecurityChecks.violations(of: demand, metadata: pod["metadata"], spec: pod["spec"])
            if violations.isEmpty { continue }
            names[violations.map(\.reason).joined(separator: ", "), default: []].append(pod.name)
        }
        var warnings: [String] = []
        if pods.count > limit {
            warnings.append(
                "new PodSecurity enforce level only checked against the first \(limit) of \(pods.count) existing pods"
            )
        }
        if names.isEmpty { return warnings }
        warnings.append(
            "existing pods in namespace \"\(namespace)\" violate the new PodSecurity enforce level \"\(demand)\""
        )
        let lines = names.map { reasons, pods in
            let first = pods.min() ?? ""
            switch pods.count {
            case 1: return "\(first): \(reasons)"
            case 2: return "\(first) (and 1 other pod): \(reasons)"
            default: return "\(first) (and \(pods.count - 1) other pods): \(reasons)"
            }
        }
        return warnings + lines.sorted()
    }
}
