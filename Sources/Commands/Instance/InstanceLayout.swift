internal import Foundation

/// Where an instance keeps its files.
///
/// Everything is below one folder, mode 0700.
struct InstanceLayout: Sendable, Hashable {
    /// Absolute.
    let root: String

    /// - Parameter option: value of `--data-dir`; nil takes `OUTRIGGER_DATA_DIR`, then `~/.local/share/outrigger`.
    init(option: String?) {
        let environment = ProcessInfo.processInfo.environment
        let chosen = option ?? environment["OUTRIGGER_DATA_DIR"].flatMap { $0.isEmpty ? nil : $0 }
        let home = environment["HOME"] ?? NSHomeDirectory()
        let path = (chosen ?? home + "/.local/share/outrigger") as NSString
        let expanded = path.expandingTildeInPath
        let absolute =
            expanded.hasPrefix("/") ? expanded : FileManager.default.currentDirectoryPath + "/" + expanded
        root = (absolute as NSString).standardizingPath
    }

    var record: String { root + "/instance.json" }
    var kubeconfig: String { root + "/kubeconfig" }
    var certificateAuthority: String { root + "/ca.pem" }
    var connection: String { root + "/connection.json" }
    var pki: String { root + "/pki" }
    var database: String { root + "/kube.db" }
    var logs: String { root + "/logs" }
    var run: String { root + "/run" }
    var binaries: String { root + "/bin" }
    /// One folder for each version that was ever started here, with its program.
    var versions: String { binaries + "/versions" }
    var bundles: String { root + "/bundles" }
    var environments: String { root + "/environments" }
    var serverProcess: String { run + "/server.pid" }
    var serverLog: String { logs + "/server.log" }

    func nodeKubeconfig(_ node: String) -> String { pki + "/node-" + node + ".kubeconfig" }
    func nodeSocket(_ node: String) -> String { run + "/node-" + node + ".sock" }
    func nodeProcess(_ node: String) -> String { run + "/node-" + node + ".pid" }
    func nodeLog(_ node: String) -> String { logs + "/node-" + node + ".log" }
}
