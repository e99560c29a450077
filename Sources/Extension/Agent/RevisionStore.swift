internal import ControlPlaneAPI
internal import KubeCore
internal import MLTypes

/// What was wanted in a generation that succeeded, kept in the cluster so that there is something to go back to.
struct Revision: Codable, Sendable, Hashable {
    var generation: Int
    var settings: [String: String]
    var protectedSettings: [String: String]
    var allowsUnknownSettings: Bool
    var version: String?
    var image: String?

    init(_ desired: DesiredExtension) {
        generation = desired.generation
        settings = desired.settings
        protectedSettings = desired.protectedSettings
        allowsUnknownSettings = desired.allowsUnknownSettings
        version = desired.targetVersion
        image = desired.image
    }

    /// `desired` with the settings and the version of this revision.
    func applied(to desired: DesiredExtension) -> DesiredExtension {
        var desired = desired
        desired.settings = settings
        desired.protectedSettings = protectedSettings
        desired.allowsUnknownSettings = allowsUnknownSettings
        desired.targetVersion = version
        desired.image = image
        return desired
    }
}

/// The last revisions of an extension, each in a Secret of its own, as they hold protected settings.
struct RevisionStore: Sendable {
    let api: any ResourceAPI
    let extensionName: String

    static let limit = 10
    private static let label = "outrigger.ml/revision"
    private static let type = "outrigger.ml/extension-revision.v1"

    private func name(_ generation: Int) -> String { "\(Inventory.configMapName(extensionName)).v\(generation)" }

    /// Writing the same one again changes nothing; older ones than the last ten go.
    func write(_ revision: Revision, labels: [String: String]) async throws {
        let text = try JSON(encoding: revision).text
        let object = KubeObject(
            .secrets,
            namespace: ExtensionRenderer.namespace,
            name: name(revision.generation),
            labels: labels.merging([Self.label: String(revision.generation)]) { $1 },
            body: ["type": .string(Self.type), "data": ["revision": .string(Base64.encode(text))]]
        )
        try await api.apply(.secrets, object, fieldManager: ExtensionRenderer.fieldManager)
        for generation in try await generations().dropLast(Self.limit) {
            try await api.deleteIfPresent(
                .secrets,
                ObjectKey(namespace: ExtensionRenderer.namespace, name: name(generation))
            )
        }
    }

    /// Oldest first.
    func generations() async throws -> [Int] {
        let selector =
            "\(Self.label),\(ExtensionRenderer.instanceLabel)=\(extensionName),\(ExtensionRenderer.managedByLabel)=\(ExtensionRenderer.fieldManager)"
        return try await api.list(
            .secrets,
            namespace: ExtensionRenderer.namespace,
            options: ListOptions(labelSelector: selector)
        ).items.compactMap { $0.labels[Self.label].flatMap { Int($0) } }.sorted()
    }

    /// nil when it is not kept any more.
    func read(_ generation: Int) async throws -> Revision? {
        let object = try await api.find(
            .secrets,
            namespace: ExtensionRenderer.namespace,
            name: name(generation)
        )
        guard let text = (object?["data", "revision"]?.stringValue).flatMap(Base64.decode) else { return nil }
        return try JSON(parsing: text).decode(Revision.self)
    }
}
