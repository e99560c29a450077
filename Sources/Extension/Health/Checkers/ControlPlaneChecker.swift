internal import Foundation
internal import KubeCore

/// E45003: the way to the control plane, from the agent and for pods.
enum ControlPlaneChecker {
    static func run(_ input: HealthInput) throws -> [HealthCheck] {
        let url = input.render.profile.controlPlaneURL
        let checked = "the control plane at \(url) is reached"
        if case .failure(let error) = input.observation.controlPlane {
            return [
                .warning(
                    "controlPlane",
                    .badNetworkConnectivity,
                    checked: checked,
                    found: "the agent does not reach it: \(error)",
                    fix: "Let pods connect to \(url) (TCP), and mind proxies: they must not come in between"
                )
            ]
        }
        let host = URL(string: url)?.host() ?? ""
        let isLocal = ["localhost", "127.0.0.1", "::1", "0.0.0.0"].contains(host)
        if isLocal, input.facts.distribution != ClusterFacts.embeddedDistribution {
            return [
                .warning(
                    "controlPlane",
                    .badNetworkConnectivity,
                    checked: checked,
                    found: "pods of another machine cannot reach '\(host)'",
                    fix: "Start it with `outrigger up --listen ADDRESS --advertise HOST`"
                )
            ]
        }
        return [.passed("controlPlane", checked: checked, found: "it answers the agent")]
    }
}
