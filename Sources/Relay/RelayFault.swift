internal import KubeCore

/// An answer that the relay makes itself, in the words of the Kubernetes API.
struct RelayFault: Sendable {
    var status: Int
    var reason: String
    var message: String

    var response: RelayResponse {
        let error = APIError(code: status, reason: APIError.Reason(rawValue: reason), message: message)
        return RelayResponse(
            status: status,
            headers: [("content-type", "application/json"), (RelayProtocol.faultHeader, "true")],
            body: .of(error.status.bytes)
        )
    }
}
