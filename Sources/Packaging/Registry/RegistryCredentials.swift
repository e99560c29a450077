internal import Foundation
internal import KubeCore

/// Who signs in at a registry.
package struct RegistryCredentials: Sendable, Hashable {
    package var user: String
    package var password: String
    /// Given by a registry in exchange for a password; used instead of it.
    package var identityToken: String?

    package init(user: String, password: String, identityToken: String? = nil) {
        self.user = user
        self.password = password
        self.identityToken = identityToken
    }

    var basic: String { "Basic " + Data((user + ":" + password).utf8).base64EncodedString() }

    /// What `docker login` or `podman login` stored for a registry; nil when there is nothing.
    ///
    /// Looks at `$REGISTRY_AUTH_FILE`, `$DOCKER_CONFIG/config.json`, `~/.docker/config.json` and
    /// `$XDG_RUNTIME_DIR/containers/auth.json`, the first that knows the registry.
    ///
    /// - Throws: `PackagingError` for a file that is no JSON, and when a credential helper keeps the password.
    package static func stored(
        for registry: String,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> RegistryCredentials? {
        let candidates = [
            environment["REGISTRY_AUTH_FILE"], environment["DOCKER_CONFIG"].map { $0 + "/config.json" },
            environment["HOME"].map { $0 + "/.docker/config.json" },
            environment["XDG_RUNTIME_DIR"].map { $0 + "/containers/auth.json" },
        ]
        for path in candidates.compactMap({ $0 }) where FileManager.default.fileExists(atPath: path) {
            if let found = try stored(in: path, for: registry) { return found }
        }
        return nil
    }

    private static func stored(in path: String, for registry: String) throws -> RegistryCredentials? {
        let document: JSON
        do {
            document = try JSON(parsing: try Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            throw PackagingError(.unauthorized, "\(path) cannot be read: \(error)", remedy: "mend it or use --username")
        }
        let names = registry == "docker.io" ? [registry, "index.docker.io", "registry-1.docker.io"] : [registry]
        for (key, entry) in (document["auths"]?.objectValue ?? [:]).sorted(by: { $0.key < $1.key })
        where names.contains(host(key)) {
            if let found = try credentials(entry, path: path, key: key) { return found }
        }
        let helper = names.compactMap { document[path: "credHelpers", $0]?.stringValue }.first
        let hasEntry = document["auths"]?.objectValue?.keys.contains { names.contains(host($0)) } ?? false
        if let helper = helper ?? (hasEntry ? document["credsStore"]?.stringValue : nil) {
            throw PackagingError(
                .unauthorized,
                "\(path) leaves the password of \(registry) to the credential helper '\(helper)', which is not asked",
                remedy: "give it yourself: docker-credential-\(helper) get, then --username USER --password-stdin"
            )
        }
        return nil
    }

    private static func credentials(_ entry: JSON, path: String, key: String) throws -> RegistryCredentials? {
        let token = entry["identitytoken"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 }
        if let user = entry["username"]?.stringValue, let password = entry["password"]?.stringValue, !user.isEmpty {
            return RegistryCredentials(user: user, password: password, identityToken: token)
        }
        guard let text = entry["auth"]?.stringValue, !text.isEmpty else { return nil }
        guard let data = Data(base64Encoded: text), let colon = data.firstIndex(of: UInt8(ascii: ":")) else {
            throw PackagingError(.unauthorized, "'auth' of \(key) in \(path) is not USER:PASSWORD in base64")
        }
        let password = data[data.index(after: colon)...].filter { $0 != 0 }
        return RegistryCredentials(
            user: String(decoding: data[..<colon], as: UTF8.self),
            password: String(decoding: password, as: UTF8.self),
            identityToken: token
        )
    }

    /// `https://index.docker.io/v1/` and `index.docker.io` are the same registry.
    private static func host(_ key: String) -> String {
        let rest = key.split(separator: "//").last.map(String.init) ?? key
        return rest.split(separator: "/").first.map(String.init) ?? rest
    }
}
