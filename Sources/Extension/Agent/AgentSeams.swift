/// Reads the last lines of a container's log: namespace, pod, container, how many lines, and whether of the run before.
///
/// Logs are no objects, so `ResourceAPI` has no way to them.
package typealias PodLogReading =
    @Sendable (
        _ namespace: String, _ pod: String, _ container: String, _ tailLines: Int, _ previous: Bool
    ) async throws -> String

/// Reads the version of the cluster's API server, for example `v1.36.1`.
package typealias ClusterFactsReading = @Sendable () async throws -> String

/// How often and how long; tests shorten it.
package struct AgentTiming: Sendable {
    /// Everything is applied again this often, whatever the informers say.
    package var resync = Duration.seconds(60)
    /// While something is waited for.
    package var waiting = Duration.seconds(1)
    /// After a refusal that only somebody else can end, such as a missing node or permission.
    package var refused = Duration.seconds(15)
    package var heartbeat = Duration.seconds(30)
    /// How long a forced removal waits for what does not end, or for a cluster that does not answer.
    package var forcedPatience = Duration.seconds(20)
    /// Evidence of a failure is collected anew this often.
    package var evidence = Duration.seconds(60)

    package init() {}
}
