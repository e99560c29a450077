internal import Foundation
internal import KubeCore

/// One checker: a pure function of what was observed.
struct HealthChecker: Sendable {
    var name: String
    var operations: Set<HealthOperation>
    var run: @Sendable (HealthInput) throws -> [HealthCheck]

    static let beforeInstalling: Set<HealthOperation> = [.install, .upgrade, .rollback, .test]
    static let always = Set(HealthOperation.allCases)

    /// In the order of the report.
    static let all: [HealthChecker] = [
        HealthChecker(name: "agent", operations: always, run: AgentChecker.run),
        HealthChecker(name: "controlPlane", operations: always, run: ControlPlaneChecker.run),
        HealthChecker(name: "permissions", operations: always, run: PermissionChecker.run),
        HealthChecker(name: "kubernetesVersion", operations: beforeInstalling, run: KubernetesVersionChecker.run),
        HealthChecker(name: "nodes", operations: beforeInstalling, run: NodeChecker.run),
        HealthChecker(name: "namespace", operations: beforeInstalling, run: NamespaceChecker.run),
        HealthChecker(name: "ownership", operations: beforeInstalling, run: OwnershipChecker.run),
        HealthChecker(name: "loadBalancer", operations: beforeInstalling, run: LoadBalancerChecker.run),
        HealthChecker(name: "certificate", operations: beforeInstalling, run: CertificateChecker.run),
        HealthChecker(name: "images", operations: beforeInstalling, run: ImageChecker.run),
        HealthChecker(name: "volcano", operations: beforeInstalling, run: VolcanoChecker.run),
        HealthChecker(name: "prometheus", operations: beforeInstalling, run: PrometheusChecker.run),
        HealthChecker(name: "inferencev1", operations: beforeInstalling, run: RouterV1Checker.run),
        HealthChecker(name: "instancetype", operations: beforeInstalling, run: InstanceTypeChecker.run),
        HealthChecker(name: "router", operations: [.test], run: RouterChecker.run),
        HealthChecker(name: "users", operations: [.delete], run: UserObjectChecker.run),
    ]

    /// A checker that throws is a finding of its own, and stops no other.
    static func check(_ input: HealthInput, with checkers: [HealthChecker] = all) -> [HealthCheck] {
        checkers.filter { $0.operations.contains(input.operation) }.flatMap { checker -> [HealthCheck] in
            do {
                return try checker.run(input)
            } catch {
                return [
                    .warning(
                        checker.name,
                        .checkerPanic,
                        checked: "check '\(checker.name)'",
                        found: "the check could not be made: \(error)",
                        fix: "Give the agent what it misses, or look yourself"
                    )
                ]
            }
        }
    }
}
