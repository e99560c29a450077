internal import Foundation
package import KubeCore
package import KubeStore
package import Logging
internal import Synchronization

/// What the registry needs to know about its cluster.
package struct RegistryConfiguration: Sendable {
    /// Service addresses are taken from here (IPv4 CIDR).
    package var serviceRange = "10.96.0.0/16"
    package var nodePorts = 30000...32767
    /// Signs tokens; without one `serviceaccounts/token` answers 503.
    package var tokenIssuer: (any TokenIssuer)?
    /// How long Events live.
    package var eventSeconds = 3600
    /// Seconds since 1970.
    package var clock: @Sendable () -> Double = { Date().timeIntervalSince1970 }
    package var logger = Logger(label: "kube-server.registry")

    package init() {}
}

/// The Kubernetes API in process: kinds, storage, admission, validation, deletion, lists and watches.
///
/// The HTTP layer and the controllers of the same process both call it. Callers are not authorised here.
package final class Registry: ResourceAPI {
    package let store: ObjectStore
    let table = KindTable()
    let configuration: RegistryConfiguration
    let services: ServiceAllocator
    /// Read again with every change of a webhook configuration.
    let webhooks = WebhookTable()
    let quotas = ResourceQuotas()
    private let issuer: Mutex<(any TokenIssuer)?>
    private let hook = Mutex<(any AdmissionHook)?>(nil)

    /// Loads the kinds of stored CRDs too.
    ///
    /// `kinds` are the built-in ones.
    ///
    /// - Throws: 500 for a service range that cannot be used.
    package init(
        store: ObjectStore,
        kinds: [Kind] = BuiltInKinds.all,
        configuration: RegistryConfiguration = RegistryConfiguration()
    ) throws(APIError) {
        self.store = store
        self.configuration = configuration
        issuer = Mutex(configuration.tokenIssuer)
        services = try ServiceAllocator(range: configuration.serviceRange, nodePorts: configuration.nodePorts)
        let types = kinds.map(\.type)
        table.add(kinds.map { Registry.resource(builtIn: $0, all: types) })
        for stored in store.list("services").objects { services.load(stored.object) }
        loadDefinitions()
        webhooks.load(store)
    }

    /// Sets the issuer once it can be made: it may itself need the registry.
    package func setTokenIssuer(_ tokenIssuer: any TokenIssuer) { issuer.withLock { $0 = tokenIssuer } }
    var tokenIssuer: (any TokenIssuer)? { issuer.withLock { $0 } }

    /// Sets the admission outside of the registry; nil removes it.
    package func setAdmissionHook(_ admissionHook: (any AdmissionHook)?) { hook.withLock { $0 = admissionHook } }
    var admissionHook: (any AdmissionHook)? { hook.withLock { $0 } }

    /// All kinds served now.
    package var kinds: [Kind] { table.all.map(\.kind) }

    /// Changes whenever `kinds` does; for caches of discovery and OpenAPI.
    package var kindsRevision: Int { table.revision }

    package func kind(group: String, version: String, plural: String) -> Kind? {
        table.find(group: group, version: version, plural: plural)?.kind
    }

    /// - Throws: 404 when no such kind is served.
    func resource(_ type: ResourceType) throws(APIError) -> Resource {
        guard let resource = table.find(type) else { throw Registry.notServed }
        return resource
    }

    static let notServed = APIError(
        code: 404,
        reason: .notFound,
        message: "the server could not find the requested resource"
    )

    var now: String { Timestamp.text(seconds: configuration.clock()) }

    func context(
        _ resource: Resource,
        subresource: String? = nil,
        dryRun: Bool = false,
        fieldManager: String? = nil,
        isPatch: Bool = false
    ) -> StrategyContext {
        StrategyContext(
            registry: self,
            type: resource.type,
            user: RequestScope.current?.user ?? .system,
            isDryRun: dryRun,
            subresource: subresource,
            fieldManager: fieldManager,
            isPatch: isPatch
        )
    }

    private static func resource(builtIn kind: Kind, all types: [ResourceType]) -> Resource {
        let type = kind.type
        var storageType = type
        var conversion = Conversion.same
        if type.group == "events.k8s.io" {
            storageType = .events
            conversion = .event
        } else if kind.storageVersion != type.version {
            storageType.version = kind.storageVersion
            conversion = .apiVersion(served: type.apiVersion, kept: storageType.apiVersion)
        }
        return Resource(
            kind: kind,
            storage: storageType.groupResource,
            storageType: storageType,
            strategy: Strategies.strategy(for: storageType),
            conversion: conversion,
            index: fieldIndex(kind),
            definitionName: nil
        )
    }

    static func fieldIndex(_ kind: Kind) -> FieldIndex {
        let names = kind.selectableFields
        return FieldIndex(names: names) { object in names.map { kind.selectableValue($0, of: object.json) } }
    }

    /// The namespace in which the request works; empty for cluster-scoped kinds.
    func namespace(_ resource: Resource, _ namespace: String?) throws(APIError) -> String {
        guard resource.type.isNamespaced else { return "" }
        guard let namespace, !namespace.isEmpty else {
            throw APIError.badRequest("an empty namespace may not be set when a resource name may be provided")
        }
        return namespace
    }

    /// - Throws: 404 when there is no such object.
    func current(_ resource: Resource, _ namespace: String, _ name: String) throws(APIError) -> StoredObject {
        guard let stored = store.find(resource.storage, namespace: namespace, name: name) else {
            throw APIError.notFound(resource.type, name)
        }
        return stored
    }

    static func apiError(_ error: StoreError, _ resource: Resource, _ name: String) -> APIError {
        switch error {
        case .exists: APIError.alreadyExists(resource.type, name)
        case .conflict, .missing: APIError.conflict(resource.type, name, modifiedText)
        case .expired: APIError.expired("The resourceVersion for the provided list is too old.")
        case .unavailable(let reason): APIError.internalError(reason)
        case .closed:
            APIError(
                code: 503,
                reason: .serviceUnavailable,
                message: "the API server is shutting down",
                retryAfterSeconds: 1
            )
        }
    }

    static let modifiedText =
        "the object has been modified; please apply your changes to the latest version and try again"
}
