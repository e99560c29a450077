internal import ControlPlaneAPI
internal import KubeCore
internal import KubeRuntime
internal import Logging

/// Tells the control plane regularly that the agent is there and that its cluster answers.
struct Heartbeat: Sendable {
    let api: any ResourceAPI
    let link: any ExtensionLink
    let serverVersion: ClusterFactsReading?
    let agentVersion: String
    let interval: Duration
    let logger: Logger

    /// Until the task is cancelled; the first one at once.
    func run() async {
        repeat {
            do {
                guard let beat = try await observe() else { continue }
                try await link.heartbeat(beat)
            } catch is CancellationError {
                return
            } catch {
                logger.debug("no heartbeat", metadata: ["error": "\(error)"])
            }
        } while await sleepUnlessCancelled(interval)
    }

    /// nil when the cluster does not answer: an agent without its cluster is no sign of life.
    func observe() async throws -> ClusterHeartbeat? {
        var nodes: [KubeObject] = []
        var version = ""
        do {
            nodes = try await api.list(.nodes).items
            version = try await serverVersion?() ?? ClusterDistribution.kubernetesVersion(nodes: nodes) ?? ""
        } catch let error as CancellationError {
            throw error
        } catch let error as APIError where error.code < 500 && error.code != 429 {
            // It answers, and says no.
        } catch {
            logger.debug("the cluster does not answer", metadata: ["error": "\(error)"])
            return nil
        }
        return ClusterHeartbeat(
            kubernetesVersion: version,
            distribution: ClusterDistribution.detect(nodes: nodes, version: version),
            nodeCount: nodes.count,
            agentVersion: agentVersion
        )
    }
}
