import KubeCore

@testable import NodeAgent

/// Pods from a few words.
func makePod(
    _ spec: JSON,
    name: String = "p",
    status: JSON? = nil,
    annotations: [String: String] = [:],
    labels: [String: String] = [:]
) -> PodModel {
    var pod = KubeObject(
        .pods,
        namespace: "default",
        name: name,
        labels: labels,
        annotations: annotations,
        body: ["spec": spec]
    )
    pod["metadata", "uid"] = "u-1"
    pod["metadata", "generation"] = 1
    pod["status"] = status
    return PodModel(pod)
}

func exited(_ code: Int, at finishedAt: String = "2026-01-01T00:00:10Z") -> ContainerExit {
    ContainerExit(
        exitCode: code,
        reason: code == 0 ? "Completed" : "Error",
        startedAt: "2026-01-01T00:00:00Z",
        finishedAt: finishedAt
    )
}

extension ContainerView {
    static func running(attempt: Int = 0, stopping: Bool = false, up: Bool = true) -> ContainerView {
        ContainerView(
            state: .running(startedAt: "2026-01-01T00:00:00Z"),
            attempt: attempt,
            isStopping: stopping,
            isStarted: up,
            id: "id-\(attempt)"
        )
    }

    static func ended(_ code: Int, attempt: Int = 0, backoffUntil: Double? = nil) -> ContainerView {
        ContainerView(state: .exited(exited(code)), attempt: attempt, backoffUntil: backoffUntil, id: "id-\(attempt)")
    }
}

let fullImage = ResolvedImage(
    layers: ["/"],
    isHost: true,
    entrypoint: ["/entry"],
    command: ["default"],
    environment: ["FROM_IMAGE=1"],
    workingDir: "",
    user: "",
    imageID: "host",
    expose: [],
    carriesOutrigger: false,
    tag: nil,
    isSubstituted: false
)

/// Objects that are just there.
struct FixedPodObjects: PodObjects {
    var configMaps: [String: KubeObject] = [:]
    var secrets: [String: KubeObject] = [:]
    var serviceList: [KubeObject] = []

    func configMap(namespace: String, name: String) async throws -> KubeObject? { configMaps[name] }
    func secret(namespace: String, name: String) async throws -> KubeObject? { secrets[name] }
    func services(namespace: String) async throws -> [KubeObject] { serviceList }
}
