internal import AsyncHTTPClient
internal import KubeCore
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL
internal import Testing

/// The control plane's REST interface as any client sees it, from nothing but `connection.json` and `ca.pem`.
struct ControlPlane: Sendable {
    let instance: Instance

    /// Signs in and gets one resource; `path` is below the server's address.
    func get(_ path: String) async throws -> (status: Int, body: JSON) {
        let connection = try instance.read(instance.data + "/connection.json")
        func text(_ key: String) throws -> String { try #require(connection[key]?.stringValue) }
        var configuration = HTTPClient.Configuration()
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(instance.data + "/ca.pem"))
        tls.shutdownTimeout = .milliseconds(300)
        configuration.tlsConfiguration = tls
        let client = HTTPClient(configuration: configuration)
        do {
            var signIn = HTTPClientRequest(url: try text("url") + "/" + text("tenant") + "/oauth2/v2.0/token")
            signIn.method = .POST
            signIn.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
            signIn.body = .bytes(
                ByteBuffer(
                    string: try "grant_type=client_credentials&client_id=\(text("clientId"))"
                        + "&client_secret=\(text("clientSecret"))&scope=\(text("url"))/.default"
                )
            )
            let token = try #require(try await send(signIn, client).body["access_token"]?.stringValue)
            var request = HTTPClientRequest(url: try text("url") + path)
            request.headers.add(name: "Authorization", value: "Bearer " + token)
            let answer = try await send(request, client)
            try await client.shutdown()
            return answer
        } catch {
            try? await client.shutdown()
            throw error
        }
    }

    private func send(_ request: HTTPClientRequest, _ client: HTTPClient) async throws -> (status: Int, body: JSON) {
        let response = try await client.execute(request, timeout: .seconds(30))
        let bytes = try await response.body.collect(upTo: 16 << 20)
        return (Int(response.status.code), try JSON(parsing: bytes.readableBytesView))
    }
}
