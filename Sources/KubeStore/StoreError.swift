/// Why a write or a read of history did not happen.
package enum StoreError: Error, Sendable, CustomStringConvertible {
    /// An object of this name is there already.
    case exists(StoredObject)
    /// The object changed since it was read; the present one is attached.
    case conflict(StoredObject)
    /// There is no such object.
    case missing
    /// The revision is older than the history that is kept (`oldest` is the first that still works).
    case expired(oldest: Int64)
    /// The database refused; nothing was written.
    case unavailable(String)
    /// The store was closed.
    case closed

    package var description: String {
        switch self {
        case .exists(let object): "\(object.key) already exists at revision \(object.revision)"
        case .conflict(let object): "\(object.key) is now at revision \(object.revision)"
        case .missing: "the object does not exist"
        case .expired(let oldest): "the history before revision \(oldest) is gone"
        case .unavailable(let reason): "the database refused the write: \(reason)"
        case .closed: "the store is closed"
        }
    }
}
