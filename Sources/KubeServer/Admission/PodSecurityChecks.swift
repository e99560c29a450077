internal import KubeCore

/// The controls of the Pod Security Standards, each as a pure function of a pod's spec.
///
/// Source: kubernetes.io/docs/concepts/security/pod-security-standards; texts as kube-apiserver has them.
enum PodSecurityChecks {
    /// One control that a pod does not meet.
    struct Violation: Sendable, Hashable {
        var reason: String
        var detail: String
    }

    /// A pod, taken apart once for all controls.
    struct Pod {
        var annotations: [String: String]
        var spec: JSON
        /// Initial, ordinary and ephemeral ones.
        var containers: [JSON]
        var minor: Int
        var isWindows: Bool
        /// The pod has users of its own: root in it is nobody outside.
        var hasOwnUsers: Bool

        var security: JSON? { spec["securityContext"] }
    }

    private typealias Control = @Sendable (Pod) -> Violation?

    /// All violations, baseline first, each group in the order of its controls' identifiers.
    static func violations(
        of demand: PodSecurityPolicy.Demand,
        metadata: JSON?,
        spec: JSON?
    ) -> [Violation] {
        guard demand.level > .privileged, let spec else { return [] }
        let minor = demand.minor ?? .max
        let pod = Pod(
            annotations: metadata?["annotations"]?.stringMap ?? [:],
            spec: spec,
            containers: ["initContainers", "containers", "ephemeralContainers"]
                .flatMap { spec[$0]?.arrayValue ?? [] },
            minor: minor,
            isWindows: minor >= 25 && spec["os"]?["name"]?.stringValue == "windows",
            hasOwnUsers: minor >= 35 && spec["hostUsers"]?.boolValue == false
        )
        var controls: [Control] = baseline
        if demand.level == .restricted {
            // A stricter control takes the place of the looser one on the same fields.
            if minor < 22 { controls.append(baselineCapabilities) }
            if minor < 19 { controls.append(baselineSeccomp) }
            controls += restricted
        } else {
            controls = looseOnly(controls)
        }
        return controls.compactMap { $0(pod) }
    }

    private static let baseline: [Control] = [
        appArmor, hostNamespaces, hostPorts, hostProbes, privileged, procMount, seLinux, sysctls, windowsHostProcess,
    ]

    /// Baseline with the controls that restricted replaces, in order of identifier.
    private static func looseOnly(_ controls: [Control]) -> [Control] {
        var list = controls
        list.insert(baselineCapabilities, at: 1)
        list.insert(hostPaths, at: 3)
        list.insert(baselineSeccomp, at: 9)
        return list
    }

    private static let restricted: [Control] = [
        privilegeEscalation, restrictedCapabilities, restrictedVolumes, runAsNonRoot, runAsUser, restrictedSeccomp,
    ]

    // MARK: Words

    static func quoted(_ names: [String]) -> String { names.map { "\"\($0)\"" }.joined(separator: ", ") }

    static func plural(_ one: String, _ many: String, _ count: Int) -> String { count == 1 ? one : many }

    /// `container "a"`, `containers "a", "b"`.
    static func containers(_ names: [String]) -> String {
        plural("container", "containers", names.count) + " " + quoted(names)
    }

    static func names(_ pod: Pod, where holds: (JSON) -> Bool) -> [String] {
        pod.containers.filter(holds).map { $0["name"]?.stringValue ?? "" }
    }

    static func setters(pod isPodBad: Bool, _ names: [String]) -> String? {
        var list: [String] = isPodBad ? ["pod"] : []
        if !names.isEmpty { list.append(containers(names)) }
        return list.isEmpty ? nil : list.joined(separator: " and ")
    }
}
