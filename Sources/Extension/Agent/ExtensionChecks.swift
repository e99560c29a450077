internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore

/// What is looked at on the cluster before anything is installed.
struct ExtensionChecks {
    let api: any ResourceAPI

    /// Counts nodes that take workloads; those that are only cordoned count, so that maintenance changes nothing.
    func facts(clusterType: String) async throws -> ClusterFacts {
        let nodes = try await api.list(.nodes).items.filter { node in
            let taints = node["spec", "taints"]?.arrayValue ?? []
            return !taints.contains { $0["key"]?.stringValue?.hasPrefix("node-role.kubernetes.io/") == true }
        }
        return ClusterFacts(
            clusterType: clusterType.lowercased() == ClusterFacts.ClusterType.managed.rawValue.lowercased()
                ? .managed : .connected,
            nodeCount: nodes.count
        )
    }

    /// Another extension of this type that is on the cluster already.
    func conflict(_ desired: DesiredExtension) async throws -> SettingProblem? {
        guard let namespace = try await api.find(.namespaces, name: ExtensionRenderer.namespace),
            namespace.labels[ExtensionRenderer.managedByLabel] == ExtensionRenderer.fieldManager,
            let name = namespace.labels[ExtensionRenderer.instanceLabel],
            let inventory = try await Inventory.read(name, api)
        else { return nil }
        let type = inventory.clusterType ?? desired.clusterType
        guard name != desired.name || type != desired.clusterType else { return nil }
        return SettingProblem(
            .alreadyInstalled,
            "name",
            "extension '\(name)' (\(type)) is on this cluster already, and there can be one only",
            remedy: "Delete it first, or update it"
        )
    }

    /// Problems that stop the installation.
    func problems(_ settings: ExtensionSettings) async throws -> [SettingProblem] {
        guard settings.enableInference else { return [] }
        var problems: [SettingProblem] = []
        if settings.certificatePair == nil, let name = settings.sslSecret {
            if let problem = try await secretProblem(name, settings) { problems.append(problem) }
        }
        return problems
    }

    private func secretProblem(_ name: String, _ settings: ExtensionSettings) async throws -> SettingProblem? {
        let namespace = ExtensionRenderer.namespace
        guard let secret = try await api.find(.secrets, namespace: namespace, name: name) else {
            return SettingProblem(
                .invalidSSLSetting,
                "sslSecret",
                "Secret '\(name)' does not exist in namespace \(namespace)",
                remedy: "Create it with the keys cert.pem and key.pem, or tls.crt and tls.key"
            )
        }
        let data = secret["data"]?.stringMap ?? [:]
        for (certificate, key) in [("cert.pem", "key.pem"), ("tls.crt", "tls.key")] {
            guard let first = data[certificate].flatMap(Base64.decode), let second = data[key].flatMap(Base64.decode)
            else {
                continue
            }
            return CertificateRules.problems(
                .init(certificate: first, key: second),
                host: settings.sslCname,
                now: .now
            ).first.map { found in
                SettingProblem(
                    found.code,
                    found.setting == "sslCname" ? "sslCname" : "sslSecret",
                    "Secret '\(name)': \(found.message)",
                    remedy: found.remedy
                )
            }
        }
        return SettingProblem(
            .invalidSSLSetting,
            "sslSecret",
            "Secret '\(name)' has the keys \(data.keys.sorted().joined(separator: ", ")), not those of a certificate",
            remedy: "Give it the keys cert.pem and key.pem, or tls.crt and tls.key"
        )
    }
}
