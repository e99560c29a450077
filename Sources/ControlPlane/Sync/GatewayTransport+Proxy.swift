internal import KubeCore

/// Through the API server's service proxy, for clusters whose inside the control plane does not reach.
actor ServiceProxyTransport: GatewayTransport {
    static let path =
        "/api/v1/namespaces/\(GatewaySecret.namespace)/services/https:gateway:\(GatewaySecret.port)/proxy"
    /// The API server keeps `Authorization` to itself.
    static let authorization = "Outrigger-Authorization"

    private let proxy: any ServiceProxying
    private let api: any ResourceAPI
    private let cluster: String
    private var token: String?

    init(proxy: any ServiceProxying, api: any ResourceAPI, cluster: String) {
        self.proxy = proxy
        self.api = api
        self.cluster = cluster
    }

    func send(_ call: GatewayCall) async throws -> GatewayReply {
        let token = try await credential()
        var headers = [Self.authorization: "Bearer " + token]
        for header in call.headers { headers[header.name] = header.value }
        let answer = try await proxy.proxy(
            method: call.method,
            path: Self.path + call.path,
            headers: headers,
            body: call.body ?? []
        )
        return GatewayReply(status: answer.status, body: answer.body)
    }

    func reset() async { token = nil }

    private func credential() async throws -> String {
        if let token { return token }
        let found = try await GatewaySecret.token(api, cluster: cluster)
        token = found
        return found
    }
}
