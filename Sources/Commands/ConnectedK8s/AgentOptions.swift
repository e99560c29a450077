internal import ArgumentParser
internal import Foundation

/// Where an agent dials, and which program it is.
struct AgentOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Address of the control plane as pods of the cluster reach it (default: as 'outrigger up' advertises it).",
            valueName: "url"
        )
    )
    var url: String?

    @Option(help: "Image of the agent and of the components it installs.") var image: String = Product.image

    @Option(
        help: "PEM file with the authority that signed the certificate at --url (default: the instance's).",
        completion: .file()
    )
    var caFile: String?

    /// The address, without a trailing slash; `server` is the cluster's in the kubeconfig.
    func controlPlaneURL(_ record: InstanceRecord, server: String?) throws(CommandError) -> String {
        try ControlPlaneAddress.choose(url, record, server: server)
    }

    func authority(_ layout: InstanceLayout) throws -> String {
        let path = caFile.map { ($0 as NSString).expandingTildeInPath } ?? layout.certificateAuthority
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandError("\(path) cannot be read", remedy: "name a PEM file with --ca-file", exitStatus: 2)
        }
        let text = String(decoding: data, as: UTF8.self)
        guard text.contains("-----BEGIN CERTIFICATE-----") else {
            throw CommandError("\(path) holds no PEM certificate", remedy: "name a PEM file", exitStatus: 2)
        }
        return text
    }
}

/// Where pods of a cluster reach the control plane.
///
/// Pure.
enum ControlPlaneAddress {
    /// The given address, else the advertised one; the embedded cluster has one of its own.
    static func choose(_ url: String?, _ record: InstanceRecord, server: String?) throws(CommandError) -> String {
        if let url { return try check(url) }
        if server == record.kubernetesURL { return record.podURL }
        guard record.remoteURL != record.publicURL else {
            throw CommandError(
                "the control plane listens on this machine only, so pods of another cluster cannot reach it",
                remedy:
                    "restart it with 'outrigger up --listen ADDRESS --advertise HOST', or name its address with --url",
                exitStatus: 2
            )
        }
        return record.remoteURL
    }

    static func check(_ url: String) throws(CommandError) -> String {
        guard let components = URLComponents(string: url), components.scheme == "https",
            let host = components.host, !host.isEmpty, components.path.isEmpty || components.path == "/",
            components.query == nil
        else {
            throw CommandError(
                "--url \(url): not an address of the form https://HOST[:PORT]",
                remedy: "write for example https://outrigger.example.com:7443",
                exitStatus: 2
            )
        }
        return url.hasSuffix("/") ? String(url.dropLast()) : url
    }
}
