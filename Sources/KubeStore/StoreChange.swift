package import KubeCore

/// What a committed write did to an object.
package struct StoreChange: Sendable {
    package enum Kind: Int64, Sendable {
        case added = 0
        case modified = 1
        case deleted = 2
    }

    package let kind: Kind
    /// The new state; for a deletion the last one, stamped with the deletion's revision.
    package let object: StoredObject
    /// The state before; nil for an addition.
    package let previous: StoredObject?

    package var revision: Int64 { object.revision }
}

/// One write for `ObjectStore.commit`.
package struct StoreWrite: Sendable {
    /// What must hold for the object that is there now.
    package enum Precondition: Sendable, Equatable {
        case absent
        case revision(Int64)
    }

    package enum Action: Sendable {
        case put
        /// The object's last state is the one given.
        case delete
    }

    package let resource: String
    package let namespace: String
    package let name: String
    package let precondition: Precondition
    package let action: Action
    package let object: KubeObject
    package let encoded: EncodedObject

    /// Encodes `object`; do it on the caller's task, not on the writer's.
    package init(
        resource: String,
        namespace: String,
        name: String,
        precondition: Precondition,
        action: Action,
        object: KubeObject
    ) {
        self.resource = resource
        self.namespace = namespace
        self.name = name
        self.precondition = precondition
        self.action = action
        self.object = object
        encoded = EncodedObject(object)
    }
}
