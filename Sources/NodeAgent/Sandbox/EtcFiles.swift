internal import KubeCore

/// The files below /etc that belong to the pod, not to the image.
///
/// Pure.
enum EtcFiles {
    /// `hostFile` is this machine's /etc/hosts, used by pods with `hostNetwork`.
    static func hosts(pod: PodModel, address: PodAddress?, hostFile: String, clusterDomain: String) -> String {
        var text: String
        if pod.hostNetwork {
            text = "# Kubernetes-managed hosts file (host network).\n" + hostFile
            if !text.hasSuffix("\n") { text += "\n" }
        } else {
            text = """
                # Kubernetes-managed hosts file.
                127.0.0.1\tlocalhost
                ::1\tlocalhost ip6-localhost ip6-loopback
                fe00::\tip6-localnet
                fe00::\tip6-mcastprefix
                fe00::1\tip6-allnodes
                fe00::2\tip6-allrouters

                """
            if let address {
                let subdomain = pod.spec["subdomain"]?.stringValue ?? ""
                let names =
                    subdomain.isEmpty
                    ? pod.hostname
                    : "\(pod.hostname).\(subdomain).\(pod.namespace).svc.\(clusterDomain)\t\(pod.hostname)"
                text += "\(address.ip)\t\(names)\n"
            }
        }
        let aliases = pod.spec["hostAliases"]?.arrayValue ?? []
        if !aliases.isEmpty {
            text += "\n# Entries added by HostAliases.\n"
            for alias in aliases {
                let names = alias["hostnames"]?.stringArray ?? []
                text += (alias["ip"]?.stringValue ?? "") + "\t" + names.joined(separator: "\t") + "\n"
            }
        }
        return text
    }

    /// `hostFile` is this machine's resolv.conf.
    ///
    /// Source: Kubernetes documentation, "DNS for Services and Pods", pod's DNS policy and config.
    static func resolver(
        pod: PodModel,
        address: PodAddress?,
        clusterDNS: String,
        clusterDomain: String,
        hostFile: String
    ) -> String {
        var settings = ResolverSettings(hostFile)
        let policy = pod.spec["dnsPolicy"]?.stringValue ?? "ClusterFirst"
        let usesCluster = policy == "ClusterFirstWithHostNet" || (policy == "ClusterFirst" && !pod.hostNetwork)
        if policy == "None" {
            settings = ResolverSettings("")
        } else if usesCluster {
            let domain = address?.clusterDomain ?? clusterDomain
            let further = address?.searchDomains ?? []
            settings.servers = [address?.dnsServer ?? clusterDNS]
            settings.search =
                ["\(pod.namespace).svc.\(domain)", "svc.\(domain)", domain]
                + (further.isEmpty ? settings.search : further)
            settings.options = ["ndots:5"]
        }
        if let own = pod.spec["dnsConfig"] {
            settings.servers = unique(settings.servers + (own["nameservers"]?.stringArray ?? []))
            settings.search = unique(settings.search + (own["searches"]?.stringArray ?? []))
            for option in own["options"]?.arrayValue ?? [] {
                let name = option["name"]?.stringValue ?? ""
                settings.options.removeAll { $0 == name || $0.hasPrefix(name + ":") }
                settings.options.append(option["value"]?.stringValue.map { name + ":" + $0 } ?? name)
            }
        }
        return settings.text
    }

    private static func unique(_ list: [String]) -> [String] {
        var seen: Set<String> = []
        return list.filter { seen.insert($0).inserted }
    }
}

/// What a resolv.conf says.
struct ResolverSettings: Sendable, Hashable {
    var servers: [String] = []
    var search: [String] = []
    var options: [String] = []

    init(_ text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            switch words.first {
            case "nameserver": servers += words.dropFirst()
            case "search", "domain": search = Array(words.dropFirst()).filter { $0 != "." }
            case "options": options += words.dropFirst()
            default: break
            }
        }
    }

    var text: String {
        var text = ""
        if !search.isEmpty { text += "search " + search.joined(separator: " ") + "\n" }
        for server in servers { text += "nameserver " + server + "\n" }
        if !options.isEmpty { text += "options " + options.joined(separator: " ") + "\n" }
        return text
    }
}
