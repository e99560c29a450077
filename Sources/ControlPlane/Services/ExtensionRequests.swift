internal import ControlPlaneAPI
internal import KubeCore

/// Questions to agents: each is an operation that ends with the answer, or after two minutes without one.
enum AgentRequests {
    /// Seconds until a request that nobody answers has failed.
    static let patience = 120.0
    /// Questions that may wait at one agent.
    static let limit = 32

    /// Asks the agent of `cluster` (its ARM id); answers the id of the operation to poll, which is also the request's.
    ///
    /// `resource` is the ARM id of the extension that it is about, which need not exist.
    /// - Throws: 429 while too many questions wait.
    static func ask(
        _ t: Transaction,
        _ kind: AgentRequest.Kind,
        operation: String = "install",
        desired: DesiredExtension,
        cluster: String,
        resource: String,
        now: Double
    ) throws -> String {
        guard try t.count(.agentRequest, parent: cluster) < limit else {
            throw ARMError(
                429,
                "TooManyRequests",
                "\(limit) requests wait for the agent of cluster '\(desired.clusterName)' already; try again when they have ended."
            )
        }
        let request = AgentRequest(id: RandomText.uuid(), kind: kind, operation: operation, desired: desired)
        let hidden: [String: JSON] = ["request": try JSON(encoding: request), "askedAt": .double(now)]
        var document = Document(
            kind: .agentRequest,
            id: key(request.id),
            parent: cluster,
            name: request.id,
            body: .object([:]),
            hidden: .object(hidden)
        )
        try t.put(&document)
        try Operations.start(t, id: request.id, resource: resource)
        return request.id
    }

    /// The unanswered questions to the agent of a cluster, oldest first.
    static func pending(_ t: Transaction, cluster: String) throws -> [AgentRequest] {
        try t.list(.agentRequest, parent: cluster).compactMap { document in
            // One that another version has written and this one cannot read must not hold up the rest; it expires.
            do { return try document.hidden["request"]?.decode() } catch { return nil }
        }
    }

    /// Ends a question of the cluster whose agent answers; an answer to anything else changes nothing.
    static func answer(_ t: Transaction, _ answer: AgentAnswer, cluster: String) throws {
        guard let document = try t.find(key(answer.id)), document.parent == cluster.lowercased() else { return }
        try t.remove(document.id)
        try Operations.finish(t, id: answer.id, error: answer.error, result: answer.result)
    }

    /// Fails questions that have waited too long.
    static func expire(_ t: Transaction, now: Double) throws {
        for document in try t.listAll(.agentRequest) where isLate(document, now: now) {
            try t.remove(document.id)
            try Operations.finish(
                t,
                id: document.name,
                error: ErrorDetail(
                    code: "AgentNotResponding",
                    message:
                        "The agent of \(document.parent) has not answered within \(Int(patience)) s; \(try silence(t, cluster: document.parent, now: now)). Check that the cluster is up and that its agent runs."
                )
            )
        }
    }

    static func isLate(_ document: Document, now: Double) -> Bool {
        now - (document.hidden["askedAt"]?.doubleValue ?? document.createdAt) >= patience
    }

    /// Since when the agent has not been heard, in words.
    static func silence(_ t: Transaction, cluster: String, now: Double) throws -> String {
        guard let last = try ClusterHeartbeats.last(t, cluster: cluster) else { return "it has never been heard of" }
        return "it was last heard of at \(rfc3339(last)), \(Int(max(0, now - last))) s ago"
    }

    private static func key(_ id: String) -> String { "/agentRequests/" + id }
}
