internal import AsyncHTTPClient
package import ControlPlaneAPI
internal import Foundation
package import KubeCore
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL
internal import Synchronization

/// The way from the agent in a cluster to the control plane: every connection is dialled from here.
///
/// Whatever is cut is dialled again. `work()` goes on across cuts and yields the whole state after each; the other calls try
/// again for `Configuration.patience` and then throw. Call `shutdown()` when done.
package final class RemoteExtensionLink: ExtensionLink {
    package struct Configuration: Sendable {
        /// Base URL of the control plane, no trailing slash.
        package var url: String
        /// ARM id of the cluster.
        package var cluster: String
        package var key: ClusterAgentKey
        /// The control plane's CA.
        package var caPEM: String
        /// Silence after which a stream counts as dead; the control plane sends something every 10 s.
        package var silence: Duration
        /// How long single calls try again when the control plane does not answer.
        package var patience: Duration
        /// Longest pause between two dials.
        package var longestPause: Duration
        /// Longest pause after the control plane has refused the key; the first are shorter, since a cluster may just be about to
        /// be registered.
        package var rejectedPause: Duration

        package init(
            url: String,
            cluster: String,
            key: ClusterAgentKey,
            caPEM: String,
            silence: Duration = .seconds(30),
            patience: Duration = .seconds(30),
            longestPause: Duration = .seconds(30),
            rejectedPause: Duration = .seconds(300)
        ) {
            self.url = url
            self.cluster = cluster
            self.key = key
            self.caPEM = caPEM
            self.silence = silence
            self.patience = patience
            self.longestPause = longestPause
            self.rejectedPause = rejectedPause
        }
    }

    /// What is worth a line in the log, or a change of readiness.
    package enum Event: Sendable {
        /// The stream of work is open.
        case connected
        /// It ended; dialled again after the pause.
        case disconnected(reason: String, pause: Duration)
        /// The control plane does not know the cluster or its key; somebody must act.
        case rejected(ARMError, pause: Duration)
    }

    let configuration: Configuration
    let http: HTTPClient
    let tokens: AgentTokens
    private let notice: @Sendable (Event) -> Void

    /// `notice` is called for each change of the connection.
    package init(_ configuration: Configuration, notice: @escaping @Sendable (Event) -> Void = { _ in }) throws {
        self.configuration = configuration
        self.notice = notice
        var settings = HTTPClient.Configuration()
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(configuration.caPEM.utf8)))
        tls.shutdownTimeout = .milliseconds(300)
        settings.tlsConfiguration = tls
        settings.httpVersion = .http1Only
        let silence = configuration.silence
        settings.timeout = .init(
            connect: .nanoseconds(min(silence, .seconds(10)).nanoseconds),
            read: .nanoseconds(silence.nanoseconds)
        )
        settings.redirectConfiguration = .disallow
        // Without this a client of a control plane that is away waits in the pool and not in the loop that can be ended.
        settings.connectionPool.retryConnectionEstablishment = false
        http = HTTPClient(configuration: settings)
        tokens = AgentTokens(configuration: configuration, http: http)
    }

    package func shutdown() async throws { try await http.shutdown() }

    // MARK: Work

    /// The whole state after each change, for as long as somebody reads; a cut ends nothing.
    package func work() async -> AsyncStream<AgentWork> {
        let (stream, continuation) = AsyncStream.makeStream(of: AgentWork.self, bufferingPolicy: .bufferingNewest(1))
        // Ends with the stream: its consumer going away cancels it.
        let task = Task {
            await self.follow { continuation.yield($0) }
            continuation.finish()
        }
        continuation.onTermination = { _ in task.cancel() }
        return stream
    }

    private func follow(_ yield: @Sendable (AgentWork) -> Void) async {
        var pauses = RedialPauses(longest: configuration.longestPause)
        var rejections = RedialPauses(first: .seconds(4), longest: configuration.rejectedPause)
        while !Task.isCancelled {
            let event: Event
            let pause: Duration
            do {
                try await readWork { work in
                    pauses.reset()
                    rejections.reset()
                    yield(work)
                }
                // The control plane ends streams with their token; that is no trouble.
                pause = .milliseconds(Int.random(in: 20...200))
                event = .disconnected(reason: "the control plane ended the stream", pause: pause)
            } catch let error as ARMError where error.isAgentRejection {
                // Slow, so that a cluster that was deleted does not knock for ever; not never, as it may be registered again.
                pause = rejections.next()
                event = .rejected(error, pause: pause)
            } catch {
                if Task.isCancelled { return }
                pause = pauses.next()
                event = .disconnected(reason: "\(error)", pause: pause)
            }
            notice(event)
            do { try await Task.sleep(for: pause) } catch { return }
        }
    }

    private func readWork(_ take: (AgentWork) -> Void) async throws {
        let token = try await tokens.token()
        var request = HTTPClientRequest(url: address("/work"))
        request.headers.add(name: "Authorization", value: "Bearer " + token)
        request.headers.add(name: "Accept", value: "application/x-ndjson")
        let response = try await http.execute(request, deadline: .distantFuture)
        guard response.status.code < 400 else {
            let bytes = try await response.body.collect(upTo: 1 << 20)
            if response.status == .unauthorized { await tokens.forget(token) }
            throw ControlPlaneClient.error(bytes, Int(response.status.code))
        }
        notice(.connected)
        var buffer = ByteBuffer()
        for try await chunk in response.body {
            buffer.writeImmutableBuffer(chunk)
            while let end = buffer.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
                let line = buffer.readBytes(length: end - buffer.readerIndex) ?? []
                buffer.moveReaderIndex(forwardBy: 1)
                guard !line.isEmpty else { continue }
                take(try JSON(parsing: line).decode(AgentWork.self))
            }
            buffer.discardReadBytes()
            guard buffer.readableBytes < 64 << 20 else {
                throw ARMError(502, "LineTooLong", "A line of the work stream is longer than 64 MiB.")
            }
        }
    }

    // MARK: Single calls

    package func report(_ report: ExtensionReport) async throws {
        try await send("POST", "/reports", body: try JSON(encoding: report))
    }

    package func answer(_ answer: AgentAnswer) async throws {
        try await send("POST", "/answers", body: try JSON(encoding: answer))
    }

    package func heartbeat(_ heartbeat: ClusterHeartbeat) async throws {
        try await send("POST", "/heartbeat", body: try JSON(encoding: heartbeat))
    }

    package func relayCredential() async throws -> AgentCredential {
        let answer = try await send("POST", "/relayToken", body: [:])
        guard let token = answer["access_token"]?.stringValue, let seconds = answer["expires_in"]?.intValue else {
            throw ARMError(502, "UnexpectedAnswer", "The control plane answered no relay token.")
        }
        return AgentCredential(token: token, expiresIn: seconds)
    }

    package func bundle(_ component: String, version: String) async throws -> [JSON]? {
        do {
            let answer = try await send("GET", "/bundles/" + encoded(component) + "/" + encoded(version))
            return answer.arrayValue
        } catch let error as ARMError where error.status == 404 && error.error.code == "BundleNotFound" {
            return nil
        }
    }

    private func address(_ path: String) -> String {
        configuration.url + encodedPath(configuration.cluster) + "/agent" + path
    }

    /// Sends until there is an answer, at most for as long as patience lasts; all agent calls may be repeated.
    @discardableResult
    private func send(_ method: String, _ path: String, body: JSON? = nil) async throws -> JSON {
        var pauses = RedialPauses(longest: .seconds(5))
        let start = ContinuousClock.now
        var mayRenew = true
        while true {
            do {
                return try await once(method, path, body)
            } catch let error as ARMError where error.status == 401 && mayRenew && !error.isAgentRejection {
                // The token was forgotten; one more try gets a new one.
                mayRenew = false
            } catch let error as ARMError where error.status < 500 && error.status != 429 {
                throw error
            } catch {
                if Task.isCancelled { throw CancellationError() }
                let pause = pauses.next()
                guard ContinuousClock.now - start + pause < configuration.patience else { throw error }
                try await Task.sleep(for: pause)
            }
        }
    }

    private func once(_ method: String, _ path: String, _ body: JSON?) async throws -> JSON {
        let token = try await tokens.token()
        var request = HTTPClientRequest(url: address(path))
        request.method = .RAW(value: method)
        request.headers.add(name: "Authorization", value: "Bearer " + token)
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body.bytes))
        }
        let response = try await http.execute(request, timeout: .seconds(30))
        let bytes = try await response.body.collect(upTo: 64 << 20)
        guard response.status.code < 400 else {
            if response.status == .unauthorized { await tokens.forget(token) }
            throw ControlPlaneClient.error(bytes, Int(response.status.code))
        }
        return bytes.readableBytes == 0 ? .null : try JSON(parsing: bytes.readableBytesView)
    }
}

extension RemoteExtensionLink: CustomStringConvertible, CustomDebugStringConvertible {
    package var description: String { "RemoteExtensionLink(\(configuration.url))" }
    package var debugDescription: String { description }
}

extension ARMError {
    /// The control plane does not take the agent's key or does not know the cluster.
    var isAgentRejection: Bool {
        error.code == "AssertionRefused" || error.code == "AssertionOutOfTime"
            || (status == 404 && error.code == "ResourceNotFound")
    }
}

/// Pauses that double from a first one, with jitter so that many agents do not dial together.
struct RedialPauses: Sendable {
    let first: Duration
    let longest: Duration
    private var step = 0

    init(first: Duration = .milliseconds(250), longest: Duration) {
        self.first = first
        self.longest = longest
    }

    mutating func next() -> Duration {
        let pause = min(longest, first * (1 << min(step, 16)))
        step += 1
        return pause * Double.random(in: 0.5...1)
    }

    mutating func reset() { step = 0 }
}

extension Duration {
    /// Saturates far beyond any wait.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return min(seconds, 1 << 32) * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
