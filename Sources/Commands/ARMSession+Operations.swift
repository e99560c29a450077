internal import ControlPlaneAPI
internal import ControlPlaneClient
internal import KubeCore

extension ARMSession {
    /// How long a command waits, and how often it asks.
    struct Waiting: Sendable {
        var timeout: Duration = .seconds(3600)
        var poll: Duration = .milliseconds(200)
    }

    /// Posts to an address that answers with an operation, waits for its end, and answers the operation's result.
    ///
    /// - Throws: `ARMError` of the operation, or with code `OperationTimedOut`.
    func operate(
        _ path: String,
        _ body: JSON = .object([:]),
        query: [String: String] = [:],
        what: String,
        waiting: Waiting = Waiting(timeout: .seconds(300))
    ) async throws -> JSON {
        let answer = try await client.post(path, body, query: query)
        guard let operation = answer.operation else { return answer.body["properties"]?["result"] ?? answer.body }
        let start = ContinuousClock.now
        while true {
            let state = try await client.get(operation)
            switch state["status"]?.stringValue?.lowercased() {
            case "succeeded": return state["properties"]?["result"] ?? .null
            case "failed", "canceled":
                let status = state["status"]?.stringValue ?? "Failed"
                throw ARMError(
                    status: 409,
                    error: state["error"].flatMap { ErrorDetail($0) }
                        ?? ErrorDetail(code: "OperationFailed", message: "\(what) ended as '\(status)'.")
                )
            default: break
            }
            guard ContinuousClock.now - start < waiting.timeout else {
                let seconds = waiting.timeout.components.seconds
                throw ARMError(
                    408,
                    "OperationTimedOut",
                    "\(what): the cluster's agent has not answered within \(seconds) s; "
                        + "see 'outrigger connectedk8s show' for whether it is connected."
                )
            }
            try await Task.sleep(for: waiting.poll)
        }
    }
}
