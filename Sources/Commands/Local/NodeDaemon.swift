internal import ArgumentParser
internal import Foundation
internal import KubeClient
internal import KubeCore
internal import Logging
internal import NodeAgent
internal import ServiceLifecycle
internal import Telemetry
internal import UnixSignals

/// The agent of one node.
struct NodeDaemon: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "node", abstract: "Runs the agent of one node.")

    @OptionGroup var instance: InstanceOptions
    @Option(help: "Name of the node.") var nodeName: String

    func run() async throws {
        // Pods' folders get exact modes; the caller's mask must take nothing from them.
        umask(0o022)
        LogOutput.bootstrap(level: .info)
        let logger = Logger(label: "node")
        let layout = instance.layout
        // The caller's folder may be on a file system that is to be unmounted.
        _ = chdir("/")
        let record = try InstanceRecord.require(layout)
        guard let index = record.nodes.firstIndex(of: nodeName) else {
            throw CommandError("the instance has no node \(nodeName)", exitStatus: 3)
        }
        let config = try KubeConfig(yaml: try String(contentsOfFile: layout.nodeKubeconfig(nodeName), encoding: .utf8))
        let api = try HTTPResourceAPI(
            configuration: config,
            userAgent: "outrigger-node/" + Product.version,
            logger: logger
        )
        let network = try BridgePodNetwork(
            network: record.network,
            nodeIndex: index,
            stateFolder: layout.root + "/nodes/" + nodeName + "/network",
            logger: logger
        )
        var settings = NodeSettings.configuration(layout: layout, record: record, node: nodeName)
        settings.podCIDR = "\(try record.network.nodeRange(index))"
        let agent = try NodeAgent(configuration: settings, api: api, network: network, logger: logger)
        let group = ServiceGroup(services: [agent], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        do {
            try await group.run()
        } catch {
            try? await api.shutdown()
            throw error
        }
        try await api.shutdown()
    }
}
