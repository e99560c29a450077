internal import KubeCore

/// Who sets `blockOwnerDeletion` must be allowed to hold up the owner's deletion: to update its finalizers.
///
/// And who changes the owners of an object must be allowed to delete it. Upstream has this as an admission plugin that some
/// distributions turn on.
enum OwnerReferenceAdmission {
    static func check(_ object: KubeObject, old: KubeObject?, _ context: StrategyContext) throws(APIError) {
        let after = object["metadata", "ownerReferences"]?.arrayValue ?? []
        let before = old?["metadata", "ownerReferences"]?.arrayValue ?? []
        guard after != before, let authorizer = EscalationGuard.current?.authorizer, !context.user.isMaster else {
            return
        }
        func allows(_ verb: String, _ type: ResourceType, _ sub: String, _ namespace: String?, _ name: String) -> Bool {
            authorizer.snapshot.decide(
                AuthorizationAttributes(
                    user: context.user,
                    verb: verb,
                    isResource: true,
                    group: type.group,
                    version: type.version,
                    resource: type.plural,
                    subresource: sub,
                    namespace: type.isNamespaced ? namespace ?? "" : "",
                    name: name
                )
            )
            .isAllowed
        }
        if old != nil, !allows("delete", context.type, "", object.namespace, object.name) {
            throw APIError.forbidden(
                context.type,
                object.name,
                "cannot set an ownerRef on a resource you can't delete: "
            )
        }
        for owner in after where owner["blockOwnerDeletion"]?.boolValue == true {
            let wasBlocking = before.contains {
                $0["uid"] == owner["uid"] && $0["blockOwnerDeletion"]?.boolValue == true
            }
            if wasBlocking { continue }
            let apiVersion = owner["apiVersion"]?.stringValue ?? ""
            let kind = owner["kind"]?.stringValue ?? ""
            let types = context.registry.kinds.map(\.type).filter { $0.apiVersion == apiVersion && $0.kind == kind }
            guard let type = types.first else {
                throw APIError.forbidden(
                    context.type,
                    object.name,
                    "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion "
                        + "\(apiVersion) Kind \(kind): no matches for kind \"\(kind)\" in version \"\(apiVersion)\""
                )
            }
            if allows("update", type, "finalizers", object.namespace, owner["name"]?.stringValue ?? "") { continue }
            throw APIError.forbidden(
                context.type,
                object.name,
                "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: "
            )
        }
    }
}
