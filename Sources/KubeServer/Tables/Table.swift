package import KubeCore

/// Which part of the object a Table row carries.
package enum IncludeObject: String, Sendable {
    case none = "None"
    case metadata = "Metadata"
    case object = "Object"
}

/// A `meta.k8s.io/v1` Table of the items; `now` (seconds since 1970) turns times into ages.
package func table(
    for kind: Kind, items: [KubeObject], resourceVersion: String = "", continueToken: String? = nil,
    remainingItemCount: Int? = nil, includeObject: IncludeObject = .metadata, includeColumns: Bool = true,
    apiVersion: String = "meta.k8s.io/v1", now: Double
) -> JSON {
    .null
}

/// The `PartialObjectMetadata` of an object.
package func partialObjectMetadata(_ object: KubeObject, apiVersion: String = "meta.k8s.io/v1") -> JSON { .null }

/// The `PartialObjectMetadataList` of a page.
package func partialObjectMetadataList(_ list: KubeList, apiVersion: String = "meta.k8s.io/v1") -> JSON { .null }
