internal import ArgumentParser
internal import Foundation
internal import Logging
internal import NodeAgent

struct Down: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Stops an instance and removes everything it made on this machine.",
        discussion: """
            EXAMPLES
              outrigger down
              outrigger down --keep-data      # 'outrigger up' finds jobs, models and endpoints again
            """
    )

    @OptionGroup var instance: InstanceOptions

    @Flag(help: "Keep the data folder.") var keepData = false

    func run() async throws {
        let layout = instance.layout
        guard FileManager.default.fileExists(atPath: layout.root) else {
            return print("nothing to stop in \(layout.root)")
        }
        guard let record = try InstanceRecord.load(layout) else {
            throw CommandError(
                "\(layout.root) is no data folder of an instance: it has no instance.json",
                remedy: "name the right folder with --data-dir",
                exitStatus: 3
            )
        }
        let lock = try await InstanceLock.take(layout)
        defer { lock.release() }
        try await Daemons(layout: layout).stop(record)
        try await NodeAgent.removeEverything(
            dataDirectory: layout.root,
            instanceName: record.network.id,
            runcPath: HostCheck.find("runc") ?? "/usr/sbin/runc",
            logger: Logger(label: "down")
        )
        try await record.network.remove()
        if keepData {
            for folder in [layout.run, layout.binaries] { try? FileManager.default.removeItem(atPath: folder) }
            print("stopped; data kept in \(layout.root)")
        } else {
            try FileManager.default.removeItem(atPath: layout.root)
            print("stopped and removed \(layout.root)")
        }
    }
}
