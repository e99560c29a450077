internal import KubeCore
internal import KubeStore
internal import Logging

/// Asks the admission webhooks that the cluster's configurations name.
///
/// Nothing is locked while a call is under way: the write that follows is refused, and begun again, if its object has changed.
/// Source: kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers.
struct WebhookAdmission: AdmissionHook {
    let table: WebhookTable
    let caller: WebhookCaller
    let store: ObjectStore
    let logger: Logger

    package var isIdle: Bool { table.isEmpty }

    /// A webhook that a request is to be sent to, and the version it wants to see.
    private struct Invocation: Sendable {
        var webhook: Webhook
        var type: ResourceType
    }

    // MARK: Mutating

    package func mutate(
        _ request: AdmissionRequest,
        normalize: @Sendable (KubeObject) throws -> KubeObject,
        repeatBuiltIn: @Sendable (KubeObject) async throws -> KubeObject
    ) async throws -> KubeObject? {
        let webhooks = table.mutating
        if webhooks.isEmpty || Self.isExempt(request) { return nil }
        var round = Round(request: request)
        try await run(webhooks, &round, isSecond: false, normalize)
        guard round.hasChanged, let changed = round.request.object else { return nil }
        // Whatever changed once makes the built-in admission, and those webhooks that ask for it, look again.
        let repeated = try await repeatBuiltIn(changed)
        if repeated != changed { round.again.formUnion(round.repeatable) }
        round.request.object = repeated
        try await run(webhooks, &round, isSecond: true, normalize)
        return round.request.object
    }

    private struct Round {
        var request: AdmissionRequest
        var hasChanged = false
        /// Webhooks with `reinvocationPolicy: IfNeeded` that were asked.
        var repeatable: Set<String> = []
        /// Those of them after which the object was changed.
        var again: Set<String> = []
    }

    private func run(
        _ webhooks: [Webhook],
        _ round: inout Round,
        isSecond: Bool,
        _ normalize: @Sendable (KubeObject) throws -> KubeObject
    ) async throws {
        for webhook in webhooks {
            if isSecond, !round.again.contains(webhook.id) { continue }
            guard let type = try selected(webhook, round.request) else { continue }
            let before = round.request.object
            let patched = try await patched(Invocation(webhook: webhook, type: type), round.request)
            if let patched {
                let result = try normalize(patched)
                if result != before {
                    round.hasChanged = true
                    round.again.formUnion(round.repeatable)
                }
                round.request.object = result
            }
            if webhook.isReinvoked { round.repeatable.insert(webhook.id) }
            round.again.remove(webhook.id)
        }
    }

    private func patched(_ invocation: Invocation, _ request: AdmissionRequest) async throws -> KubeObject? {
        let webhook = invocation.webhook
        guard let answer = try await ask(invocation, request, isMutating: true), let patch = answer.patch else {
            return nil
        }
        if patch.arrayValue?.isEmpty ?? false { return nil }
        guard let object = request.object else {
            throw APIError.internalError(
                "admission webhook \"\(webhook.name)\" attempted to modify the object, which is not supported for this operation"
            )
        }
        let shown = request.converted(object, to: invocation.type)
        do throws(APIError) {
            let changed = KubeObject(try JSONPatch.apply(patch, to: shown.json))
            return request.registry.converted(
                changed,
                from: invocation.type,
                to: request.type,
                isForeign: request.isForeign
            )
        } catch {
            throw APIError.internalError(error.message)
        }
    }

    // MARK: Validating

    package func validate(_ request: AdmissionRequest) async throws {
        let webhooks = table.validating
        if webhooks.isEmpty || Self.isExempt(request) { return }
        var invocations: [Invocation] = []
        for webhook in webhooks {
            if let type = try selected(webhook, request) {
                invocations.append(Invocation(webhook: webhook, type: type))
            }
        }
        if invocations.isEmpty { return }
        let errors = await withTaskGroup(of: (Int, (any Error)?).self) { group in
            for (index, invocation) in invocations.enumerated() {
                group.addTask {
                    do {
                        _ = try await ask(invocation, request, isMutating: false)
                        return (index, nil)
                    } catch {
                        return (index, error)
                    }
                }
            }
            var errors: [(Int, any Error)] = []
            for await (index, error) in group {
                if let error { errors.append((index, error)) }
            }
            return errors
        }
        if let first = errors.min(by: { $0.0 < $1.0 }) { throw first.1 }
    }

    // MARK: Selection

    /// Configurations of admission cannot be held up by admission, or a bad one could not be mended.
    private static func isExempt(_ request: AdmissionRequest) -> Bool {
        request.type.group == "admissionregistration.k8s.io"
    }

    /// The version in which the webhook wants the request; nil when it does not want it.
    private func selected(_ webhook: Webhook, _ request: AdmissionRequest) throws -> ResourceType? {
        guard let type = matchedType(webhook, request), matchesNamespace(webhook, request),
            matchesObject(webhook, request)
        else { return nil }
        return try meetsConditions(webhook, request, type) ? type : nil
    }

    private func matchedType(_ webhook: Webhook, _ request: AdmissionRequest) -> ResourceType? {
        func matches(_ type: ResourceType) -> Bool {
            webhook.rules.contains {
                $0.matches(
                    operation: request.operation.rawValue,
                    type: type,
                    subresource: request.subresource,
                    namespace: request.namespace
                )
            }
        }
        if matches(request.type) { return request.type }
        guard webhook.matchesEquivalent else { return nil }
        return request.registry.equivalents(of: request.type).first(where: matches)
    }

    private func matchesNamespace(_ webhook: Webhook, _ request: AdmissionRequest) -> Bool {
        if webhook.namespaceSelector.isEmpty { return true }
        guard let namespace = request.namespace, !namespace.isEmpty else { return true }
        // A Namespace that is written is judged by the labels it is to have.
        if request.type == .namespaces, request.subresource == nil, let object = request.object {
            return webhook.namespaceSelector.matches(object.labels)
        }
        let labels = store.find("namespaces", namespace: "", name: namespace)?.labels ?? [:]
        return webhook.namespaceSelector.matches(labels)
    }

    private func matchesObject(_ webhook: Webhook, _ request: AdmissionRequest) -> Bool {
        if webhook.objectSelector.isEmpty { return true }
        return [request.object, request.oldObject].contains { object in
            guard let object, object["metadata"] != nil else { return false }
            return webhook.objectSelector.matches(object.labels)
        }
    }

    private func meetsConditions(
        _ webhook: Webhook,
        _ request: AdmissionRequest,
        _ type: ResourceType
    ) throws -> Bool {
        if webhook.conditions.isEmpty { return true }
        let review = WebhookReview(request, as: type, kind: request.objectKind, version: "v1")
        let body = review.json["request"] ?? [:]
        let variables: [String: CELValue] = [
            "object": CELValue(body["object"] ?? .null, nil),
            "oldObject": CELValue(body["oldObject"] ?? .null, nil),
            "request": CELValue(body, nil),
        ]
        var problem: String?
        for condition in webhook.conditions {
            do throws(CELError) {
                // One that does not hold decides, whatever became of the others.
                if !(try condition.holds(variables)) { return false }
            } catch {
                problem = problem ?? "expression '\(condition.name)' resulted in error: \(error.message)"
            }
        }
        guard let problem else { return true }
        if webhook.ignoresFailure { return false }
        throw APIError.forbidden(
            request.type,
            request.name,
            "matchConditions of webhook \"\(webhook.name)\": \(problem)"
        )
    }

    // MARK: Call

    /// nil when the call failed and the webhook's failure policy lets that pass.
    private func ask(
        _ invocation: Invocation,
        _ request: AdmissionRequest,
        isMutating: Bool
    ) async throws -> WebhookReview.Answer? {
        let webhook = invocation.webhook
        if request.isDryRun, webhook.hasSideEffects {
            throw APIError.badRequest("admission webhook \"\(webhook.name)\" does not support dry run")
        }
        let review = WebhookReview(
            request,
            as: invocation.type,
            kind: request.objectKind,
            version: webhook.reviewVersion
        )
        let answer: WebhookReview.Answer
        do {
            let json = try await caller.call(webhook, review.json, store: store)
            answer = try review.read(json, isMutating: isMutating)
        } catch let failure as WebhookCaller.Failure {
            return try failed(webhook, "failed to call webhook: \(failure.message)")
        } catch let unusable as WebhookReview.Unusable {
            return try failed(webhook, "received invalid webhook response: \(unusable.message)")
        }
        for warning in answer.warnings { RequestScope.current?.warn(warning) }
        for (key, value) in answer.auditAnnotations {
            logger.debug("audit annotation", metadata: ["key": "\(webhook.name)/\(key)", "value": "\(value)"])
        }
        guard answer.isAllowed else { throw WebhookReview.refusal(by: webhook.name, answer.result) }
        return answer
    }

    private func failed(_ webhook: Webhook, _ reason: String) throws(APIError) -> WebhookReview.Answer? {
        let message = "failed calling webhook \"\(webhook.name)\": \(reason)"
        guard webhook.ignoresFailure else { throw APIError.internalError(message) }
        logger.warning(
            "failed calling webhook, failing open",
            metadata: ["webhook": "\(webhook.name)", "error": "\(reason)"]
        )
        return nil
    }
}

extension WebhookTable {
    var isEmpty: Bool { mutating.isEmpty && validating.isEmpty }
}
