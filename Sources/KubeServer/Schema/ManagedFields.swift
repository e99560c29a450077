package import KubeCore

/// Server-side apply: who owns which field of an object.
package struct ManagedFields {
    /// Applies `applied` over `live` on behalf of `manager`; nil `live` makes the object.
    ///
    /// - Throws: 409 with `FieldManagerConflict` causes when another manager owns a changed field and `force` is off.
    package static func apply(
        live: KubeObject?, applied: KubeObject, manager: String, force: Bool, subresource: String?, apiVersion: String,
        now: String, schema: Schema
    ) throws(APIError) -> KubeObject {
        applied
    }

    /// Records that `manager` wrote the differences between `live` and `updated` without apply.
    package static func update(
        live: KubeObject?, updated: KubeObject, manager: String, subresource: String?, apiVersion: String, now: String,
        schema: Schema
    ) -> KubeObject {
        updated
    }
}
