internal import KubeCore

/// What the agent keeps on disk about a pod, so that it can adopt or remove it without the API.
struct PodRecord: Sendable, Codable {
    /// The object as last seen.
    var pod: JSON
    var address: PodAddress?
    /// The sandbox's namespaces exist and, unless the pod uses the host's network, it has its address.
    var isSandboxReady: Bool
    /// The pod will run nothing any more; only its logs wait for the object's end.
    var isTornDown: Bool
    var gpuIndexes: [Int]
    /// Init containers whose work is done, which survives the loss of their records.
    var hasInitialized: Bool
    /// `activeDeadlineSeconds` has ended the pod.
    var hasExceededDeadline: Bool

    init(pod: PodModel) {
        self.pod = pod.object.json
        isSandboxReady = false
        isTornDown = false
        gpuIndexes = []
        hasInitialized = false
        hasExceededDeadline = false
    }

    static func load(_ path: String) -> PodRecord? {
        guard let bytes = try? Files.read(path), let json = try? JSON(parsing: bytes) else { return nil }
        return try? json.decode(PodRecord.self)
    }

    func save(_ path: String) throws { try Files.writeAtomically(path, JSON(encoding: self).bytes) }
}
