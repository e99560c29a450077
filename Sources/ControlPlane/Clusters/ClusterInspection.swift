internal import ControlPlaneAPI
internal import KubeCore

/// Looks at a cluster before it is registered: whether it answers, who we are there, what we may do.
struct ClusterInspection: Sendable {
    struct Facts: Sendable {
        var kubernetesVersion: String
        var nodeCount: Int
    }

    static let reviews = ResourceType(
        group: "authorization.k8s.io",
        version: "v1",
        plural: "selfsubjectaccessreviews",
        kind: "SelfSubjectAccessReview",
        isNamespaced: false
    )

    let cluster: String
    let api: any ClusterAPI
    let rights: [ClusterRight]
    var limit: Duration = .seconds(20)

    /// - Throws: an `ARMError` 400 that names the one thing that failed.
    func run() async throws -> Facts {
        let version = try await bounded("GET /version") { try await readVersion() }
        // Anyone may read the version; the list proves who we are.
        let nodes = try await bounded("list nodes") { try await countNodes() }
        let missing = try await bounded("create selfsubjectaccessreviews") { try await findMissing() }
        guard missing.isEmpty else {
            let shown = missing.prefix(12).map(\.description)
            let more = missing.count > shown.count ? ", and \(missing.count - shown.count) more" : ""
            throw ARMError(
                400,
                "ClusterRightsMissing",
                "Cluster '\(cluster)': the user of the kubeconfig may not \(shown.joined(separator: ", "))\(more). Use a kubeconfig with these rights, such as one of a cluster administrator.",
                target: "properties.kubeconfig",
                details: missing.map { ErrorDetail(code: "RightMissing", message: $0.description) }
            )
        }
        return Facts(kubernetesVersion: version, nodeCount: nodes ?? 0)
    }

    private func readVersion() async throws -> String {
        let (status, body) = try await api.proxy(method: "GET", path: "/version", headers: [:], body: [])
        var bytes: [UInt8] = []
        for try await chunk in body {
            bytes += chunk
            if bytes.count > 1 << 20 { break }
        }
        if status == 401 || status == 403 { return "" }
        guard status == 200, let version = (try? JSON(parsing: bytes))?["gitVersion"]?.stringValue else {
            throw ARMError(
                400,
                "ClusterNotReachable",
                "Cluster '\(cluster)': what answers at the kubeconfig's address is no Kubernetes API server; GET /version answered \(status).",
                target: "properties.kubeconfig"
            )
        }
        return version
    }

    /// nil when nodes may not be listed, which the rights will tell.
    private func countNodes() async throws -> Int? {
        do {
            let page = try await api.list(.nodes, namespace: nil, options: ListOptions(limit: 500))
            // The server may say anything.
            return page.items.count + min(max(0, page.remainingItemCount ?? 0), 1_000_000)
        } catch let error as APIError where error.code == 401 {
            throw ARMError(
                400,
                "ClusterUnauthorized",
                "Cluster '\(cluster)': the API server does not accept the credentials of the kubeconfig (\(error.message)). They may have expired; get a fresh kubeconfig.",
                target: "properties.kubeconfig"
            )
        } catch let error as APIError where error.code == 403 {
            return nil
        }
    }

    private func findMissing() async throws -> [ClusterRight] {
        // Administrators may do everything; one question is enough for them.
        if try await isAllowed(ClusterRight("*", "*", group: "*")) { return [] }
        // A few at once: there are many questions, and some clusters are far away.
        let lanes = 8
        var seen: Set<ClusterRight> = []
        let questions = rights.filter { seen.insert($0).inserted }
        let found = try await withThrowingTaskGroup(of: Set<ClusterRight>.self) { group in
            for lane in 0..<lanes {
                let mine = stride(from: lane, to: questions.count, by: lanes).map { questions[$0] }
                group.addTask { try await refused(of: mine) }
            }
            return try await group.reduce(into: Set<ClusterRight>()) { $0.formUnion($1) }
        }
        return questions.filter(found.contains)
    }

    private func refused(of rights: [ClusterRight]) async throws -> Set<ClusterRight> {
        var refused: Set<ClusterRight> = []
        for right in rights where try await !isAllowed(right) { refused.insert(right) }
        return refused
    }

    private func isAllowed(_ right: ClusterRight) async throws -> Bool {
        var attributes: [String: JSON] = [
            "verb": .string(right.verb), "group": .string(right.group), "resource": .string(right.resource),
        ]
        if !right.subresource.isEmpty { attributes["subresource"] = .string(right.subresource) }
        if let namespace = right.namespace { attributes["namespace"] = .string(namespace) }
        let review: JSON = [
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": ["resourceAttributes": .object(attributes)],
        ]
        let answer = try await api.create(Self.reviews, KubeObject(review))
        return answer["status", "allowed"]?.boolValue ?? false
    }

    private func bounded<T: Sendable>(
        _ what: String,
        _ work: @escaping @Sendable () async throws -> T
    ) async throws -> T {
        do {
            return try await withThrowingTaskGroup(of: T?.self) { group in
                group.addTask { try await work() }
                group.addTask { [limit] in
                    try await Task.sleep(for: limit)
                    return nil
                }
                defer { group.cancelAll() }
                guard let first = try await group.next(), let value = first else {
                    throw refusal(what, "no answer within \(limit)")
                }
                return value
            }
        } catch let error as ARMError {
            throw error
        } catch is CancellationError {
            throw CancellationError()
        } catch let error as APIError {
            throw refusal(what, error.message)
        } catch {
            throw refusal(what, "\(error)")
        }
    }

    private func refusal(_ what: String, _ cause: String) -> ARMError {
        ARMError(
            400,
            "ClusterNotReachable",
            "Cluster '\(cluster)': its API server does not answer as it should; \(what): \(cause). Check the server, the certificate authority and the proxy in the kubeconfig, and that this machine reaches it.",
            target: "properties.kubeconfig"
        )
    }
}
