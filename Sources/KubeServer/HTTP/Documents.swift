internal import Crypto
internal import KubeCore
internal import NIOHTTP1
internal import Synchronization

/// Discovery and OpenAPI documents, kept until the set of kinds changes.
final class Documents: Sendable {
    /// Bytes with their entity tag.
    struct Entry: Sendable {
        var bytes: [UInt8]
        var etag: String
    }

    private struct State {
        var revision = -1
        var entries: [String: Entry] = [:]
        var openAPI: [String: OpenAPI.Document]?
        /// Documents of groups without custom kinds never change.
        var builtIn: [String: OpenAPI.Document] = [:]
    }

    private let registry: Registry
    private let gitVersion: String
    private let state = Mutex(State())

    init(registry: Registry, gitVersion: String) {
        self.registry = registry
        self.gitVersion = gitVersion
    }

    private func entry(_ key: String, _ make: ([Kind]) -> JSON?) -> Entry? {
        let revision = registry.kindsRevision
        if let entry = state.withLock({ $0.revision == revision ? $0.entries[key] : nil }) { return entry }
        guard let json = make(registry.kinds) else { return nil }
        let bytes = json.bytes
        let digest = SHA512.hash(data: bytes).prefix(32).map { Self.hex($0) }.joined().uppercased()
        let entry = Entry(bytes: bytes, etag: "\"\(digest)\"")
        state.withLock { state in
            Self.renew(&state, revision)
            state.entries[key] = entry
        }
        return entry
    }

    private static func renew(_ state: inout State, _ revision: Int) {
        guard state.revision != revision else { return }
        state.revision = revision
        state.entries = [:]
        state.openAPI = nil
    }

    private static func hex(_ byte: UInt8) -> String {
        let text = String(byte, radix: 16)
        return text.count == 1 ? "0" + text : text
    }

    // MARK: Discovery

    func versions(address: String) -> Entry? { entry("/api") { _ in Discovery.apiVersions(serverAddress: address) } }
    func groups() -> Entry? { entry("/apis") { Discovery.groupList($0) } }
    func group(_ name: String) -> Entry? { entry("/apis/" + name) { Discovery.group(name, $0) } }
    func resources(group: String, version: String) -> Entry? {
        entry("resources/\(group)/\(version)") { Discovery.resourceList(group: group, version: version, $0) }
    }
    func aggregated(isCore: Bool, apiVersion: String) -> Entry? {
        entry("aggregated/\(isCore)/\(apiVersion)") { Discovery.aggregated($0, core: isCore, apiVersion: apiVersion) }
    }

    // MARK: OpenAPI

    func openAPIVersion2() -> Entry? {
        entry("/openapi/v2") { OpenAPI.version2($0, version: gitVersion) }
    }

    func openAPIIndex() -> Entry? {
        let documents = openAPIDocuments()
        return entry("/openapi/v3") { _ in OpenAPI.index(documents.values.sorted { $0.path < $1.path }) }
    }

    func openAPIDocument(_ path: String) -> OpenAPI.Document? { openAPIDocuments()[path] }

    private func openAPIDocuments() -> [String: OpenAPI.Document] {
        let revision = registry.kindsRevision
        if let known = state.withLock({ $0.revision == revision ? $0.openAPI : nil }) { return known }
        let kinds = registry.kinds
        var byVersion: [String: [Kind]] = [:]
        for kind in kinds { byVersion[kind.type.groupVersionPath, default: []].append(kind) }
        let fixed = state.withLock { $0.builtIn }
        var documents: [String: OpenAPI.Document] = [:]
        var added: [String: OpenAPI.Document] = [:]
        for (path, members) in byVersion {
            let isFixed = !members.contains(where: \.isCustom)
            if isFixed, let document = fixed[path] {
                documents[document.path] = document
                continue
            }
            guard let type = members.first?.type else { continue }
            let document = OpenAPI.document(group: type.group, version: type.version, kinds)
            documents[document.path] = document
            if isFixed { added[path] = document }
        }
        state.withLock { state in
            Self.renew(&state, revision)
            state.openAPI = documents
            state.builtIn.merge(added) { _, new in new }
        }
        return documents
    }
}
