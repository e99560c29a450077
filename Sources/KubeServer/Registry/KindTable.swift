internal import KubeCore
internal import KubeStore
internal import Synchronization

/// One served kind and how it is kept.
struct Resource: Sendable {
    let kind: Kind
    /// Name of the collection in the store; the same for all versions of a kind.
    let storage: String
    /// The version in which objects are kept.
    let storageType: ResourceType
    let strategy: any Strategy
    let conversion: Conversion
    /// Of the objects as they are kept; all versions share it.
    let index: FieldIndex
    /// The CRD that defines it.
    let definitionName: String?
    /// Its CRD is being deleted: nothing new may be made.
    var isTerminating = false

    var type: ResourceType { kind.type }
}

/// All kinds that are served now: the built-in ones and those of CRDs.
final class KindTable: Sendable {
    private struct Address: Hashable {
        var group: String
        var version: String
        var plural: String
    }

    private struct State {
        var resources: [Address: Resource] = [:]
        var order: [Address] = []
        var revision = 1
    }

    private let state = Mutex(State())

    func find(group: String, version: String, plural: String) -> Resource? {
        state.withLock { $0.resources[Address(group: group, version: version, plural: plural)] }
    }

    func find(_ type: ResourceType) -> Resource? { find(group: type.group, version: type.version, plural: type.plural) }

    var all: [Resource] { state.withLock { state in state.order.compactMap { state.resources[$0] } } }

    /// Grows with every change of the set.
    var revision: Int { state.withLock { $0.revision } }

    func add(_ resources: [Resource]) {
        state.withLock { state in
            for resource in resources {
                let type = resource.type
                let address = Address(group: type.group, version: type.version, plural: type.plural)
                if state.resources.updateValue(resource, forKey: address) == nil { state.order.append(address) }
            }
            state.revision += 1
        }
    }

    /// Replaces what the CRD `definition` defines.
    func replace(definition: String, with resources: [Resource]) {
        state.withLock { state in
            state.order.removeAll { state.resources[$0]?.definitionName == definition }
            state.resources = state.resources.filter { $0.value.definitionName != definition }
            for resource in resources {
                let type = resource.type
                let address = Address(group: type.group, version: type.version, plural: type.plural)
                if state.resources.updateValue(resource, forKey: address) == nil { state.order.append(address) }
            }
            state.revision += 1
        }
    }
}
