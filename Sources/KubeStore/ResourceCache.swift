/// All present objects of one resource in the order of their keys, and its recent changes.
///
/// Pure state.
struct ResourceCache {
    private(set) var objects: [String: StoredObject] = [:]
    private var ordered: [StoredObject] = []
    private(set) var ring: ChangeRing
    var waiters: [Int: Waiter] = [:]

    /// A watcher that has seen everything and sleeps.
    struct Waiter {
        var namespace: String
        /// Uptime in nanoseconds at which it wants to be woken without a change.
        var deadline: UInt64?
        var continuation: CheckedContinuation<Void, Never>
    }

    init(floor: Int64) { ring = ChangeRing(floor: floor) }

    var count: Int { ordered.count }

    /// Takes the objects found at start, in any order.
    mutating func load(_ loaded: [StoredObject]) {
        ordered = loaded.sorted { $0.key < $1.key }
        objects = Dictionary(loaded.map { ($0.key, $0) }) { _, last in last }
    }

    mutating func apply(_ change: StoreChange) {
        let key = change.object.key
        let position = lowerBound(key)
        let isPresent = position < ordered.count && ordered[position].key == key
        if change.kind == .deleted {
            if isPresent { ordered.remove(at: position) }
            objects[key] = nil
        } else {
            if isPresent { ordered[position] = change.object } else { ordered.insert(change.object, at: position) }
            objects[key] = change.object
        }
    }

    mutating func record(_ change: StoreChange, time: UInt64) { ring.append(change, time: time) }

    mutating func trim(_ limits: ChangeRing.Limits, now: UInt64) { ring.trim(limits, now: now) }

    /// The objects of a namespace (all when empty), in order.
    func list(namespace: String) -> [StoredObject] {
        guard !namespace.isEmpty else { return ordered }
        // "0" is the character after "/".
        return Array(ordered[lowerBound(namespace + "/")..<lowerBound(namespace + "0")])
    }

    /// The objects as they were at `revision`; nil when the history does not reach back that far.
    func list(namespace: String, at revision: Int64) -> [StoredObject]? {
        guard revision >= ring.floor else { return nil }
        let later = ring.changes(after: revision)
        let present = list(namespace: namespace)
        if later.isEmpty { return present }
        var before: [String: StoredObject?] = [:]
        for change in later where namespace.isEmpty || change.object.namespace == namespace {
            if before[change.object.key] == nil { before[change.object.key] = .some(change.previous) }
        }
        if before.isEmpty { return present }
        var result = present.filter { before[$0.key] == nil }
        result += before.values.compactMap { $0 }
        result.sort { $0.key < $1.key }
        return result
    }

    private func lowerBound(_ key: String) -> Int {
        var low = 0
        var high = ordered.count
        while low < high {
            let middle = (low + high) / 2
            if ordered[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
