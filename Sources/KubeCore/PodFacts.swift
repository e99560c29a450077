/// What controllers and schedulers ask of a pod, read from its object without decoding the rest.
package struct PodFacts: Sendable {
    package let pod: KubeObject

    package init(_ pod: KubeObject) { self.pod = pod }

    /// `Pending` until the node agent says otherwise.
    package var phase: String { pod["status", "phase"]?.stringValue ?? "Pending" }
    package var nodeName: String? {
        guard let name = pod["spec", "nodeName"]?.stringValue, !name.isEmpty else { return nil }
        return name
    }
    package var podIP: String? {
        guard let address = pod["status", "podIP"]?.stringValue, !address.isEmpty else { return nil }
        return address
    }
    package var hasSucceeded: Bool { phase == "Succeeded" }
    package var hasFailed: Bool { phase == "Failed" }
    package var isFinished: Bool { hasSucceeded || hasFailed }
    package var isTerminating: Bool { pod.isTerminating }
    /// Neither finished nor being deleted.
    package var isActive: Bool { !isFinished && !isTerminating }
    package var isReady: Bool { pod.isConditionTrue("Ready") }

    /// Seconds since 1970 at which the pod last became ready; nil when it is not ready.
    package var readySince: Double? {
        guard isReady else { return nil }
        return pod.condition("Ready")?["lastTransitionTime"]?.stringValue.flatMap { Timestamp.seconds($0) } ?? 0
    }

    /// Ready for at least `minReadySeconds`.
    package func isAvailable(minReadySeconds: Int, now: Double) -> Bool {
        guard let readySince else { return false }
        return minReadySeconds == 0 || readySince + Double(minReadySeconds) <= now
    }

    /// Seconds until the pod counts as available; nil when it does already or is not ready.
    package func secondsUntilAvailable(minReadySeconds: Int, now: Double) -> Double? {
        guard minReadySeconds > 0, let readySince else { return nil }
        let rest = readySince + Double(minReadySeconds) - now
        return rest > 0 ? rest : nil
    }

    /// Restarts of all its containers.
    package var restartCount: Int {
        (pod["status", "containerStatuses"]?.arrayValue ?? []).reduce(0) { $0 + ($1["restartCount"]?.intValue ?? 0) }
    }

    /// The highest exit code among terminated containers, and the container's name.
    package var failedExitCode: (container: String, code: Int)? {
        let lists = [pod["status", "containerStatuses"], pod["status", "initContainerStatuses"]]
        for status in lists.flatMap({ $0?.arrayValue ?? [] }) {
            let terminated = status["state"]?["terminated"] ?? status["lastState"]?["terminated"]
            if let code = terminated?["exitCode"]?.intValue, code != 0 {
                return (status["name"]?.stringValue ?? "", code)
            }
        }
        return nil
    }
}
