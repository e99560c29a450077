internal import AsyncHTTPClient
internal import KubeCore
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// Where a pod's ports are reached from this machine.
struct ProbeTarget: Sendable {
    var container: ContainerModel
    var record: ContainerRecord
    var paths: ContainerPaths
    /// Address used when a probe names no host.
    var address: String
}

/// Carries out probes and hooks.
final class ProbeRunner: Sendable {
    enum Result: Sendable, Hashable {
        case success
        case failure(String)
    }

    private let runtime: ContainerRuntime
    private let client: HTTPClient

    init(runtime: ContainerRuntime) {
        self.runtime = runtime
        // Probes do not verify certificates, as upstream: a pod's own certificate names no address.
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.certificateVerification = .none
        let configuration = HTTPClient.Configuration(
            tlsConfiguration: tls,
            redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(10)),
            connectionPool: .init(idleTimeout: .milliseconds(100)),
            decompression: .disabled
        )
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    func shutdown() async throws { try await client.shutdown() }

    func probe(_ spec: ProbeSpec, _ target: ProbeTarget) async -> Result {
        let limit = Duration.seconds(spec.timeoutSeconds)
        do {
            switch spec.action {
            case .exec(let command):
                let result = try await runtime.exec(target.record, at: target.paths, command: command, timeout: limit)
                return result.exitCode == 0 ? .success : .failure(result.output)
            case .httpGet(let http):
                let (code, body, url) = try await get(http, target, limit: limit)
                if (200..<400).contains(code) { return .success }
                return .failure("HTTP probe failed with statuscode: \(code)" + (body.isEmpty || code != 0 ? "" : url))
            case .tcpSocket(let host, let port):
                guard let number = target.container.portNumber(port) else { return .failure("no port \(port.text)") }
                try await connect(host.isEmpty ? target.address : host, number, limit: limit)
                return .success
            case .grpc:
                return .failure("gRPC probes are not supported by this node")
            }
        } catch let error as NodeAgentError where error.code == .timeout {
            return .failure(error.message)
        } catch {
            return .failure("\(error)")
        }
    }

    /// Runs a lifecycle hook.
    ///
    /// - Throws: with the reason when it fails; `.timeout` after `limit`.
    func run(_ hook: HookAction, _ target: ProbeTarget, limit: Duration) async throws {
        switch hook {
        case .exec(let command):
            let result = try await runtime.exec(target.record, at: target.paths, command: command, timeout: limit)
            guard result.exitCode == 0 else {
                throw NodeAgentError(
                    .command,
                    "command '\(command.joined(separator: " "))' exited with \(result.exitCode): \(result.output.trimmed)"
                )
            }
        case .httpGet(let http):
            let (code, _, url) = try await get(http, target, limit: limit)
            guard (200..<400).contains(code) else { throw NodeAgentError(.command, "\(url) answered \(code)") }
        case .sleep(let seconds):
            try await Task.sleep(for: min(.seconds(seconds), limit))
        }
    }

    private func get(_ http: HTTPTarget, _ target: ProbeTarget, limit: Duration) async throws -> (Int, String, String) {
        guard let port = target.container.portNumber(http.port) else {
            throw NodeAgentError(.configuration, "container \(target.container.name) has no port \(http.port.text)")
        }
        let host = http.host.isEmpty ? target.address : http.host
        let url = "\(http.scheme)://\(host):\(port)\(http.path)"
        var request = HTTPClientRequest(url: url)
        var hasUserAgent = false
        for header in http.headers {
            request.headers.add(name: header.name, value: header.value)
            if header.name.lowercased() == "user-agent" { hasUserAgent = true }
        }
        if !hasUserAgent { request.headers.add(name: "User-Agent", value: "kube-probe/1.36") }
        if !request.headers.contains(name: "Accept") { request.headers.add(name: "Accept", value: "*/*") }
        let ready = request
        let client = client
        return try await withTimeout(limit, "Get \"\(url)\"") {
            let response = try await client.execute(ready, timeout: .seconds(3600))
            var body = ""
            // Enough to say what is wrong; the rest is not read.
            for try await part in response.body {
                body += String(buffer: part)
                if body.utf8.count > 1024 { break }
            }
            return (Int(response.status.code), body, url)
        }
    }

    private func connect(_ host: String, _ port: Int, limit: Duration) async throws {
        let nanoseconds = limit.components.seconds * 1_000_000_000
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.nanoseconds(nanoseconds)).connect(host: host, port: port).get()
        try await channel.close().get()
    }
}
