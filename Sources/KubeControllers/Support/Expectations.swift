internal import KubeCore
internal import KubeRuntime
internal import Synchronization

/// Writes of a controller that its informer has not shown yet, so that it does not act twice on a stale copy.
///
/// A write counts as seen when the informer's store shows its effect. One that never shows (an object made and removed between two
/// events) is forgotten after `timeout`.
final class Expectations: Sendable {
    private enum Effect {
        case created
        case deleted
    }

    private struct Entry {
        var object: ObjectKey
        var uid: String
        var effect: Effect
        var deadline: ContinuousClock.Instant
    }

    private let timeout: Duration
    private let entries = Mutex<[ObjectKey: [Entry]]>([:])

    init(timeout: Duration = .seconds(30)) { self.timeout = timeout }

    func expectCreation(of object: KubeObject, by owner: ObjectKey) { add(object, .created, owner) }

    func expectDeletion(of object: KubeObject, by owner: ObjectKey) { add(object, .deleted, owner) }

    func forget(_ owner: ObjectKey) { entries.withLock { $0[owner] = nil } }

    /// True when `store` shows every write recorded for `owner`.
    func areMet(for owner: ObjectKey, in store: ObjectStore) -> Bool {
        entries.withLock { entries in
            guard let open = entries[owner] else { return true }
            let now = ContinuousClock.now
            let rest = open.filter { entry in
                guard entry.deadline > now else { return false }
                let present = store.get(entry.object)
                switch entry.effect {
                case .created: return present?.uid != entry.uid
                case .deleted: return present?.uid == entry.uid && present?.isTerminating == false
                }
            }
            entries[owner] = rest.isEmpty ? nil : rest
            return rest.isEmpty
        }
    }

    private func add(_ object: KubeObject, _ effect: Effect, _ owner: ObjectKey) {
        let entry = Entry(
            object: object.key,
            uid: object.uid,
            effect: effect,
            deadline: ContinuousClock.now.advanced(by: timeout)
        )
        entries.withLock { $0[owner, default: []].append(entry) }
    }
}
