package import KubeCore
internal import Synchronization

/// The values that field selectors of one resource compare, taken from an object once and kept with it.
package struct FieldIndex: Sendable {
    private static let lastIdentity = Mutex(0)

    package let names: [String]
    /// Tells indexes apart: values of another one are not used.
    let identity: Int
    package let values: @Sendable (KubeObject) -> [String]

    /// `values` answers one text per name, in the same order.
    package init(names: [String], values: @escaping @Sendable (KubeObject) -> [String]) {
        self.names = names
        self.values = values
        identity = FieldIndex.lastIdentity.withLock { last in
            last += 1
            return last
        }
    }
}

/// One state of one object: its bytes, its version and what is selected on.
///
/// Never changes.
package final class StoredObject: Sendable {
    package let namespace: String
    package let name: String
    /// `namespace/name`, or `name` for cluster-scoped objects; lists are in the order of these.
    package let key: String
    package let revision: Int64
    /// The revision at which the object was created.
    package let created: Int64
    package let encoded: EncodedObject
    private let decoded: Mutex<Decoded>

    private struct Decoded {
        var object: KubeObject?
        var labels: [String: String]?
        var fields: (index: Int, values: [String])?
        var isTerminating: Bool?
    }

    package init(
        namespace: String,
        name: String,
        revision: Int64,
        created: Int64,
        encoded: EncodedObject,
        object: KubeObject? = nil
    ) {
        self.namespace = namespace
        self.name = name
        key = StoredObject.key(namespace: namespace, name: name)
        self.revision = revision
        self.created = created
        self.encoded = encoded
        decoded = Mutex(
            Decoded(object: object, labels: object?.labels, isTerminating: object.map(\.isTerminating))
        )
    }

    package static func key(namespace: String, name: String) -> String {
        namespace.isEmpty ? name : namespace + "/" + name
    }

    package var bytes: [UInt8] { encoded.bytes }
    package var resourceVersion: String { String(revision) }

    /// The parsed object; kept only while the object is among the recently written.
    package var object: KubeObject {
        if let object = decoded.withLock({ $0.object }) { return object }
        return parsed()
    }

    package var labels: [String: String] {
        if let labels = decoded.withLock({ $0.labels }) { return labels }
        let labels = object.labels
        decoded.withLock { $0.labels = labels }
        return labels
    }

    /// Whether `metadata.deletionTimestamp` is set.
    package var isTerminating: Bool {
        if let known = decoded.withLock({ $0.isTerminating }) { return known }
        let isTerminating = object.isTerminating
        decoded.withLock { $0.isTerminating = isTerminating }
        return isTerminating
    }

    /// The values of `index` for this object; those of the last index asked for are kept.
    package func fields(_ index: FieldIndex) -> [String] {
        if let known = decoded.withLock({ $0.fields }), known.index == index.identity { return known.values }
        let values = index.values(object)
        decoded.withLock { $0.fields = (index.identity, values) }
        return values
    }

    /// The same content under another version, as selector transitions and old states need it.
    package func stamped(_ revision: Int64) -> StoredObject {
        StoredObject(
            namespace: namespace,
            name: name,
            revision: revision,
            created: created,
            encoded: encoded.stamped(revision)
        )
    }

    /// Gives the parsed form back; the bytes stay.
    func forgetObject() { decoded.withLock { $0.object = nil } }

    private func parsed() -> KubeObject {
        // Bytes come from our own encoder; a database that was damaged reads as an object without fields.
        guard let json = try? JSON(parsing: encoded.bytes) else { return KubeObject(.object([:])) }
        return KubeObject(json)
    }
}
