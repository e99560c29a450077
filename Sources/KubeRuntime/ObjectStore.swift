package import KubeCore
internal import Synchronization

/// Function that says under which values an index lists an object.
package typealias IndexFunction = @Sendable (KubeObject) -> [String]

/// The objects an informer knows, with indexes.
///
/// One writer (the informer), any number of readers.
package final class ObjectStore: Sendable {
    private struct State {
        var objects: [ObjectKey: KubeObject] = [:]
        var functions: [String: IndexFunction] = [:]
        var indexes: [String: [String: Set<ObjectKey>]] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    /// Adds an index; objects already present are indexed too.
    package func addIndex(_ name: String, _ function: @escaping IndexFunction) {
        state.withLock { state in
            state.functions[name] = function
            var index: [String: Set<ObjectKey>] = [:]
            for (key, object) in state.objects {
                for value in function(object) { index[value, default: []].insert(key) }
            }
            state.indexes[name] = index
        }
    }

    package func get(_ key: ObjectKey) -> KubeObject? { state.withLock { $0.objects[key] } }

    package func list() -> [KubeObject] { state.withLock { Array($0.objects.values) } }

    package func list(namespace: String) -> [KubeObject] {
        state.withLock { state in state.objects.values.filter { $0.namespace == namespace } }
    }

    /// Objects listed under `value`; empty when there is no such index.
    package func list(index: String, value: String) -> [KubeObject] {
        state.withLock { state in
            (state.indexes[index]?[value] ?? []).compactMap { state.objects[$0] }
        }
    }

    package var keys: Set<ObjectKey> { state.withLock { Set($0.objects.keys) } }

    /// Stores `object` and returns what was there before.
    func set(_ object: KubeObject) -> KubeObject? {
        state.withLock { state in
            let old = state.objects.updateValue(object, forKey: object.key)
            if let old { Self.unindex(old, &state) }
            for (name, function) in state.functions {
                for value in function(object) {
                    state.indexes[name, default: [:]][value, default: []].insert(object.key)
                }
            }
            return old
        }
    }

    func remove(_ key: ObjectKey) -> KubeObject? {
        state.withLock { state in
            guard let old = state.objects.removeValue(forKey: key) else { return nil }
            Self.unindex(old, &state)
            return old
        }
    }

    private static func unindex(_ object: KubeObject, _ state: inout State) {
        for (name, function) in state.functions {
            for value in function(object) {
                state.indexes[name]?[value]?.remove(object.key)
                if state.indexes[name]?[value]?.isEmpty == true { state.indexes[name]?[value] = nil }
            }
        }
    }
}
