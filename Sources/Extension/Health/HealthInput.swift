internal import Foundation
internal import KubeCore

/// Everything that the checks look at: what is wanted, and what was seen.
struct HealthInput: Sendable {
    var operation: HealthOperation
    var render: RenderInput
    /// What would be applied; empty before a removal.
    var objects: [RenderedObject] = []
    var inventory: Inventory?
    var observation: ClusterObservation
    var now: Date

    var settings: ExtensionSettings { render.settings }
    var facts: ClusterFacts { render.facts }
}

/// What was seen of a cluster.
///
/// Each part is kept with the error of not having seen it: whoever needs it then fails, the others do not.
struct ClusterObservation: Sendable {
    typealias Seen<Value> = Result<Value, any Error>

    var kubernetesVersion: Seen<String?> = .success(nil)
    var nodes: Seen<[KubeObject]> = .success([])
    /// Of the components.
    var namespace: Seen<KubeObject?> = .success(nil)
    /// Where jobs run unless their compute says otherwise.
    var workloadNamespace: Seen<KubeObject?> = .success(nil)
    /// In all namespaces.
    var deployments: Seen<[KubeObject]> = .success([])
    var daemonSets: Seen<[KubeObject]> = .success([])
    var services: Seen<[KubeObject]> = .success([])
    /// In the components' namespace.
    var pods: Seen<[KubeObject]> = .success([])
    /// Those among the rendered objects, and a few of others, that are there.
    var present: Seen<[ObjectReference: KubeObject]> = .success([:])
    var routerV1Role: Seen<KubeObject?> = .success(nil)
    var routerV1Binding: Seen<KubeObject?> = .success(nil)
    var instanceTypes: Seen<[KubeObject]> = .success([])
    /// Secrets of the settings by name; nil for one that is not there.
    var secrets: Seen<[String: KubeObject?]> = .success([:])
    var missingPermissions: Seen<[Permission]> = .success([])
    var user: String?
    /// Whether the control plane took a sign of life.
    var controlPlane: Seen<Bool> = .success(true)
    /// Deployment and pods of the agent itself; empty when it runs elsewhere.
    var agent: Seen<[KubeObject]> = .success([])
    /// Kinds that the agent has not been able to list.
    var unlisted: [String] = []
    /// How many objects of users there are, by kind.
    var userObjects: Seen<[String: Int]> = .success([:])

    func definition(_ name: String) throws -> KubeObject? {
        try present.get()[ObjectReference(type: .customResourceDefinitions, key: ObjectKey(name: name))]
    }
}
