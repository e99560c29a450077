internal import KubeCore
internal import KubeRuntime

/// The history of a StatefulSet or DaemonSet as ControllerRevisions.
struct Revisions: Sendable {
    let context: ControllerContext
    let ownerType: ResourceType

    /// What a revision keeps: a patch that brings the template back, as `kubectl rollout undo` applies it.
    static func data(of template: JSON?) -> JSON {
        var template = template ?? .object([:])
        template["$patch"] = "replace"
        return ["spec": ["template": template]]
    }

    static func hash(_ template: JSON?, collisions: Int) -> String {
        PodTemplate.hash(template, collisions: collisions)
    }

    /// Makes sure that the present template has the newest revision, and drops history beyond `limit`.
    ///
    /// - `inUse`: hashes that pods carry; their revisions stay.
    /// Returns the revision of the present template.
    func sync(_ owner: KubeObject, limit: Int, inUse: Set<String>) async throws -> KubeObject {
        let template = owner["spec", "template"]
        let data = Self.data(of: template)
        let history = context.informers.controllerRevisions.owned(by: owner)
            .sorted { ($0["revision"]?.intValue ?? 0) < ($1["revision"]?.intValue ?? 0) }
        let newest = history.last?["revision"]?.intValue ?? 0
        let current: KubeObject
        if var same = history.last(where: { $0["data"] == data }) {
            if same["revision"]?.intValue != newest {
                same["revision"] = JSON(newest + 1)
                same = try await context.api.update(.controllerRevisions, same)
            }
            current = same
        } else {
            current = try await create(owner, data: data, template: template, revision: newest + 1)
        }
        let old = history.filter { revision in
            revision.name != current.name && !inUse.contains(revision.labels[DaemonSetPlan.hashLabel] ?? "")
        }
        for revision in old.dropLast(min(limit, old.count)) {
            try await context.api.deleteIfPresent(.controllerRevisions, revision.key)
        }
        return current
    }

    private func create(_ owner: KubeObject, data: JSON, template: JSON?, revision: Int) async throws -> KubeObject {
        var collisions = owner["status", "collisionCount"]?.intValue ?? 0
        while true {
            let hash = Self.hash(template, collisions: collisions)
            var labels = template?["metadata"]?["labels"]?.stringMap ?? [:]
            labels[DaemonSetPlan.hashLabel] = hash
            var object = KubeObject(
                .controllerRevisions,
                namespace: owner.namespace,
                name: "\(owner.name)-\(hash)",
                labels: labels,
                annotations: owner.annotations.filter { $0.key != DeploymentNames.lastApplied },
                body: ["data": data, "revision": JSON(revision)]
            )
            object.ownerReferences = [owner.controllerReference()]
            do {
                return try await context.api.create(.controllerRevisions, object)
            } catch let error as APIError where error.isAlreadyExists {
                let present = try await context.api.get(
                    .controllerRevisions,
                    namespace: owner.namespace,
                    name: object.name
                )
                if present["data"] == data, present.controllerReference?.uid == owner.uid { return present }
                guard collisions < 20 else { throw error }
                collisions += 1
            }
        }
    }
}
