internal import ControlPlaneAPI
internal import Foundation
internal import KubeServer
internal import NodeAgent

/// Makes what an instance needs before its daemons start: folders, names, keys, certificates, client files.
///
/// Repeating it keeps what is there and completes what is missing.
struct InstanceSetup {
    let layout: InstanceLayout

    /// Keeps the present port and number of nodes where nil is given; a new instance then gets the default port and one node.
    func prepare(port: Int?, nodes: Int?, listen: [String] = [], advertise: String? = nil) throws -> InstanceRecord {
        for folder in [layout.root, layout.pki, layout.logs, layout.run, layout.binaries, layout.environments] {
            try PrivateFile.makeFolder(folder)
        }
        // Mounted into pods, whose users may be others than root; the folder above is closed to everybody else.
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: layout.environments)
        var record = try InstanceRecord.load(layout) ?? makeRecord()
        if let port { record.port = port }
        if !listen.isEmpty { record.listen = listen }
        if let advertise { record.advertise = advertise }
        if let nodes {
            guard nodes >= record.nodes.count else {
                throw CommandError(
                    "--nodes \(nodes) would remove nodes: the instance has \(record.nodes.count)",
                    remedy: "run 'outrigger down' first, or give at least \(record.nodes.count)",
                    exitStatus: 2
                )
            }
            record.nodes = (0..<nodes).map(InstanceRecord.nodeName)
        }
        try record.save(layout)
        try installBinaries()
        try makeCertificates(record)
        try writeClientFiles(record)
        return record
    }

    /// Makes the data folder itself.
    func prepareFolder() throws {
        try refuseForeignFolder()
        try PrivateFile.makeFolder(layout.root)
    }

    /// 'outrigger down' removes the whole folder, so one that holds other things must never become an instance's.
    private func refuseForeignFolder() throws {
        guard try InstanceRecord.load(layout) == nil else { return }
        let own = ["pki", "logs", "run", "bin", "environments", InstanceLock.fileName, "instance.json.new"]
        let present = (try? FileManager.default.contentsOfDirectory(atPath: layout.root)) ?? []
        guard let other = present.sorted().first(where: { !own.contains($0) }) else { return }
        throw CommandError(
            "\(layout.root) is no data folder of an instance: it holds \(other)",
            remedy: "name a new or empty folder with --data-dir",
            exitStatus: 2
        )
    }

    private func makeRecord() throws -> InstanceRecord {
        let id = String((0..<8).map { _ in "0123456789abcdef".randomElement() ?? "0" })
        return InstanceRecord(
            network: try InstanceNetwork.choose(id: id),
            port: InstanceRecord.defaultPort,
            nodes: [InstanceRecord.nodeName(0)],
            subscriptionId: Self.newGUID(),
            tenant: "adfs",
            clientId: Self.newGUID(),
            clientSecret: Self.newSecret()
        )
    }

    private static func newGUID() -> String { UUID().uuidString.lowercased() }

    /// 256 random bits, URL-safe.
    static func newSecret() -> String {
        var generator = SystemRandomNumberGenerator()
        let bytes = (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }
        return Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            .replacing("=", with: "")
    }

    /// Pods and daemons run a copy, so that rebuilding the product does not change what runs.
    private func installBinaries() throws {
        let source = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let folder = (source as NSString).deletingLastPathComponent
        for name in ["outrigger", "outrigger-monitor"] {
            let from = name == "outrigger" ? source : folder + "/" + name
            let to = layout.binaries + "/" + name
            guard from != to else { continue }
            guard FileManager.default.fileExists(atPath: from) else {
                throw CommandError(
                    "\(from) is missing",
                    remedy: "build the whole product: swift build -c release",
                    exitStatus: 1
                )
            }
            let temporary = to + ".new"
            try? FileManager.default.removeItem(atPath: temporary)
            try FileManager.default.copyItem(atPath: from, toPath: temporary)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: temporary)
            guard rename(temporary, to) == 0 else {
                throw CommandError("cannot write \(to)", cause: String(cString: strerror(errno)))
            }
        }
        try keepVersion()
    }

    /// Keeps this version's program beside newer ones, for extensions that stay at a version or go back to one.
    private func keepVersion() throws {
        let folder = layout.versions + "/" + Product.version
        try PrivateFile.makeFolder(layout.versions)
        try PrivateFile.makeFolder(folder)
        let kept = folder + "/outrigger"
        let temporary = kept + ".new"
        unlink(temporary)
        guard link(layout.binaries + "/outrigger", temporary) == 0, rename(temporary, kept) == 0 else {
            throw CommandError("cannot write \(kept)", cause: String(cString: strerror(errno)))
        }
    }

    private func makeCertificates(_ record: InstanceRecord) throws {
        let authority = try pair("ca") { try PKI.authority(commonName: "outrigger-\(record.network.id)") }
        try PrivateFile.write(authority.certificatePEM, to: layout.certificateAuthority)
        let gateway = "\(record.network.gateway)"
        _ = try pair("kube-apiserver") {
            try PKI.serverCertificate(
                authority: authority,
                commonName: "kube-apiserver",
                dnsNames: [
                    "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
                    "kubernetes.default.svc.cluster.local",
                ],
                addresses: ["127.0.0.1", "::1", gateway, "\(record.network.firstServiceAddress)"]
            )
        }
        try makeControlPlaneCertificate(record, authority)
        _ = try pair("admin") {
            try PKI.clientCertificate(
                authority: authority,
                commonName: "kubernetes-admin",
                organizations: ["system:masters"]
            )
        }
        for node in record.nodes {
            _ = try pair("node-" + node) {
                try PKI.clientCertificate(
                    authority: authority,
                    commonName: "system:node:" + node,
                    organizations: ["system:nodes"]
                )
            }
        }
        for name in ["service-account", "tokens"] {
            let path = layout.pki + "/" + name + ".key"
            if !FileManager.default.fileExists(atPath: path) { try PrivateFile.write(PKI.signingKeyPEM(), to: path) }
        }
    }

    /// Made anew when the instance is to be reached under another name.
    private func makeControlPlaneCertificate(_ record: InstanceRecord, _ authority: PKI.Pair) throws {
        let list = layout.pki + "/control-plane.names"
        let names = record.remoteHosts.joined(separator: "\n")
        let former = (try? String(contentsOfFile: list, encoding: .utf8)) ?? ""
        if former != names {
            for file in [".pem", ".key"] {
                try? FileManager.default.removeItem(atPath: layout.pki + "/control-plane" + file)
            }
        }
        let isAddress: (String) -> Bool = { $0.wholeMatch(of: /[0-9.]+/) != nil }
        _ = try pair("control-plane") {
            try PKI.serverCertificate(
                authority: authority,
                commonName: "outrigger-control-plane",
                dnsNames: ["localhost"] + record.remoteHosts.filter { !isAddress($0) },
                addresses: ["127.0.0.1", "::1", "\(record.network.gateway)"] + record.remoteHosts.filter(isAddress)
            )
        }
        try PrivateFile.write(names, to: list)
    }

    /// The stored pair, or a new one.
    private func pair(_ name: String, make: () throws -> PKI.Pair) throws -> PKI.Pair {
        if let present = try storedPair(name) { return present }
        let pair = try make()
        try PrivateFile.write(pair.keyPEM, to: layout.pki + "/" + name + ".key")
        try PrivateFile.write(pair.certificatePEM, to: layout.pki + "/" + name + ".pem")
        return pair
    }

    private func storedPair(_ name: String) throws -> PKI.Pair? {
        let certificate = layout.pki + "/" + name + ".pem"
        let key = layout.pki + "/" + name + ".key"
        guard FileManager.default.fileExists(atPath: certificate), FileManager.default.fileExists(atPath: key) else {
            return nil
        }
        return PKI.Pair(
            certificatePEM: try String(contentsOfFile: certificate, encoding: .utf8),
            keyPEM: try String(contentsOfFile: key, encoding: .utf8)
        )
    }

    /// A pair that `prepare` has made.
    func requirePair(_ name: String) throws -> PKI.Pair {
        guard let pair = try storedPair(name) else {
            throw CommandError("\(layout.pki)/\(name).pem is missing", remedy: "run 'outrigger up'")
        }
        return pair
    }

    private func writeClientFiles(_ record: InstanceRecord) throws {
        try PrivateFile.write(
            kubeconfig(server: record.kubernetesURL, user: "kubernetes-admin", pair: try requirePair("admin")),
            to: layout.kubeconfig
        )
        for node in record.nodes {
            try PrivateFile.write(
                kubeconfig(
                    server: record.kubernetesURL,
                    user: "system:node:" + node,
                    pair: try requirePair("node-" + node)
                ),
                to: layout.nodeKubeconfig(node)
            )
        }
        let connection = ConnectionInfo(
            url: record.publicURL,
            tenant: record.tenant,
            clientId: record.clientId,
            clientSecret: record.clientSecret,
            subscriptionId: record.subscriptionId,
            resourceGroup: InstanceRecord.resourceGroup,
            workspace: InstanceRecord.workspace,
            cluster: InstanceRecord.clusterName
        )
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try PrivateFile.write(try encoder.encode(connection), to: layout.connection)
    }

    private func kubeconfig(server: String, user: String, pair: PKI.Pair) throws -> String {
        func encoded(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
        let authority = try String(contentsOfFile: layout.certificateAuthority, encoding: .utf8)
        return """
            apiVersion: v1
            kind: Config
            clusters:
            - name: outrigger
              cluster:
                server: \(server)
                certificate-authority-data: \(encoded(authority))
            users:
            - name: \(user)
              user:
                client-certificate-data: \(encoded(pair.certificatePEM))
                client-key-data: \(encoded(pair.keyPEM))
            contexts:
            - name: outrigger
              context:
                cluster: outrigger
                user: \(user)
                namespace: default
            current-context: outrigger

            """
    }
}
