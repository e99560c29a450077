internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import MLTypes

/// Logs of a deployment's pods, asked of the gateway.
struct DeploymentLogs: Sendable {
    let core: Core

    func text(_ deployment: Document, tail: Int?, container: String) async throws -> String {
        guard let entry = core.clusters.entry(key: deployment.hidden["cluster"]?.stringValue ?? "") else {
            throw ARMError(
                503,
                "ClusterNotFound",
                "Deployment '\(deployment.name)': its cluster is not known any more."
            )
        }
        let gateway = core.gateways.client(entry)
        let namespace = deployment.hidden["namespace"]?.stringValue ?? "default"
        let endpoint = deployment.hidden["endpoint"]?.stringValue ?? ""
        let selector = "\(MLLabels.endpoint)=\(endpoint),\(MLLabels.deployment)=\(deployment.name)"
        let base = "/v1/namespaces/\(namespace)/pods"
        do {
            let list = try await gateway.send("GET", base + "?labelSelector=" + percentEncoded(selector))
            let pods = (list["items"]?.arrayValue ?? list.arrayValue ?? []).map { KubeObject($0) }
            guard !pods.isEmpty else { return "Deployment '\(deployment.name)' has no pods.\n" }
            var text = ""
            for pod in pods.sorted(by: { $0.name < $1.name }) {
                if pods.count > 1 { text += "==> \(pod.name) <==\n" }
                text += try await log(gateway, base + "/" + percentEncoded(pod.name), container: container, tail: tail)
                if !text.hasSuffix("\n") { text += "\n" }
            }
            return text
        } catch let error as GatewayClient.Missing {
            throw ARMError(503, "ClusterNotReachable", "Deployment '\(deployment.name)': \(error).")
        } catch let error as APIError {
            throw ARMError(502, "ClusterRefused", "Deployment '\(deployment.name)': \(error.message).")
        }
    }

    private func log(_ gateway: GatewayClient, _ pod: String, container: String, tail: Int?) async throws -> String {
        let path = pod + "/log?container=\(percentEncoded(container))&tailLines=\(max(1, min(tail ?? 5000, 100_000)))"
        do {
            let text = try await gateway.text(path)
            // A container that has just been restarted shows nothing yet; what ended it is in the log before.
            guard text.isEmpty else { return text }
            return try await gateway.text(path + "&previous=true")
        } catch let error as APIError where error.code == 400 || error.code == 404 {
            return "(no log of container '\(container)': \(error.message))\n"
        }
    }
}
