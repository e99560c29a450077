internal import ControlPlaneAPI
internal import Foundation
package import KubeCore

/// What a long-running operation looked like when it was last asked.
package struct OperationProgress: Sendable {
    /// `InProgress`, `Succeeded`, … or the resource's provisioningState.
    package var status: String
    /// The resource, when it was read.
    package var resource: JSON?
    package var elapsed: Duration
}

extension ControlPlaneClient {
    /// Waits for the end of an operation and answers the resource as it then is; nil when it is gone.
    ///
    /// `resource` is the ARM id to read for progress and for the result; nil takes the address that was asked. After `timeout`
    /// an `ARMError` with code `OperationTimedOut` is thrown while the operation goes on; an operation that failed is thrown
    /// with its own code and message. `progress` is called after each poll.
    @discardableResult
    package func wait(
        for answer: Answer,
        resource: String? = nil,
        timeout: Duration = .seconds(3600),
        poll: Duration = .milliseconds(500),
        progress: (OperationProgress) async -> Void = { _ in }
    ) async throws -> JSON? {
        let start = ContinuousClock.now
        let target = resource ?? String(answer.url.split(separator: "?")[0])
        while true {
            let (status, error, current) = try await look(answer, target)
            await progress(OperationProgress(status: status, resource: current, elapsed: ContinuousClock.now - start))
            switch status.lowercased() {
            case "succeeded": return try await find(target)
            case "failed", "canceled":
                let detail =
                    error ?? ErrorDetail(code: "OperationFailed", message: "The operation ended as '\(status)'.")
                throw ARMError(status: 409, error: detail)
            default: break
            }
            guard ContinuousClock.now - start < timeout else {
                throw ARMError(
                    408,
                    "OperationTimedOut",
                    "The operation is still '\(status)' after \(timeout.components.seconds) s; it goes on."
                )
            }
            try await Task.sleep(for: poll)
        }
    }

    private func look(_ answer: Answer, _ target: String) async throws -> (String, ErrorDetail?, JSON?) {
        guard let operation = answer.operation else {
            let current = try await find(target)
            let state = current?["properties"]?["provisioningState"]?.stringValue ?? "Succeeded"
            return (state, current.flatMap(ControlPlaneClient.failure), current)
        }
        let body = try await get(operation)
        let current = try await find(target)
        let status = body["status"]?.stringValue ?? "InProgress"
        return (
            status, body["error"].flatMap { ErrorDetail($0) } ?? current.flatMap(ControlPlaneClient.failure), current
        )
    }

    private static func failure(_ resource: JSON) -> ErrorDetail? {
        (resource["properties"]?["error"] ?? resource["properties"]?["errorInfo"]).flatMap { ErrorDetail($0) }
    }
}
