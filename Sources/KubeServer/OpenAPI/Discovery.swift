package import KubeCore

/// Discovery documents, made from the kinds alone.
package enum Discovery {
    /// `/api`: `APIVersions`.
    package static func apiVersions(serverAddress: String) -> JSON { .null }

    /// `/apis`: `APIGroupList`.
    package static func groupList(_ kinds: [Kind]) -> JSON { .null }

    /// `/apis/GROUP`: `APIGroup`; nil when no kind is in it.
    package static func group(_ name: String, _ kinds: [Kind]) -> JSON? { nil }

    /// `/api/v1` and `/apis/GROUP/VERSION`: `APIResourceList`; nil when no kind is in it.
    package static func resourceList(group: String, version: String, _ kinds: [Kind]) -> JSON? { nil }

    /// `apidiscovery.k8s.io/v2` `APIGroupDiscoveryList` of the core group (`/api`) or of all others (`/apis`).
    package static func aggregated(_ kinds: [Kind], core: Bool, apiVersion: String = "apidiscovery.k8s.io/v2") -> JSON {
        .null
    }
}
