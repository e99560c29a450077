internal import KubeCore

/// Answers the review kinds: requests that are not kept.
struct AccessReviews: Sendable {
    let authorizer: Authorizer
    let tokens: TokenAuthenticator

    /// nil when the kind is no review.
    func answer(kind: String, namespace: String?, body: KubeObject, user: RequestUser) async throws -> KubeObject? {
        switch kind {
        case "SelfSubjectReview": return selfReview(body, user)
        case "TokenReview": return try await tokenReview(body)
        case "SelfSubjectAccessReview": return try review(body, as: user)
        case "SubjectAccessReview": return try review(body, as: try Self.subject(body))
        case "LocalSubjectAccessReview": return try localReview(body, namespace: namespace)
        case "SelfSubjectRulesReview": return try rulesReview(body, user)
        default: return nil
        }
    }

    private func selfReview(_ body: KubeObject, _ user: RequestUser) -> KubeObject {
        var answer = body
        answer["status"] = ["userInfo": user.json]
        return answer
    }

    private func tokenReview(_ body: KubeObject) async throws -> KubeObject {
        var answer = body
        guard let token = body["spec", "token"]?.stringValue, !token.isEmpty else {
            throw APIError.badRequest("token is required for TokenReview in authentication")
        }
        // A token does not belong into an answer that may be logged.
        let audiences = body["spec", "audiences"]?.stringArray ?? []
        do {
            let result = try await tokens.authenticate(token, audiences: audiences)
            answer["status"] = [
                "authenticated": true, "user": result.user.json, "audiences": JSON(result.audiences),
            ]
        } catch let refusal as TokenAuthenticator.Refusal {
            answer["status"] = ["user": [:], "error": .string("[invalid bearer token, \(refusal.message)]")]
        }
        return answer
    }

    private static func subject(_ body: KubeObject) throws -> RequestUser {
        let spec = body["spec"]
        let name = spec?["user"]?.stringValue ?? ""
        let groups = spec?["groups"]?.stringArray ?? []
        guard !name.isEmpty || !groups.isEmpty else {
            throw invalid(
                body,
                FieldError("spec.user", .invalid, "at least one of user or group must be specified", badValue: "")
            )
        }
        let extra = (spec?["extra"]?.objectValue ?? [:]).compactMapValues(\.stringArray)
        return RequestUser(name: name, uid: spec?["uid"]?.stringValue ?? "", groups: groups, extra: extra)
    }

    private func localReview(_ body: KubeObject, namespace: String?) throws -> KubeObject {
        let asked = body["spec", "resourceAttributes", "namespace"]?.stringValue
        guard let namespace, asked == namespace else {
            throw Self.invalid(
                body,
                FieldError(
                    "spec.resourceAttributes.namespace",
                    .invalid,
                    "must match metadata.namespace",
                    badValue: asked.map(JSON.string) ?? ""
                )
            )
        }
        return try review(body, as: try Self.subject(body))
    }

    private static func invalid(_ body: KubeObject, _ error: FieldError) -> APIError {
        let type = ResourceType(
            group: "authorization.k8s.io",
            version: "v1",
            plural: body.kind.lowercased() + "s",
            kind: body.kind
        )
        return APIError.invalid(type, body.name, [error])
    }

    private func review(_ body: KubeObject, as user: RequestUser) throws -> KubeObject {
        let resource = body["spec", "resourceAttributes"]
        let path = body["spec", "nonResourceAttributes"]
        var attributes = AuthorizationAttributes(user: user, verb: "", isResource: resource != nil)
        switch (resource, path) {
        case (let resource?, nil):
            attributes.verb = resource["verb"]?.stringValue ?? ""
            attributes.group = resource["group"]?.stringValue ?? ""
            attributes.version = resource["version"]?.stringValue ?? ""
            attributes.resource = resource["resource"]?.stringValue ?? ""
            attributes.subresource = resource["subresource"]?.stringValue ?? ""
            attributes.namespace = resource["namespace"]?.stringValue ?? ""
            attributes.name = resource["name"]?.stringValue ?? ""
        case (nil, let path?):
            attributes.verb = path["verb"]?.stringValue ?? ""
            attributes.path = path["path"]?.stringValue ?? ""
        default:
            throw Self.invalid(
                body,
                FieldError(
                    "spec.resourceAttributes",
                    .invalid,
                    "exactly one of nonResourceAttributes or resourceAttributes must be specified",
                    badValue: .null
                )
            )
        }
        let decision = authorizer.snapshot.decide(attributes)
        var status: [String: JSON] = ["allowed": JSON(decision.isAllowed)]
        if !decision.isAllowed, !decision.problems.isEmpty {
            status["reason"] = .string(Authorizer.detail(decision.problems))
        }
        var answer = body
        answer["status"] = .object(status)
        return answer
    }

    private func rulesReview(_ body: KubeObject, _ user: RequestUser) throws -> KubeObject {
        guard let namespace = body["spec", "namespace"]?.stringValue, !namespace.isEmpty else {
            throw APIError.badRequest("no namespace on request")
        }
        var (rules, problems) = authorizer.snapshot.rules(of: user, namespace: namespace)
        if user.isMaster { rules += [PolicyRule(["*"], groups: ["*"], ["*"]), PolicyRule(["*"], urls: ["*"])] }
        var seen: Set<PolicyRule> = []
        rules = rules.filter { seen.insert($0).inserted }
        let resources: [JSON] = rules.filter { !$0.resources.isEmpty }.map(\.json)
        let paths: [JSON] = rules.filter { !$0.nonResourceURLs.isEmpty }
            .map { ["verbs": JSON($0.verbs), "nonResourceURLs": JSON($0.nonResourceURLs)] }
        var status: [String: JSON] = [
            "resourceRules": .array(resources), "nonResourceRules": .array(paths), "incomplete": false,
        ]
        if !problems.isEmpty { status["evaluationError"] = .string(problems.joined(separator: ", ")) }
        var answer = body
        answer["status"] = .object(status)
        return answer
    }
}
