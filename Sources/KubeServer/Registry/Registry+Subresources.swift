internal import KubeCore
internal import KubeStore

extension Registry {
    /// POST on a subresource.
    func createSubresource(
        _ resource: Resource,
        _ namespace: String,
        _ name: String,
        _ subresource: String,
        _ body: KubeObject,
        _ options: WriteOptions
    ) async throws -> KubeObject {
        switch (resource.storage, subresource) {
        case ("pods", "binding"): return try await bind(namespace, name, body, options)
        case ("pods", "eviction"): return try await evict(resource, namespace, name, body, options)
        case ("serviceaccounts", "token"): return try await issueToken(resource, namespace, name, body, options)
        default: throw notServed(subresource, resource)
        }
    }

    static let success = KubeObject([
        "apiVersion": "v1", "kind": "Status", "metadata": [:], "status": "Success", "code": 201,
    ])

    /// Assigns a pod to a node, once.
    func bind(
        _ namespace: String,
        _ name: String,
        _ given: KubeObject,
        _ options: WriteOptions
    ) async throws -> KubeObject {
        let resource = try resource(.pods)
        let binding = try await admitForeign(
            given,
            old: nil,
            operation: .create,
            resource,
            namespace: namespace,
            name: name,
            context(resource, subresource: "binding", dryRun: options.dryRun)
        )
        guard let node = binding["target", "name"]?.stringValue, !node.isEmpty else {
            throw APIError.invalid(
                .bindings,
                name,
                [FieldError("target.name", .required)]
            )
        }
        let kind = binding["target", "kind"]?.stringValue ?? ""
        guard kind.isEmpty || kind == "Node" else {
            throw APIError.invalid(
                .bindings,
                name,
                [
                    FieldError(
                        "target.kind",
                        .notSupported,
                        #"supported values: "Node", "<empty>""#,
                        badValue: .string(kind)
                    )
                ]
            )
        }
        _ = try await change(resource, namespace, name, "binding", options, isHookAsked: false) { pod in
            if !binding.uid.isEmpty, binding.uid != pod.uid {
                throw APIError.conflict(
                    .pods,
                    name,
                    "Precondition failed: UID in precondition: \(binding.uid), UID in object meta: \(pod.uid)"
                )
            }
            guard !pod.isTerminating else {
                throw APIError.conflict(.pods, name, "pod \(name) is being deleted, cannot be assigned to a host")
            }
            if let present = pod["spec", "nodeName"]?.stringValue, !present.isEmpty {
                throw APIError.conflict(.pods, name, "pod \(name) is already assigned to node \"\(present)\"")
            }
            guard (pod["spec", "schedulingGates"]?.arrayValue ?? []).isEmpty else {
                throw APIError.conflict(.pods, name, "pod \(name) has non-empty .spec.schedulingGates")
            }
            var bound = pod
            bound["spec", "nodeName"] = .string(node)
            bound.annotations.merge(binding.annotations) { _, new in new }
            bound.labels.merge(binding.labels) { _, new in new }
            bound["status", "conditions"] = Conditions.set(
                pod["status", "conditions"],
                ["type": "PodScheduled", "status": "True", "lastProbeTime": .null],
                now: self.now
            )
            return bound
        }
        return Registry.success
    }

    /// Deletes a pod if its disruption budgets allow.
    private func evict(
        _ resource: Resource,
        _ namespace: String,
        _ name: String,
        _ given: KubeObject,
        _ options: WriteOptions
    ) async throws -> KubeObject {
        let pod = try current(resource, namespace, name)
        let eviction = try await admitForeign(
            given,
            old: nil,
            operation: .create,
            resource,
            namespace: namespace,
            name: name,
            context(resource, subresource: "eviction", dryRun: options.dryRun)
        )
        var deletion = DeleteOptions(
            gracePeriodSeconds: eviction["deleteOptions", "gracePeriodSeconds"]?.intValue,
            propagation: eviction["deleteOptions", "propagationPolicy"]?.stringValue
                .flatMap(DeleteOptions.Propagation.init),
            preconditionUID: eviction["deleteOptions", "preconditions", "uid"]?.stringValue,
            preconditionResourceVersion: eviction["deleteOptions", "preconditions", "resourceVersion"]?.stringValue,
            dryRun: options.dryRun
        )
        if eviction["deleteOptions", "dryRun"]?.stringArray?.contains("All") == true { deletion.dryRun = true }
        let phase = pod.object["status", "phase"]?.stringValue ?? "Pending"
        let isHarmless = ["Succeeded", "Failed", "Pending"].contains(phase) || pod.isTerminating
        if !isHarmless { try await spendBudget(pod, deletion.dryRun) }
        _ = try await remove(resource, namespace, name, deletion, isHookAsked: false)
        return Registry.success
    }

    private func spendBudget(_ pod: StoredObject, _ isDryRun: Bool) async throws {
        guard let budgets = table.find(.podDisruptionBudgets) else { return }
        let matching = store.list(budgets.storage, namespace: pod.namespace).objects.filter { budget in
            guard let selector = try? LabelSelector(budget.object["spec", "selector"]) else { return false }
            return selector.matches(pod.labels)
        }
        guard let budget = matching.first else { return }
        guard matching.count == 1 else {
            throw APIError.internalError(
                "this pod has more than one PodDisruptionBudget, which the eviction subresource does not support"
            )
        }
        let name = budget.name
        let time = now
        _ = try await change(
            budgets,
            pod.namespace,
            name,
            "status",
            WriteOptions(dryRun: isDryRun),
            isHookAsked: false
        ) { live in
            let allowed = live["status", "disruptionsAllowed"]?.intValue ?? 0
            let isSettled = live.observedGeneration >= live.generation
            guard isSettled, allowed > 0 else {
                let detail =
                    isSettled
                    ? "The disruption budget \(name) needs \(live["status", "desiredHealthy"]?.intValue ?? 0) healthy pods "
                        + "and has \(live["status", "currentHealthy"]?.intValue ?? 0) currently"
                    : "The disruption budget \(name) is still being processed by the server."
                throw APIError(
                    code: 429,
                    reason: .tooManyRequests,
                    message: "Cannot evict pod as it would violate the pod's disruption budget.",
                    causes: [APIError.Cause(reason: "DisruptionBudget", message: detail)],
                    retryAfterSeconds: isSettled ? nil : 10
                )
            }
            var spent = live
            spent["status", "disruptionsAllowed"] = JSON(allowed - 1)
            spent["status", "disruptedPods", pod.name] = .string(time)
            return spent
        }
    }

    /// A token for a service account, bound to a pod, secret or node when asked.
    private func issueToken(
        _ resource: Resource,
        _ namespace: String,
        _ name: String,
        _ given: KubeObject,
        _ options: WriteOptions
    ) async throws -> KubeObject {
        let request = try await admitForeign(
            given,
            old: nil,
            operation: .create,
            resource,
            namespace: namespace,
            name: name,
            context(resource, subresource: "token", dryRun: options.dryRun)
        )
        try NodeRestriction.checkToken(request, namespace: namespace, context(resource, subresource: "token"))
        let account = try current(resource, namespace, name)
        guard let issuer = tokenIssuer else {
            throw APIError(
                code: 503,
                reason: .serviceUnavailable,
                message: "this server has no key to sign service-account tokens"
            )
        }
        let type = ResourceType(
            group: "authentication.k8s.io",
            version: "v1",
            plural: "tokenrequests",
            kind: "TokenRequest"
        )
        let seconds = request["spec", "expirationSeconds"]?.intValue ?? 3600
        guard seconds >= 600 else {
            throw APIError.invalid(
                type,
                "",
                [
                    FieldError(
                        "spec.expirationSeconds",
                        .invalid,
                        "may not specify a duration less than 10 minutes",
                        badValue: JSON(seconds)
                    )
                ]
            )
        }
        guard seconds <= 1 << 32 else {
            throw APIError.invalid(
                type,
                "",
                [
                    FieldError(
                        "spec.expirationSeconds",
                        .invalid,
                        "may not specify a duration larger than 2^32 seconds",
                        badValue: JSON(seconds)
                    )
                ]
            )
        }
        var order = TokenOrder(
            namespace: namespace,
            serviceAccount: name,
            serviceAccountUID: account.object.uid,
            audiences: request["spec", "audiences"]?.stringArray ?? [],
            expirationSeconds: seconds
        )
        if let reference = request["spec", "boundObjectRef"], !reference.isNull {
            try bindToken(&order, reference, namespace)
        }
        let token = try await issuer.issue(order)
        var answer = request
        answer["apiVersion"] = "authentication.k8s.io/v1"
        answer["kind"] = "TokenRequest"
        answer["metadata"] = [
            "name": .string(name), "namespace": .string(namespace), "creationTimestamp": .string(now),
        ]
        answer["spec", "audiences"] = JSON(token.audiences)
        answer["spec", "expirationSeconds"] = JSON(seconds)
        answer["status"] = ["token": .string(token.token), "expirationTimestamp": .string(token.expirationTimestamp)]
        return answer
    }

    private func bindToken(_ order: inout TokenOrder, _ reference: JSON, _ namespace: String) throws(APIError) {
        let kind = reference["kind"]?.stringValue ?? ""
        let name = reference["name"]?.stringValue ?? ""
        let types: [String: ResourceType] = ["Pod": .pods, "Secret": .secrets, "Node": .nodes]
        guard let type = types[kind] else {
            throw APIError.badRequest("cannot bind token to object of type \(kind)")
        }
        let bound = try current(try resource(type), type.isNamespaced ? namespace : "", name)
        if let uid = reference["uid"]?.stringValue, !uid.isEmpty, uid != bound.object.uid {
            throw APIError.conflict(
                type,
                name,
                "the UID in the bound object reference (\(uid)) does not match the UID in record. "
                    + "The object might have been deleted and then recreated"
            )
        }
        order.boundObject = TokenOrder.BoundObject(apiVersion: "v1", kind: kind, name: name, uid: bound.object.uid)
        guard kind == "Pod" else { return }
        let account = bound.object["spec", "serviceAccountName"]?.stringValue ?? ""
        guard account == order.serviceAccount else {
            throw APIError.badRequest(
                "cannot bind token for serviceaccount \"\(order.serviceAccount)\" to pod running with different "
                    + "serviceaccount name."
            )
        }
        if let nodeName = bound.object["spec", "nodeName"]?.stringValue, !nodeName.isEmpty {
            let node = store.find("nodes", namespace: "", name: nodeName)
            order.node = TokenOrder.BoundObject(
                apiVersion: "v1",
                kind: "Node",
                name: nodeName,
                uid: node?.object.uid ?? ""
            )
        }
    }
}

/// Edits of `status.conditions`.
enum Conditions {
    /// The list with `condition` in it; the transition time moves only with the status.
    static func set(_ list: JSON?, _ condition: JSON, now: String) -> JSON {
        var conditions = list?.arrayValue ?? []
        var new = condition
        let position = conditions.firstIndex { $0["type"] == condition["type"] }
        let before = position.map { conditions[$0] }
        let isSame = before?["status"] == condition["status"]
        new["lastTransitionTime"] = isSame ? before?["lastTransitionTime"] ?? .string(now) : .string(now)
        if let position { conditions[position] = new } else { conditions.append(new) }
        return .array(conditions)
    }
}
