internal import Foundation
internal import KubeCore

/// Gives each request its credentials, reading token files again and running exec plugins when theirs expire.
actor CredentialSource {
    /// What goes into one request.
    struct Answer: Sendable, Hashable {
        var authorization: String?
        var clientCertificate: KubeConfig.ClientCertificate?
    }

    private let credentials: KubeConfig.Credentials
    private let cluster: JSON
    private let clock = ContinuousClock()
    private var cached: Answer?
    private var cachedUntil: ContinuousClock.Instant?
    private var running: Task<ExecCredential, any Error>?

    /// A projected token is renewed long before it ends, so a minute-old copy is always good.
    private static let tokenFileLife: Duration = .seconds(60)

    init(_ configuration: KubeConfig) {
        credentials = configuration.credentials
        var cluster: [String: JSON] = ["server": .string(configuration.server)]
        if let name = configuration.tlsServerName { cluster["tls-server-name"] = .string(name) }
        if configuration.isInsecure { cluster["insecure-skip-tls-verify"] = true }
        if let authority = configuration.certificateAuthorityPEM {
            cluster["certificate-authority-data"] = .string(Data(authority.utf8).base64EncodedString())
        }
        self.cluster = .object(cluster)
    }

    /// True when a 401 may mean that only the cached credentials are too old.
    nonisolated var isRenewable: Bool {
        switch credentials {
        case .tokenFile, .exec: true
        case .none, .token, .basic: false
        }
    }

    /// Forgets what is cached, after the server refused it.
    func invalidate() {
        cached = nil
        cachedUntil = nil
    }

    func answer() async throws -> Answer {
        if let cached, cachedUntil.map({ $0 > clock.now }) ?? true { return cached }
        switch credentials {
        case .none: return keep(Answer(), until: nil)
        case .token(let token): return keep(Answer(authorization: "Bearer " + token), until: nil)
        case .basic(let user, let password):
            let pair = Data("\(user):\(password)".utf8).base64EncodedString()
            return keep(Answer(authorization: "Basic " + pair), until: nil)
        case .tokenFile(let path):
            guard let data = FileManager.default.contents(atPath: path) else {
                throw KubeConfigError("token file \(path) cannot be read")
            }
            let token = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            return keep(Answer(authorization: "Bearer " + token), until: clock.now + Self.tokenFileLife)
        case .exec(let plugin):
            let credential = try await run(plugin)
            return keep(credential.answer, until: credential.remaining.map { clock.now + $0 })
        }
    }

    private func keep(_ answer: Answer, until: ContinuousClock.Instant?) -> Answer {
        cached = answer
        cachedUntil = until
        return answer
    }

    /// Runs the plugin once for all requests that wait for it.
    private func run(_ plugin: KubeConfig.ExecPlugin) async throws -> ExecCredential {
        if let running { return try await running.value }
        let cluster = plugin.providesClusterInfo ? cluster : nil
        // Shared by several requests, so it must outlive the one that started it; the plugin's own time limit ends it.
        let task = Task { try await ExecCredential.run(plugin, cluster: cluster) }
        running = task
        defer { running = nil }
        return try await task.value
    }
}
