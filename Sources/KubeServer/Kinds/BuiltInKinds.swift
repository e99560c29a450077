internal import KubeCore

/// The kinds that the server has without any CRD.
package enum BuiltInKinds {
    package static let all: [Kind] = []

    /// Request and answer types that are no resources of their own: `DeleteOptions`, `Scale`, `Eviction`, `Status`, …
    ///
    /// Keys are `apiVersion/Kind`: `v1/DeleteOptions`, `autoscaling/v1/Scale`, `policy/v1/Eviction`.
    package static func schema(apiVersion: String, kind: String) -> Schema? { nil }
}
