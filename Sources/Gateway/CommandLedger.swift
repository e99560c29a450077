internal import KubeCore
internal import MLTypes
internal import Synchronization

/// Remembers which commands removed objects, in a ConfigMap, and which commands are under way, in memory.
///
/// Objects that exist carry the number themselves. Of removed ones the newest `capacity` are kept: a command can be late by
/// no more than the time a connection holds it, in which so many are not removed.
final class CommandLedger: Sendable {
    static let configMap = "outrigger-gateway-commands"
    static let capacity = 1024
    private static let member = "removed"
    private static let attempts = 10

    private let api: any ResourceAPI
    private let namespace: String
    private let underWay = Mutex<Set<String>>([])

    init(api: any ResourceAPI, namespace: String) {
        self.api = api
        self.namespace = namespace
    }

    /// Name of an object in the ledger.
    static func name(_ type: ResourceType, _ key: ObjectKey) -> String { "\(type.plural)/\(key)" }

    /// Runs `body` unless a command for the same object is under way.
    ///
    /// - Throws: `APIError` with code 409, upon which the control plane asks again.
    func exclusively<Value: Sendable>(
        _ object: String,
        _ body: () async throws -> Value
    ) async throws -> Value {
        guard underWay.withLock({ $0.insert(object).inserted }) else {
            throw APIError(
                code: 409,
                reason: .conflict,
                message: "an earlier command for \(object) is still under way; send this one again"
            )
        }
        defer { underWay.withLock { _ = $0.remove(object) } }
        return try await body()
    }

    /// Number of the command that removed an object; nil when none is remembered.
    func buried(_ object: String) async throws -> Int? {
        guard let map = try await api.find(.configMaps, namespace: namespace, name: Self.configMap) else { return nil }
        return Self.entries(map).last { $0.object == object }?.command
    }

    /// Remembers that `command` removes an object; before it is removed.
    func bury(_ object: String, command: Int) async throws {
        for attempt in 1... {
            do {
                guard var map = try await api.find(.configMaps, namespace: namespace, name: Self.configMap) else {
                    try await api.create(.configMaps, Self.map(namespace, [Entry(object: object, command: command)]))
                    return
                }
                guard let entries = Self.adding(object, command, to: Self.entries(map)) else { return }
                map["data"] = .object([Self.member: .string(Self.text(entries))])
                try await api.update(.configMaps, map)
                return
            } catch let error as APIError where error.code == 409 && attempt < Self.attempts {
                // Somebody else wrote it meanwhile: look again.
                continue
            } catch let error as APIError where error.isNotFound {
                // Passed on as it is, it would say that the object to remove is not there.
                throw APIError(
                    code: 503,
                    reason: .serviceUnavailable,
                    message: "the removal of \(object) cannot be noted in namespace \(namespace): \(error.message)"
                )
            }
        }
    }

    // MARK: The list, as values

    struct Entry: Equatable {
        var object: String
        var command: Int
    }

    /// nil when nothing changes.
    static func adding(_ object: String, _ command: Int, to entries: [Entry]) -> [Entry]? {
        if let known = entries.last(where: { $0.object == object }), known.command >= command { return nil }
        return (entries.filter { $0.object != object } + [Entry(object: object, command: command)]).suffix(capacity)
    }

    static func text(_ entries: [Entry]) -> String {
        entries.map { "\($0.command) \($0.object)\n" }.joined()
    }

    /// Lines that are not understood are passed over: the ConfigMap may have been edited.
    static func parse(_ text: String) -> [Entry] {
        text.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, let command = Int(parts[0]) else { return nil }
            return Entry(object: String(parts[1]), command: command)
        }
    }

    private static func entries(_ map: KubeObject) -> [Entry] { parse(map["data", member]?.stringValue ?? "") }

    private static func map(_ namespace: String, _ entries: [Entry]) -> KubeObject {
        KubeObject(
            .configMaps,
            namespace: namespace,
            name: configMap,
            labels: [MLLabels.managedBy: "outrigger"],
            body: ["data": .object([member: .string(text(entries))])]
        )
    }
}
