internal import KubeCore

/// Finds containers on disk by the names that requests use.
struct ContainerAccess: Sendable {
    let paths: NodePaths
    let runtime: ContainerRuntime

    struct Found: Sendable {
        var pod: PodModel
        var record: ContainerRecord
        var paths: ContainerPaths
    }

    /// The newest pod of that name on this node.
    ///
    /// - Throws: `.notFound`.
    func pod(namespace: String, name: String) throws -> PodModel {
        var found: [PodModel] = []
        for uid in Files.list(paths.pods) {
            guard let record = PodRecord.load(paths.pod(uid).record) else { continue }
            let pod = PodModel(KubeObject(record.pod))
            if pod.namespace == namespace, pod.name == name { found.append(pod) }
        }
        guard let newest = found.max(by: { ($0.object.creationTimestamp ?? "") < ($1.object.creationTimestamp ?? "") })
        else {
            throw NodeAgentError(.notFound, "pod \"\(name)\" in namespace \"\(namespace)\" does not run on this node")
        }
        return newest
    }

    /// The newest run of a container, or with `previous` the one before it.
    ///
    /// - Throws: `.notFound` for an unknown pod or container, `.badRequest` when there is no such run.
    func container(namespace: String, pod podName: String, name: String, previous: Bool = false) throws -> Found {
        let pod = try pod(namespace: namespace, name: podName)
        guard pod.container(name) != nil else {
            throw NodeAgentError(.notFound, "container \(name) not found in pod \(podName)_\(namespace)")
        }
        let folder = paths.pod(pod.uid).containers + "/" + name
        let runs = Files.list(folder).compactMap { Int($0) }.sorted(by: >)
        let wanted = previous ? Array(runs.dropFirst()) : runs
        for attempt in wanted {
            let own = paths.pod(pod.uid).container(name, attempt: attempt)
            if let record = ContainerRecord.load(own.record) { return Found(pod: pod, record: record, paths: own) }
        }
        throw NodeAgentError(
            .badRequest,
            previous
                ? "previous terminated container \"\(name)\" in pod \"\(podName)\" not found"
                : "container \"\(name)\" in pod \"\(podName)\" is waiting to start: ContainerCreating"
        )
    }

    /// A container that runs.
    func running(namespace: String, pod: String, name: String) throws -> Found {
        let found = try container(namespace: namespace, pod: pod, name: name)
        guard case .running = found.paths.presence() else {
            throw NodeAgentError(.badRequest, "container \"\(name)\" in pod \"\(pod)\" is not running")
        }
        return found
    }
}
