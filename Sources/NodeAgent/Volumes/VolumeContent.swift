internal import KubeCore

/// Makes the files of configMap, secret, downwardAPI and projected volumes.
struct VolumeContent: Sendable {
    let pod: PodModel
    let fields: DownwardFields
    let objects: any PodObjects
    let tokens: TokenCache

    /// The files of the volume by path; nil for another kind of volume.
    ///
    /// - Throws: `.volume` when a required object or key is missing.
    func files(_ volume: JSON) async throws -> [String: VolumeFile]? {
        let name = volume["name"]?.stringValue ?? ""
        if let source = volume["configMap"] { return try await configMap(source, mode: mode(source, 0o644)) }
        if let source = volume["secret"] {
            return try await secret(source, name: source["secretName"]?.stringValue ?? "", mode: mode(source, 0o644))
        }
        if let source = volume["downwardAPI"] { return try downward(source, mode: mode(source, 0o644)) }
        guard let projected = volume["projected"] else { return nil }
        let shared = mode(projected, 0o644)
        var all: [String: VolumeFile] = [:]
        for source in projected["sources"]?.arrayValue ?? [] {
            var part: [String: VolumeFile] = [:]
            if let inner = source["configMap"] {
                part = try await configMap(inner, mode: shared)
            } else if let inner = source["secret"] {
                part = try await secret(inner, name: inner["name"]?.stringValue ?? "", mode: shared)
            } else if let inner = source["downwardAPI"] {
                part = try downward(inner, mode: shared)
            } else if let inner = source["serviceAccountToken"] {
                part = try await token(inner, volume: name, mode: shared)
            } else {
                let kind = source.objectValue?.keys.sorted().first ?? "nothing"
                throw NodeAgentError(
                    .volume,
                    "projected source \(kind) of volume \"\(name)\" is not supported by this node"
                )
            }
            all.merge(part) { _, new in new }
        }
        return all
    }

    private func mode(_ source: JSON, _ standard: Int) -> Int { source["defaultMode"]?.intValue ?? standard }

    private func configMap(_ source: JSON, mode: Int) async throws -> [String: VolumeFile] {
        let name = source["name"]?.stringValue ?? ""
        let isOptional = source["optional"]?.boolValue ?? false
        guard let object = try await objects.configMap(namespace: pod.namespace, name: name) else {
            if isOptional { return [:] }
            throw NodeAgentError(.volume, "configmap \"\(name)\" not found")
        }
        var data = (object["data"]?.stringMap ?? [:]).mapValues { Array($0.utf8) }
        for (key, text) in object["binaryData"]?.stringMap ?? [:] { data[key] = Base64.decode(text) }
        return try select(data, source, mode: mode, isOptional: isOptional, title: "configmap")
    }

    private func secret(_ source: JSON, name: String, mode: Int) async throws -> [String: VolumeFile] {
        let isOptional = source["optional"]?.boolValue ?? false
        guard let object = try await objects.secret(namespace: pod.namespace, name: name) else {
            if isOptional { return [:] }
            throw NodeAgentError(.volume, "secret \"\(name)\" not found")
        }
        return try select(SecretData.bytes(object), source, mode: mode, isOptional: isOptional, title: "secret")
    }

    private func select(
        _ data: [String: [UInt8]],
        _ source: JSON,
        mode: Int,
        isOptional: Bool,
        title: String
    ) throws -> [String: VolumeFile] {
        guard let items = source["items"]?.arrayValue, !items.isEmpty else {
            return data.mapValues { VolumeFile(bytes: $0, mode: readable(mode)) }
        }
        var files: [String: VolumeFile] = [:]
        for item in items {
            let key = item["key"]?.stringValue ?? ""
            guard let bytes = data[key] else {
                if isOptional { continue }
                throw NodeAgentError(
                    .volume,
                    "\(title) references non-existent \(title == "secret" ? "secret" : "config") key: \(key)"
                )
            }
            let path = try relative(item["path"]?.stringValue ?? key)
            files[path] = VolumeFile(bytes: bytes, mode: readable(item["mode"]?.intValue ?? mode))
        }
        return files
    }

    private func downward(_ source: JSON, mode: Int) throws -> [String: VolumeFile] {
        var files: [String: VolumeFile] = [:]
        for item in source["items"]?.arrayValue ?? [] {
            let path = try relative(item["path"]?.stringValue ?? "")
            let text: String
            do {
                if let field = item[path: "fieldRef", "fieldPath"]?.stringValue {
                    text = try fields.field(field)
                } else if let reference = item["resourceFieldRef"] {
                    text = try fields.resource(reference, container: nil)
                } else {
                    continue
                }
            } catch let error as NodeAgentError {
                throw NodeAgentError(.volume, error.message)
            }
            files[path] = VolumeFile(bytes: Array(text.utf8), mode: readable(item["mode"]?.intValue ?? mode))
        }
        return files
    }

    private func token(_ source: JSON, volume: String, mode: Int) async throws -> [String: VolumeFile] {
        let path = try relative(source["path"]?.stringValue ?? "token")
        let audience = source["audience"]?.stringValue ?? ""
        let text = try await tokens.token(
            pod: pod,
            audience: audience,
            expirationSeconds: source["expirationSeconds"]?.intValue ?? 3600
        )
        // A token is for its pod's users only: group-readable with fsGroup, else owned by the one user that all
        // containers have.
        if pod.securityContext["fsGroup"]?.intValue != nil {
            return [path: VolumeFile(bytes: Array(text.utf8), mode: 0o640)]
        }
        if let user = commonUser { return [path: VolumeFile(bytes: Array(text.utf8), mode: 0o600, uid: user)] }
        return [path: VolumeFile(bytes: Array(text.utf8), mode: mode)]
    }

    private var commonUser: Int? {
        let shared = pod.securityContext["runAsUser"]?.intValue
        let users = Set(pod.allContainers.map { $0.securityContext["runAsUser"]?.intValue ?? shared })
        return users.count == 1 ? users.first ?? nil : nil
    }

    /// With `fsGroup` the group may read what the owner may.
    private func readable(_ mode: Int) -> Int {
        pod.securityContext["fsGroup"]?.intValue == nil ? mode : mode | (mode & 0o700) >> 3
    }

    private func relative(_ path: String) throws -> String {
        let parts = path.split(separator: "/")
        guard !path.hasPrefix("/"), !parts.isEmpty, !parts.contains(".."), parts.first?.hasPrefix("..") == false else {
            throw NodeAgentError(
                .volume,
                "path \"\(path)\" of a volume item is not a relative path below the volume",
                remedy: "remove \"..\" and leading slashes"
            )
        }
        return parts.joined(separator: "/")
    }
}
