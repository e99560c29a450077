internal import ArgumentParser
internal import Foundation
internal import KubeCore

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows whether an instance runs, and where.",
        discussion: "The exit status is 0 when everything runs, 1 when something does not, 3 when there is no instance."
    )

    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let layout = instance.layout
        let record = try InstanceRecord.require(layout)
        let daemons = Daemons(layout: layout)
        var rows: [JSON] = []
        let all = [daemons.server] + record.nodes.map(daemons.node)
        for daemon in all {
            var row: [String: JSON] = [
                "name": .string(daemon.name), "state": daemon.pid == nil ? "Stopped" : "Running",
                "log": .string(daemon.logFile),
            ]
            if let pid = daemon.pid {
                row["pid"] = JSON(Int(pid))
                row["memoryKiB"] = JSON(Self.residentKiB(pid))
            }
            rows.append(.object(row))
        }
        if output.output == .table {
            print("control plane   \(record.publicURL)")
            print("Kubernetes API  \(record.kubernetesURL)")
            print("data            \(layout.root)\n")
            try output.output.write(
                .array(rows),
                columns: [
                    Column("DAEMON", "name"), Column("STATE", "state"), Column("PID", "pid"),
                    Column("MEMORY KiB", "memoryKiB"), Column("LOG", "log"),
                ]
            )
        } else {
            try output.output.write(
                [
                    "controlPlane": .string(record.publicURL), "kubernetes": .string(record.kubernetesURL),
                    "dataDirectory": .string(layout.root), "daemons": .array(rows),
                ],
                columns: []
            )
        }
        if all.contains(where: { $0.pid == nil }) { throw ExitCode(1) }
    }

    private static func residentKiB(_ pid: pid_t) -> Int {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0
    }
}
