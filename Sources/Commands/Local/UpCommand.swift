internal import ArgumentParser
internal import Foundation

struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Starts the embedded cluster and the control plane on this machine.",
        discussion: """
            EXAMPLES
              outrigger up --detach
              outrigger up --data-dir /srv/outrigger --nodes 3 --port 9443
              outrigger up --detach --listen 0.0.0.0 --advertise outrigger.example.com

            Prints 'ready' when the API answers. Without --detach it stays until interrupted and then stops the daemons; \
            pods and data stay until 'outrigger down'.
            """
    )

    @OptionGroup var instance: InstanceOptions

    @Flag(help: "Return when ready; the daemons go on.") var detach = false

    @Option(help: "Virtual nodes (default: 1, or as many as there are).") var nodes: Int?

    @Option(help: "Port of the control plane; the Kubernetes API gets the next one (default: 7443).") var port: Int?

    @Option(
        parsing: .upToNextOption,
        help:
            "IPv4 addresses on which the control plane listens besides loopback, for clusters elsewhere; 0.0.0.0 is all."
    )
    var listen: [String] = []

    @Option(help: "HOST or HOST:PORT under which other machines reach the control plane (default: the first --listen).")
    var advertise: String?

    func validate() throws {
        for address in listen where InstanceAddress.isIPv4(address) == false {
            throw ValidationError("--listen \(address) is no IPv4 address")
        }
        if let advertise, !InstanceAddress.isHost(advertise) {
            throw ValidationError("--advertise \(advertise) is neither HOST nor HOST:PORT")
        }
        if listen.contains("0.0.0.0"), advertise == nil {
            throw ValidationError("--listen 0.0.0.0 needs --advertise HOST, as the certificate must name it")
        }
        if let nodes, !(1...50).contains(nodes) { throw ValidationError("--nodes must be 1 to 50") }
        if let port, !(1...65534).contains(port) { throw ValidationError("--port must be 1 to 65534") }
    }

    func run() async throws {
        let layout = instance.layout
        try HostCheck.require()
        let daemons = Daemons(layout: layout)
        let setup = InstanceSetup(layout: layout)
        try setup.prepareFolder()
        let lock = try await InstanceLock.take(layout)
        if let record = try InstanceRecord.load(layout), let port, port != record.port, daemons.isAnyRunning(record) {
            throw CommandError(
                "the instance in \(layout.root) runs on port \(record.port) already",
                remedy: "leave --port out, or run 'outrigger down --keep-data' first",
                exitStatus: 2
            )
        }
        try refuseMovingWhileRunning(layout, daemons)
        let record = try setup.prepare(port: port, nodes: nodes, listen: listen, advertise: advertise)
        try await daemons.start(record)
        print("ready")
        print("control plane   \(record.publicURL)")
        print("Kubernetes API  \(record.kubernetesURL)")
        if record.remoteURL != record.publicURL { print("from elsewhere  \(record.remoteURL)") }
        print("kubeconfig      export KUBECONFIG=\(layout.kubeconfig)")
        fflush(nil)
        lock.release()
        if !detach { try await daemons.runUntilInterrupted(record) }
    }
}

extension Up {
    /// Addresses are bound when the server starts.
    private func refuseMovingWhileRunning(_ layout: InstanceLayout, _ daemons: Daemons) throws {
        guard let record = try InstanceRecord.load(layout), daemons.isAnyRunning(record) else { return }
        let moves =
            (!listen.isEmpty && listen != record.listen ?? []) || (advertise != nil && advertise != record.advertise)
        guard moves else { return }
        throw CommandError(
            "the instance in \(layout.root) runs and listens elsewhere already",
            remedy: "run 'outrigger down --keep-data' first",
            exitStatus: 2
        )
    }
}

enum InstanceAddress {
    /// A DNS name or an IPv4 address, with a port or without.
    static func isHost(_ text: String) -> Bool {
        guard let match = text.wholeMatch(of: /([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:[0-9]{1,5})?/) else {
            return false
        }
        return isIPv4(String(match.1)) || match.1.contains(where: \.isLetter)
    }

    static func isIPv4(_ text: String) -> Bool {
        var address = in_addr()
        return inet_pton(AF_INET, text, &address) == 1
    }
}

/// What this machine must offer to run pods.
enum HostCheck {
    static func require() throws {
        var missing: [String] = []
        if getuid() != 0 { missing.append("root (run with sudo)") }
        for (program, package) in [("runc", "runc"), ("nft", "nftables"), ("ip", "iproute2")] where find(program) == nil
        {
            missing.append("\(program) (apt-get install \(package))")
        }
        if !FileManager.default.fileExists(atPath: "/sys/fs/cgroup") {
            missing.append("control groups at /sys/fs/cgroup")
        }
        let fileSystems = (try? String(contentsOfFile: "/proc/filesystems", encoding: .utf8)) ?? ""
        if !fileSystems.contains("overlay") { missing.append("overlayfs (modprobe overlay)") }
        guard missing.isEmpty else {
            throw CommandError(
                "this machine cannot run pods: missing \(missing.joined(separator: ", "))",
                remedy: "install what is named and try again"
            )
        }
    }

    static func find(_ program: String) -> String? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        return (folders + ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]).map { $0 + "/" + program }
            .first { access($0, X_OK) == 0 }
    }
}
