internal import ArgumentParser
internal import ControlPlaneAPI
internal import ControlPlaneClient
internal import Extension
internal import Foundation
internal import KubeClient
internal import KubeCore
internal import KubeRuntime
internal import Logging
internal import Scheduling
internal import ServiceLifecycle
internal import Telemetry

/// The extension agent of a connected cluster: it dials the control plane, and nothing dials it.
struct ExtensionAgentComponent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "extension-agent",
        abstract: "Installs and keeps the cluster extension of a connected cluster."
    )

    func run() async throws {
        let host = try ComponentHost("extension-agent")
        let identity = try AgentIdentity.read()
        let notices = AgentNotices(health: host.health, logger: host.logger)
        let link = try RemoteExtensionLink(
            .init(url: identity.url, cluster: identity.cluster, key: identity.key, caPEM: identity.caPEM)
        ) { notices.take($0) }
        let agent = ExtensionAgent(
            link: link,
            api: host.api,
            profile: ClusterProfile(
                image: ComponentHost.variable(ComponentEnvironment.image) ?? Product.image,
                version: Product.version,
                controlPlaneURL: identity.url,
                controlPlaneCA: identity.caPEM,
                extraCRDs: VolcanoCRDs.all
            ),
            podLogs: { try await host.log($0, $1, $2, $3, $4) },
            serverVersion: { try await host.api.serverVersion().gitVersion },
            logger: host.logger
        )
        // Two at once would undo each other's work while one of them still has an older state.
        let leading = LeaderElector(
            api: host.api,
            namespace: ComponentHost.variable(ComponentEnvironment.podNamespace) ?? "azure-arc",
            name: host.name,
            identity: ComponentHost.variable(ComponentEnvironment.podName) ?? host.name,
            logger: host.logger
        ) { try await agent.run() }
        do {
            try await host.run([leading])
        } catch {
            try? await link.shutdown()
            throw error
        }
        try await link.shutdown()
    }
}

/// What `connectedk8s connect` put into the cluster: who the agent is and where it dials.
struct AgentIdentity: Sendable {
    static let folderVariable = "OUTRIGGER_AGENT_DIR"
    static let defaultFolder = "/etc/outrigger/agent"

    var url: String
    var cluster: String
    var key: ClusterAgentKey
    var caPEM: String

    /// Reads the mounted Secret.
    static func read(
        folder: String = ComponentHost.variable(folderVariable) ?? defaultFolder
    ) throws -> AgentIdentity {
        func text(_ name: String) throws -> String {
            guard let data = FileManager.default.contents(atPath: folder + "/" + name) else {
                throw CommandError(
                    "\(folder)/\(name) cannot be read",
                    remedy: "mount the Secret outrigger-agent there; 'outrigger connectedk8s connect' makes it"
                )
            }
            let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            guard !text.isEmpty else {
                throw CommandError("\(folder)/\(name) is empty", remedy: "run 'outrigger connectedk8s connect' again")
            }
            return text
        }
        var url = try text("url")
        while url.hasSuffix("/") { url.removeLast() }
        let key: ClusterAgentKey
        do {
            key = try ClusterAgentKey(pem: try text("private.pem"))
        } catch let error as CommandError {
            throw error
        } catch {
            throw CommandError(
                "\(folder)/private.pem is no P-256 private key",
                cause: "\(error)",
                remedy: "run 'outrigger connectedk8s connect' again"
            )
        }
        return AgentIdentity(url: url, cluster: try text("cluster-id"), key: key, caPEM: try text("ca.pem") + "\n")
    }
}

/// Turns what happens to the connection into log lines and readiness.
struct AgentNotices: Sendable {
    private static let part = "control-plane"

    let health: Health
    let logger: Logger

    init(health: Health, logger: Logger) {
        self.health = health
        self.logger = logger
        health.require(Self.part, reason: "not connected yet")
    }

    func take(_ event: RemoteExtensionLink.Event) {
        switch event {
        case .connected:
            health.setReady(Self.part)
            logger.info("connected to the control plane")
        case .disconnected(let reason, let pause):
            // Streams end now and then, with their token for one; only a longer absence is worth a word.
            guard pause > .seconds(2) else {
                logger.debug("connection ended", metadata: ["reason": "\(reason)"])
                return
            }
            health.setNotReady(Self.part, reason: reason)
            logger.warning("control plane not reached", metadata: ["error": "\(reason)", "retry": "\(pause)"])
        case .rejected(let error, let pause):
            health.setNotReady(Self.part, reason: error.error.message)
            logger.error(
                "control plane refuses this agent",
                metadata: ["code": "\(error.error.code)", "error": "\(error.error.message)", "retry": "\(pause)"]
            )
        }
    }
}
