internal import KubeCore

/// A request of the extension's that the cluster did not carry out: which, and the error.
struct ClusterRequestError: Error, Sendable, CustomStringConvertible {
    var permission: Permission
    var subject: String
    var underlying: any Error

    var description: String { "\(permission.verb) \(subject): \(underlying)" }
}

/// What a failed request means, in words for whoever has to act.
struct ClusterFault: Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        /// No answer, or none of substance; retrying is all there is to do.
        case unreachable
        /// The namespace is still being deleted.
        case namespaceEnding
        /// The agent lacks a permission.
        case forbidden
        /// A webhook said no, or did not answer.
        case webhook(String)
        /// The server refused for another reason.
        case refused
        /// Somebody else wrote at the same time.
        case conflict
        /// Ours.
        case other
    }

    var kind: Kind
    var message: String

    /// True for what does not end by itself, so that there is no use in waiting for it.
    var isLasting: Bool { kind == .forbidden }

    /// Code of the status entry.
    var code: String {
        switch kind {
        case .unreachable: "ClusterUnreachable"
        case .namespaceEnding: "NamespaceTerminating"
        case .forbidden: "PermissionMissing"
        case .webhook: "WebhookRefused"
        case .refused, .conflict, .other: "ApplyFailed"
        }
    }

    static func make(_ error: any Error, review: AccessReview) async -> ClusterFault {
        guard let failed = error as? ClusterRequestError else { return plain(error, subject: nil) }
        if let api = failed.underlying as? APIError, api.code == 403, !api.isNamespaceEnding, api.webhook == nil {
            return await forbidden(failed, api, review)
        }
        return plain(failed.underlying, subject: "\(failed.permission.verb) \(failed.subject)")
    }

    private static func plain(_ error: any Error, subject: String?) -> ClusterFault {
        let place = subject.map { $0 + ": " } ?? ""
        guard let api = error as? APIError else {
            if error is ExtensionError || error is SettingsError {
                return ClusterFault(kind: .other, message: "\(error)")
            }
            return ClusterFault(
                kind: .unreachable,
                message: "the cluster's API does not answer (\(place)\(error)); the work goes on when it does"
            )
        }
        if let name = api.webhook {
            return ClusterFault(
                kind: .webhook(name),
                message:
                    "webhook '\(name)' stands in the way (\(place)\(api)); mend, change or remove it (`kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations`), the agent tries again by itself"
            )
        }
        if api.isNamespaceEnding {
            return ClusterFault(
                kind: .namespaceEnding,
                message:
                    "namespace \(ExtensionRenderer.namespace) is still being deleted; the work goes on when it is gone"
            )
        }
        if api.isConflict { return ClusterFault(kind: .conflict, message: place + "\(api)") }
        if api.code >= 500 || api.code == 429 {
            return ClusterFault(
                kind: .unreachable,
                message: "the cluster's API is not well (\(place)\(api)); the work goes on when it is"
            )
        }
        return ClusterFault(kind: .refused, message: "objects could not be applied: " + place + "\(api)")
    }

    /// 403 has several causes; only a question to the server tells a missing right from the refusal of an admission plugin.
    private static func forbidden(
        _ failed: ClusterRequestError,
        _ error: APIError,
        _ review: AccessReview
    ) async -> ClusterFault {
        var permission = failed.permission
        var isAllowed: Bool? = true
        do {
            // An apply that makes an object needs both.
            for verb in permission.verb == "create" ? ["patch", "create"] : [permission.verb] where isAllowed == true {
                permission.verb = verb
                isAllowed = try await review.isAllowed(permission)
            }
        } catch {
            isAllowed = false
        }
        let isRole = permission.group == "rbac.authorization.k8s.io"
        if isAllowed == true, !isRole {
            return ClusterFault(
                kind: .refused,
                message: "the cluster refuses \(failed.subject), although the agent may \(permission): \(error)"
            )
        }
        if isAllowed == true {
            return ClusterFault(
                kind: .forbidden,
                message:
                    "the agent cannot grant what it does not have itself (\(failed.subject)): \(error); give it those rights, or the verbs bind and escalate on \(permission.resource)"
            )
        }
        let user = try? await review.user()
        return ClusterFault(
            kind: .forbidden,
            message:
                "the agent lacks a permission: \(permission) (for \(failed.subject)); grant it with \(permission.grant(to: user)), or connect the cluster again: \(error)"
        )
    }
}

extension APIError {
    var isNamespaceEnding: Bool { code == 403 && causes.contains { $0.reason == "NamespaceTerminating" } }

    /// The webhook that refused or failed.
    ///
    /// Upstream puts its name nowhere but into the text.
    var webhook: String? {
        for mark in ["admission webhook \"", "failed calling webhook \""] {
            guard let start = message.firstRange(of: mark) else { continue }
            let rest = message[start.upperBound...]
            guard let end = rest.firstIndex(of: "\"") else { continue }
            return String(rest[..<end])
        }
        return nil
    }
}
