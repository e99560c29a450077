internal import Foundation
internal import KubeCore

/// Service account tokens of this node's pods, asked for through the API and renewed in time.
actor TokenCache {
    private struct Key: Hashable {
        var podUID: String
        var audience: String
        var expirationSeconds: Int
    }

    private struct Entry {
        var token: String
        var renewAt: Date
    }

    private let api: any ResourceAPI
    private var entries: [Key: Entry] = [:]

    init(api: any ResourceAPI) { self.api = api }

    /// A token with at least a fifth of its life left, and never older than a day.
    func token(pod: PodModel, audience: String, expirationSeconds: Int) async throws -> String {
        let key = Key(podUID: pod.uid, audience: audience, expirationSeconds: expirationSeconds)
        if let entry = entries[key], entry.renewAt > Date.now { return entry.token }
        var spec: [String: JSON] = [
            "expirationSeconds": JSON(expirationSeconds),
            "boundObjectRef": ["apiVersion": "v1", "kind": "Pod", "name": .string(pod.name), "uid": .string(pod.uid)],
        ]
        if !audience.isEmpty { spec["audiences"] = [.string(audience)] }
        let request = KubeObject([
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": [:], "spec": .object(spec),
        ])
        let answer = try await api.create(
            .serviceAccounts,
            namespace: pod.namespace,
            name: pod.serviceAccountName,
            subresource: "token",
            object: request,
            options: WriteOptions()
        )
        guard let token = answer["status", "token"]?.stringValue else {
            throw NodeAgentError(
                .volume,
                "the API gave no token for service account \(pod.namespace)/\(pod.serviceAccountName)"
            )
        }
        let end = answer["status", "expirationTimestamp"]?.stringValue.flatMap { Timestamp.seconds($0) }
        let life = end.map { $0 - Date.now.timeIntervalSince1970 } ?? Double(expirationSeconds)
        entries[key] = Entry(token: token, renewAt: Date.now.addingTimeInterval(min(life * 0.8, 24 * 3600)))
        return token
    }

    func forget(podUID: String) { entries = entries.filter { $0.key.podUID != podUID } }
}
