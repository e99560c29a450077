internal import KubeCore
internal import KubeRuntime

/// Gives each namespace its `default` service account.
struct ServiceAccountController: Sendable {
    let context: ControllerContext

    func makeController() -> Controller {
        let controller = Controller(name: "serviceaccount", workers: 2, logger: context.logger, reconcile: reconcile)
        controller.watch(context.informers.namespaces)
        controller.watch(context.informers.serviceAccounts) { event in
            guard case .deleted(let account) = event, account.name == "default" else { return [] }
            return [ObjectKey(name: account.namespace ?? "")]
        }
        return controller
    }

    @Sendable func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let namespace = context.informers.namespaces.get(key), !namespace.isTerminating else { return .settled }
        let account = ObjectKey(namespace: key.name, name: "default")
        guard context.informers.serviceAccounts.get(account) == nil else { return .settled }
        do {
            try await context.api.create(
                .serviceAccounts,
                KubeObject(.serviceAccounts, namespace: key.name, name: "default")
            )
        } catch let error as APIError where error.isAlreadyExists || error.isNamespaceTerminating || error.isNotFound {
            // Made meanwhile, or the namespace is on its way out.
        }
        return .settled
    }
}

/// The ConfigMap by which pods of a namespace know the certificate authority of the API server.
enum RootCertificatePlan {
    static let name = "kube-root-ca.crt"

    static func configMap(namespace: String, pem: String) -> KubeObject {
        KubeObject(
            .configMaps,
            namespace: namespace,
            name: name,
            annotations: [
                "kubernetes.io/description":
                    "The certificate authority with which clients in this namespace verify the Kubernetes API server."
            ],
            body: ["data": ["ca.crt": .string(pem)]]
        )
    }
}

/// Publishes `kube-root-ca.crt` in each namespace and repairs it.
struct RootCertificateController: Sendable {
    let context: ControllerContext
    let pem: String

    func makeController() -> Controller {
        let controller = Controller(name: "root-ca", workers: 2, logger: context.logger, reconcile: reconcile)
        controller.watch(context.informers.namespaces)
        controller.watch(context.informers.rootCertificates) { [ObjectKey(name: $0.object.namespace ?? "")] }
        return controller
    }

    @Sendable func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let namespace = context.informers.namespaces.get(key), !namespace.isTerminating else { return .settled }
        let wanted = RootCertificatePlan.configMap(namespace: key.name, pem: pem)
        do {
            guard let present = context.informers.rootCertificates.get(wanted.key) else {
                try await context.api.create(.configMaps, wanted)
                return .settled
            }
            guard present["data"] != wanted["data"] else { return .settled }
            var changed = present
            changed["data"] = wanted["data"]
            try await context.api.update(.configMaps, changed)
        } catch let error as APIError where error.isAlreadyExists || error.isNamespaceTerminating || error.isNotFound {
            // Made meanwhile, or the namespace is on its way out.
        }
        return .settled
    }
}
