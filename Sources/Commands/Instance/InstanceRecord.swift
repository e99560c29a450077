internal import Foundation
internal import NodeAgent

/// `instance.json`: what was decided when the instance was first started and must stay the same.
struct InstanceRecord: Codable, Sendable, Hashable {
    var network: InstanceNetwork
    /// Port of the control plane; the Kubernetes API has the next one.
    var port: Int
    var nodes: [String]
    /// Addresses on which the control plane listens besides loopback and the bridge; nil = none.
    var listen: [String]?
    /// Host, or host and port, under which other machines reach the control plane; nil = the first of `listen`.
    var advertise: String?
    var subscriptionId: String
    var tenant: String
    var clientId: String
    var clientSecret: String

    static let clusterName = "local"
    static let resourceGroup = "local"
    static let workspace = "local"
    static let defaultPort = 7443

    var kubernetesPort: Int { port + 1 }
    var publicURL: String { "https://127.0.0.1:\(port)" }
    var podURL: String { "https://\(network.gateway):\(port)" }
    /// Where pods of other clusters reach the control plane.
    var remoteURL: String {
        guard let host = advertise ?? listen?.first(where: { $0 != "0.0.0.0" }) else { return publicURL }
        return host.contains(":") ? "https://" + host : "https://\(host):\(port)"
    }
    /// What the control plane binds; all addresses exclude single ones.
    var listenHosts: [String] {
        let own = ["127.0.0.1", "\(network.gateway)"]
        let more = listen ?? []
        return more.contains("0.0.0.0") ? ["0.0.0.0"] : own + more.filter { !own.contains($0) }
    }
    /// Names and addresses of other machines' view, for the certificate.
    var remoteHosts: [String] {
        let advertised = advertise.map { String($0.prefix { $0 != ":" }) }
        return ((listen ?? []).filter { $0 != "0.0.0.0" } + [advertised].compactMap { $0 })
    }
    var kubernetesURL: String { "https://127.0.0.1:\(kubernetesPort)" }

    /// nil when the instance was never started.
    static func load(_ layout: InstanceLayout) throws -> InstanceRecord? {
        guard FileManager.default.fileExists(atPath: layout.record) else { return nil }
        do {
            return try JSONDecoder().decode(
                InstanceRecord.self,
                from: try Data(contentsOf: URL(fileURLWithPath: layout.record))
            )
        } catch {
            throw CommandError(
                "\(layout.record) cannot be read",
                cause: "\(error)",
                remedy: "restore the file, or run 'outrigger down --data-dir \(layout.root)' to start afresh"
            )
        }
    }

    /// As `load`, but an instance that was never started is an error.
    static func require(_ layout: InstanceLayout) throws -> InstanceRecord {
        guard let record = try load(layout) else {
            throw CommandError(
                "no instance in \(layout.root)",
                remedy: "run 'outrigger up', or name the folder with --data-dir",
                exitStatus: 3
            )
        }
        return record
    }

    func save(_ layout: InstanceLayout) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try PrivateFile.write(try encoder.encode(self), to: layout.record)
    }

    static func nodeName(_ index: Int) -> String { index == 0 ? "local" : "local-\(index + 1)" }
}

/// Files that only their owner may read.
enum PrivateFile {
    /// Replaces the file in one step, mode 0600.
    static func write(_ data: Data, to path: String) throws {
        let temporary = path + ".new"
        try? FileManager.default.removeItem(atPath: temporary)
        guard FileManager.default.createFile(atPath: temporary, contents: data, attributes: [.posixPermissions: 0o600]),
            rename(temporary, path) == 0
        else {
            throw CommandError("cannot write \(path)", cause: String(cString: strerror(errno)))
        }
    }

    static func write(_ text: String, to path: String) throws { try write(Data(text.utf8), to: path) }

    static func makeFolder(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: path,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
            try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
        } catch {
            throw CommandError("cannot make the folder \(path)", cause: error.localizedDescription)
        }
    }
}
