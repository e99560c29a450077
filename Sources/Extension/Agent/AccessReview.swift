internal import KubeCore

/// One thing that a user may or may not do.
struct Permission: Sendable, Hashable, CustomStringConvertible {
    var verb: String
    var group: String
    /// With `/subresource` if there is one.
    var resource: String
    /// nil = in the whole cluster.
    var namespace: String?
    /// One object; nil = any.
    var name: String?

    init(_ verb: String, _ type: ResourceType, namespace: String? = nil, name: String? = nil) {
        self.init(verb, group: type.group, resource: type.plural, namespace: namespace, name: name)
    }

    init(_ verb: String, group: String, resource: String, namespace: String? = nil, name: String? = nil) {
        self.verb = verb
        self.group = group
        self.resource = resource
        self.namespace = namespace
        self.name = name
    }

    private var groupResource: String { group.isEmpty ? resource : resource + "." + group }

    var description: String {
        "\(verb) \(groupResource) " + (namespace.map { "in namespace \($0)" } ?? "in the whole cluster")
            + (name.map { " named \($0)" } ?? "")
    }

    /// A command that gives it to `user`, or words when the user is not known.
    func grant(to user: String?) -> String {
        let kind = namespace == nil ? "clusterrole" : "role"
        let place = namespace.map { " -n " + $0 } ?? ""
        let role = "outrigger-" + verb + "-" + resource.replacing("/", with: "-")
        let names = name.map { " --resource-name=" + $0 } ?? ""
        let subject: String
        if let user, user.hasPrefix("system:serviceaccount:") {
            subject = "--serviceaccount=" + user.dropFirst("system:serviceaccount:".count)
        } else {
            subject = "--user=" + (user ?? "NAME")
        }
        return
            "`kubectl create \(kind) \(role) --verb=\(verb) --resource=\(groupResource)\(names)\(place)` and `kubectl create \(kind)binding \(role) --\(kind)=\(role) \(subject)\(place)`"
    }
}

/// Asks the cluster what the agent may do.
struct AccessReview: Sendable {
    let api: any ResourceAPI

    private static let reviews = ResourceType(
        group: "authorization.k8s.io",
        version: "v1",
        plural: "selfsubjectaccessreviews",
        kind: "SelfSubjectAccessReview",
        isNamespaced: false
    )
    private static let selfReviews = ResourceType(
        group: "authentication.k8s.io",
        version: "v1",
        plural: "selfsubjectreviews",
        kind: "SelfSubjectReview",
        isNamespaced: false
    )
    private static let concurrency = 8

    /// nil where the API knows no users, as in the embedded cluster's own process.
    func isAllowed(_ permission: Permission) async throws -> Bool? {
        let parts = permission.resource.split(separator: "/", maxSplits: 1).map(String.init)
        let members: [String: String?] = [
            "verb": permission.verb, "group": permission.group, "resource": parts[0],
            "subresource": parts.count > 1 ? parts[1] : nil, "namespace": permission.namespace, "name": permission.name,
        ]
        let object = KubeObject([
            "apiVersion": .string(Self.reviews.apiVersion), "kind": .string(Self.reviews.kind), "metadata": [:],
            "spec": ["resourceAttributes": JSON(members.compactMapValues { $0 })],
        ])
        do {
            let answer = try await api.create(Self.reviews, object)
            return answer["status", "allowed"]?.boolValue ?? false
        } catch let error as APIError where [404, 405].contains(error.code) {
            return nil
        }
    }

    /// Name of the user that the agent is; nil when the API does not say.
    func user() async throws -> String? {
        let object = KubeObject([
            "apiVersion": .string(Self.selfReviews.apiVersion), "kind": .string(Self.selfReviews.kind), "metadata": [:],
        ])
        do {
            return try await api.create(Self.selfReviews, object)["status", "userInfo", "username"]?.stringValue
        } catch let error as APIError where [400, 403, 404, 405].contains(error.code) {
            return nil
        }
    }

    /// Those of `permissions` that the agent does not have, in their order.
    func missing(_ permissions: [Permission]) async throws -> [Permission] {
        // Whoever may do everything needs no further questions.
        guard try await isAllowed(Permission("*", group: "*", resource: "*")) == false else { return [] }
        return try await withThrowingTaskGroup(of: (Int, Bool).self) { group in
            var refused: [Int] = []
            for (index, permission) in permissions.enumerated() {
                if index >= Self.concurrency, let (answered, isAllowed) = try await group.next(), !isAllowed {
                    refused.append(answered)
                }
                group.addTask { (index, try await isAllowed(permission) ?? true) }
            }
            for try await (answered, isAllowed) in group where !isAllowed { refused.append(answered) }
            return refused.sorted().map { permissions[$0] }
        }
    }
}
